"""A cascade's declaration read back: from the JSON of `notation`, from the graph that keeps it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from penstock.cascades.declare import Cascade, cascade, route
from penstock.cascades.notation import DECLARED, PARTS
from penstock.cascades.value import Stage
from penstock.core.graph import ModelGraph
from penstock.errors import DataError, RequestError, UnknownNameError
from penstock.models.notation import model_from_json, written_expression


def cascade_from_json(form: Mapping[str, Any]) -> Cascade:
    """Return the declaration of such a form; what is left out is as `ps.cascade` has it."""
    _check(form, cascade, "a cascade's form")
    baseline = form.get("baseline")
    return cascade(
        form["name"],
        **{key: value for key, value in form.items() if key not in ("name", *PARTS)},
        router=model_from_json(form["router"]),
        routes=[_route_from_json(each) for each in form["routes"]],
        otherwise=_stage_from_json(form["otherwise"]),
        baseline=None if baseline is None else model_from_json(baseline),
    )


def declaration(graph: ModelGraph) -> Cascade:
    """Return what the graph of a cascade was learned from."""
    if DECLARED not in graph.facts:
        raise DataError(
            f"cascade '{graph.name}' was learned by a penstock that did not keep its declaration; train it again"
        )
    return cascade_from_json(graph.facts[DECLARED])


def _stage_from_json(form: Mapping[str, Any]) -> Stage:
    match dict(form):
        case {"model": dict() as given}:
            return model_from_json(given)
        case {"cascade": dict() as given}:
            return cascade_from_json(given)
        case {"constant": bool() | int() | float() | str() as constant}:
            return constant
    raise RequestError(f'{dict(form)} is no stage; give {{"model": ...}}, {{"cascade": ...}} or {{"constant": ...}}')


def _route_from_json(form: Mapping[str, Any]) -> Any:
    _check(form, route, "a route of a cascade's form")
    more = {key: value for key, value in form.items() if key not in ("when", "use")}
    return route(when=written_expression(form["when"]), use=_stage_from_json(form["use"]), **more)


def _check(form: Mapping[str, Any], call: Any, within: str) -> None:
    known = inspect.signature(call).parameters
    for name in form:
        if name not in known:
            raise UnknownNameError("field", name, known, within=within)
    missing = [name for name, each in known.items() if each.default is each.empty and name not in form]
    if missing:
        raise RequestError(f"{within} lacks {', '.join(missing)}")
