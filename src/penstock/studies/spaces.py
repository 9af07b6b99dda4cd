"""Search spaces of a pipeline's parameters: as a person writes them, and as axes of a search."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from penstock.errors import DeclarationError, UnknownNameError
from penstock.models import hparam_candidates, hparam_range
from penstock.models.fitting.axes import Axis
from penstock.models.learning.search import Candidates, Range, Space, space_of
from penstock.pipelines import PipelineFunction, PipelineParameter

_WRITTEN = re.compile(r"(?P<kind>[a-z]+)\((?P<inside>.*)\)", re.DOTALL)
_FORMS = "int(2..12), int(0..100, step=10), float(0..1), log(0.01..0.3), choice(a, b)"


def read_space(text: str) -> tuple[str, Space]:
    """Return the parameter and the search space of a text such as `depth=int(2..12)`; also `depth=2..12`, `kind=a,b`.

    Raises `DeclarationError` for anything else.
    """
    name, separator, written = (part.strip() for part in text.partition("="))
    wrong = DeclarationError(f"'{text}' is no search space; write NAME= and one of: {_FORMS}")
    if not (separator and name and written):
        raise wrong
    if found := _WRITTEN.fullmatch(written):
        kind, inside = found["kind"], found["inside"]
    else:
        kind, inside = ("any" if ".." in written else "choice"), written
    if kind == "choice":
        return name, hparam_candidates([_value(part.strip()) for part in inside.split(",")])
    ends, *how = (part.strip() for part in inside.split(","))
    low, dots, high = ends.partition("..")
    step = how[0].removeprefix("step=") if how else None
    if kind not in ("int", "float", "log", "any") or not dots or len(how) > 1 or (how and step == how[0]):
        raise wrong
    try:
        numbers = [_number(low, kind), _number(high, kind)]
        # Whole numbers are asked for whatever the parameter takes.
        by = 1 if step is None and kind == "int" else None if step is None else _number(step, kind)
        return name, hparam_range(*numbers, log=kind == "log", step=by)
    except ValueError:
        raise wrong from None


def _number(text: str, kind: str) -> float:
    if kind == "float":
        return float(text)
    try:
        return int(text)
    except ValueError:
        if kind == "int":
            raise
        return float(text)


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def spaces_of(function: PipelineFunction, given: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Space]:
    """Return the search spaces by parameter, in the order of their names; raises an error of ours for a name that the
    pipeline does not have, and for what is no search space."""
    where = f"pipeline '{function.name}'"
    if not given:
        raise DeclarationError(f"tune needs what to search in {where}: search={{'depth': ps.hparam_range(2, 12)}}")
    found: dict[str, Space] = {}
    for name, value in sorted(given.items()):
        if name not in function.parameters:
            raise UnknownNameError("parameter", name, function.parameters, within=where)
        if name in fixed:
            raise DeclarationError(f"parameter '{name}' of {where} is searched and has a value; give one of them")
        space = space_of(value)
        if space is None:
            raise DeclarationError(
                f"parameter '{name}' of {where} is to be searched over {value!r}; give ps.hparam_range(2, 12) or "
                "ps.hparam_candidates([...])"
            )
        found[name] = space
    return found


def axes_along(function: PipelineFunction, spaces: Mapping[str, Space]) -> dict[str, Axis]:
    """Return the axes along which parameters of a pipeline are searched, each from the parameter's default on."""
    return {
        name: _axis(function.parameters[name], space, f"parameter '{name}' of pipeline '{function.name}'")
        for name, space in spaces.items()
    }


def _axis(parameter: PipelineParameter, space: Space, what: str) -> Axis:
    takes = get_args(parameter.annotation) or (parameter.annotation,)
    default = parameter.default if isinstance(parameter.default, bool | int | float | str) else None
    if isinstance(space, Candidates):
        all_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in space.values)
        return Axis(space, "float" if all_numbers else "choice", default)
    if takes[0] is not Any and not {int, float} & set(takes):
        raise DeclarationError(f"{what} takes no numbers, so it has no range; give ps.hparam_candidates([...])")
    numbers = [space.low, space.high, *([] if space.step is None else [space.step])]
    takes_whole = int in takes and float not in takes
    if takes_whole and any(number != int(number) for number in numbers):
        raise DeclarationError(f"{what} takes whole numbers; its range {space.low:g} to {space.high:g} has others")
    start = default if isinstance(default, int | float) and not isinstance(default, bool) else None
    if takes_whole or (float not in takes and all(isinstance(number, int) for number in numbers)):
        step = None if space.step is None else int(space.step)
        whole = hparam_range(int(space.low), int(space.high), log=space.log, step=step)
        return Axis(whole, "int", None if start is None else round(start))
    return Axis(hparam_range(float(space.low), float(space.high), log=space.log, step=space.step), "float", start)


def first_point(axes: Mapping[str, Axis]) -> dict[str, Any]:
    """Return one point of the search spaces, the same for the same spaces: where each begins."""
    return {
        name: axis.space.low if isinstance(axis.space, Range) else axis.space.values[0] for name, axis in axes.items()
    }
