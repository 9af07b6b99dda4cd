"""The declaration of a model as plain JSON, exactly: what travels to servers, and what a cascade keeps of its parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.core import model as core
from penstock.core.expression import Expr
from penstock.errors import DeclarationError, RequestError
from penstock.models.declare import Model, model
from penstock.models.learning.search import plain
from penstock.operations.notation import expression_from_json, expression_to_json


class ModelForm(msgspec.Struct, forbid_unknown_fields=True):
    """The declaration of a model; a feature is a text in BigQuery's dialect, or an expression as JSON."""

    name: str
    type: str
    label: str | None = None
    features: dict[str, str | list[Any]] | None = None
    options: dict[str, Any] = {}
    target: str | list[Any] | None = None


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


def model_from_json(given: Mapping[str, Any] | ModelForm) -> Model:
    """Return the declaration that a form stands for; `RequestError` for what is none."""
    try:
        form = given if isinstance(given, ModelForm) else msgspec.convert(given, ModelForm)
    except msgspec.ValidationError as error:
        raise RequestError(f"the form of a model is not one: {error}") from error
    if form.features == {}:
        raise DeclarationError(f"model '{form.name}' has no features; leave `features` out to take every column")
    features = None if form.features is None else form.features.items()
    return model(
        form.name,
        type=form.type,
        label=form.label,
        features=None if features is None else {name: written_expression(each) for name, each in features},
        options=form.options,
        target=None if form.target is None else written_expression(form.target),
    )


def written_expression(given: str | list[Any]) -> Expr | str:
    """Return an expression of its JSON; a text is left as it is. Raises `RequestError` for what is neither."""
    if isinstance(given, str):
        return given
    try:
        return expression_from_json(given)
    except (TypeError, ValueError, IndexError) as error:
        raise RequestError(f"{json.dumps(given)} is no expression: {error}") from error
