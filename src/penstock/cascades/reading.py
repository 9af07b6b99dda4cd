"""A cascade's declaration read back: from the JSON of `notation`, from the graph that keeps it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal, get_origin, get_type_hints

import msgspec

from penstock.cascades import value
from penstock.cascades.declare import Cascade, cascade, route
from penstock.cascades.notation import DECLARED, PARTS
from penstock.cascades.value import Stage
from penstock.core.graph import ModelGraph
from penstock.errors import DataError, DeclarationError, RequestError, UnknownNameError
from penstock.models.notation import model_from_json, written_expression


def cascade_from_json(form: Mapping[str, Any]) -> Cascade:
    """Return the declaration of such a form; what is left out is as `ps.cascade` has it."""
    _check(form, cascade, "a cascade's form")
    if not isinstance(form["routes"], list):
        raise RequestError(f"routes={form['routes']!r} of a cascade's form is not a list")
    baseline = form.get("baseline")
    return cascade(
        typed("name", form["name"]),
        **{key: typed(key, given) for key, given in form.items() if key not in ("name", *PARTS)},
        router=model_from_json(form["router"]),
        routes=[_route_from_json(each) for each in form["routes"]],
        otherwise=_stage_from_json(form["otherwise"]),
        baseline=None if baseline is None else model_from_json(baseline),
    )


def typed(name: str, given: Any) -> Any:
    """Return the value of a setting as its type has it; `DeclarationError` for one of another type."""
    type = get_type_hints(value.Cascade)[name]
    try:
        return msgspec.convert(given, type)
    except msgspec.ValidationError as error:
        if isinstance(given, str) and get_origin(type) is Literal:
            return given  # a word: the declaration says which there are
        raise DeclarationError(f"option {name}={given!r} of a cascade: {error}") from error


def declaration(graph: ModelGraph) -> Cascade:
    """Return what the graph of a cascade was learned from."""
    if DECLARED not in graph.facts:
        raise DataError(
            f"cascade '{graph.name}' was learned by a penstock that did not keep its declaration; train it again"
        )
    return cascade_from_json(graph.facts[DECLARED])


def _stage_from_json(form: Any) -> Stage:
    match form:
        case {"model": dict() as given}:
            return model_from_json(given)
        case {"cascade": dict() as given}:
            return cascade_from_json(given)
        case {"constant": bool() | int() | float() | str() as constant}:
            return constant
    raise RequestError(f'{form!r} is no stage; give {{"model": ...}}, {{"cascade": ...}} or {{"constant": ...}}')


def _route_from_json(form: Any) -> Any:
    _check(form, route, "a route of a cascade's form")
    more = {key: value for key, value in form.items() if key not in ("when", "use")}
    return route(when=written_expression(form["when"]), use=_stage_from_json(form["use"]), **more)


def _check(form: Any, call: Any, within: str) -> None:
    if not isinstance(form, Mapping):
        raise RequestError(f"{form!r} is not {within}")
    known = inspect.signature(call).parameters
    for name in form:
        if name not in known:
            raise UnknownNameError("field", name, known, within=within)
    missing = [name for name, each in known.items() if each.default is each.empty and name not in form]
    if missing:
        raise RequestError(f"{within} lacks {', '.join(missing)}")
