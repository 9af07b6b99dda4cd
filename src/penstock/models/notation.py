"""The declaration of a model as plain JSON, exactly: what travels to servers, and what a cascade keeps of its parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from penstock.core import model as core
from penstock.core.expression import Expr
from penstock.errors import RequestError
from penstock.models.declare import Model, model
from penstock.models.search import plain
from penstock.operations.notation import expression_from_json, expression_to_json


def model_to_json(declared: core.Model) -> dict[str, Any]:
    """Return a declaration with every feature as the JSON of its expression."""
    features = declared.features
    return {
        "name": declared.name,
        "type": declared.type,
        "label": declared.label,
        "features": None if features is None else {name: expression_to_json(each) for name, each in features.items()},
        "options": {name: plain(value) for name, value in declared.options.items()},
        "target": None if declared.target is None else expression_to_json(declared.target),
    }


def model_from_json(form: Mapping[str, Any]) -> Model:
    """Return the declaration of such a form; a feature may be a text in BigQuery's dialect too."""
    features = form.get("features")
    return model(
        form["name"],
        type=form["type"],
        label=form.get("label"),
        features=None if features is None else {name: written_expression(each) for name, each in features.items()},
        options=form.get("options"),
        target=None if form.get("target") is None else written_expression(form["target"]),
    )


def written_expression(given: str | list[Any]) -> Expr | str:
    """Return an expression of its JSON; a text is left as it is. Raises `RequestError` for what is neither."""
    if isinstance(given, str):
        return given
    try:
        return expression_from_json(given)
    except (TypeError, ValueError, IndexError) as error:
        raise RequestError(f"{json.dumps(given)} is no expression: {error}") from error
