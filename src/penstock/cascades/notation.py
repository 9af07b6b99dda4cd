"""The declaration of a cascade as plain JSON, exactly: what its graph keeps of it, and what travels to servers."""

from __future__ import annotations

import dataclasses
from typing import Any

from penstock.cascades.value import Cascade, Stage
from penstock.core.model import Model
from penstock.models.notation import model_to_json
from penstock.operations.notation import expression_to_json

DECLARED = "declared"
"""The fact of a cascade's graph that holds its declaration."""

PARTS = ("router", "routes", "otherwise", "baseline")
"""What of a declaration is made of others; all else is plain."""


def cascade_to_json(declared: Cascade) -> dict[str, Any]:
    """Return a declaration with its stages in it, each `{"model": ...}`, `{"cascade": ...}` or `{"constant": ...}`."""
    routes = [
        {**_plain(each, ("when", "use")), "when": expression_to_json(each.when), "use": _stage_to_json(each.use)}
        for each in declared.routes
    ]
    return {
        **_plain(declared, PARTS),
        "router": model_to_json(declared.router),
        "routes": routes,
        "otherwise": _stage_to_json(declared.otherwise),
        "baseline": None if declared.baseline is None else model_to_json(declared.baseline),
    }


def _plain(value: Any, parts: tuple[str, ...]) -> dict[str, Any]:
    named = (field.name for field in dataclasses.fields(value) if field.name not in parts)
    return {name: getattr(value, name) for name in named}


def _stage_to_json(use: Stage) -> dict[str, Any]:
    match use:
        case Model():
            return {"model": model_to_json(use)}
        case Cascade():
            return {"cascade": cascade_to_json(use)}
    return {"constant": use}
