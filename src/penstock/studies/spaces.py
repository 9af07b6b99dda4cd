"""Search spaces of a pipeline's parameters: as a person writes them, and as axes of a search."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec

from penstock.errors import DeclarationError, UnknownNameError
from penstock.models import hparam_candidates, hparam_range
from penstock.models.fitting.axes import Axis
from penstock.models.learning.search import Candidates, Range, Space, space_of
from penstock.pipelines import PipelineFunction, PipelineParameter

_WRITTEN = re.compile(r"(?P<kind>[a-z]+)\((?P<inside>.*)\)", re.DOTALL)
_FORMS = "int(2..12), int(0..100, step=10), float(0..1), log(0.01..0.3), choice(a, b)"


def read_spaces(texts: Iterable[str]) -> dict[str, str]:
    """Return what is written of each parameter in texts such as `depth=int(2..12)`; raises `DeclarationError` where
    there is no name, or one is there twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, written = (part.strip() for part in text.partition("="))
        if not (separator and name and written):
            raise _no_space(text)
        if name in found:
            raise DeclarationError(f"parameter '{name}' is searched over {found[name]} and {written}; give one of them")
        found[name] = written
    return found


def read_space(written: str, *, of_texts: bool = False) -> Space:
    """Return the search space that `int(2..12)`, `2..12`, `a,b` or its JSON stands for; `of_texts`: candidates are
    texts as they are written (1.10), unless they are quoted.

    Raises `DeclarationError` for anything else.
    """
    wrong = _no_space(written)
    if written.lstrip().startswith("{"):
        try:
            space = space_of(msgspec.json.decode(written))
        except msgspec.DecodeError:
            space = None
        if space is None:
            raise wrong
        return space
    if found := _WRITTEN.fullmatch(written.strip()):
        kind, inside = found["kind"], found["inside"]
    else:
        kind, inside = ("any" if ".." in written else "choice"), written
    if kind == "choice":
        return hparam_candidates([_value(part.strip(), of_texts) for part in inside.split(",")])
    ends, *how = (part.strip() for part in inside.split(","))
    low, dots, high = ends.partition("..")
    step = how[0].removeprefix("step=") if how else None
    if kind not in ("int", "float", "log", "any") or not dots or len(how) > 1 or (how and step == how[0]):
        raise wrong
    try:
        numbers = [_number(low, kind), _number(high, kind)]
        # Whole numbers are asked for whatever the parameter takes.
        by = 1 if step is None and kind == "int" else None if step is None else _number(step, kind)
        return hparam_range(*numbers, log=kind == "log", step=by)
    except ValueError:
        raise wrong from None


def _no_space(text: str) -> DeclarationError:
    return DeclarationError(f"'{text}' is no search space; write NAME= and one of: {_FORMS}")


def _number(text: str, kind: str) -> float:
    if kind == "float":
        return float(text)
    try:
        return int(text)
    except ValueError:
        if kind == "int":
            raise
        return float(text)


def _value(text: str, is_text: bool) -> Any:
    if is_text and not text.startswith('"'):
        return text
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
        takes = function.parameters[name].annotation
        of_texts = str in (takes, *get_args(takes))
        space = read_space(value, of_texts=of_texts) if isinstance(value, str) else space_of(value)
        if space is None:
            raise DeclarationError(
                f"parameter '{name}' of {where} is to be searched over {value!r}; give ps.hparam_range(2, 12), "
                "ps.hparam_candidates([...]), or a text such as 'int(2..12)'"
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
