"""`step.map(...)` and `step.product(...)`: what is mapped over, and in a run the step of each item."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from penstock.core.artifact import Artifact
from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Each, Ref, Step
from penstock.errors import DeclarationError, StepError
from penstock.pipelines.spanned import Spans

MOST_ITEMS = 2**20 - 1
"""Records of a pipeline's steps lie that far apart, so that those of the items fit between them."""


_LISTS = ("list", "json")
_WHOLE = frozenset({"table", "model", "text", "bytes", "array", "file", "folder", "figure", "metrics"})
"""Kinds that are no lists: what a step gives of them is the same for every item."""


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A list that is one input of a mapped step, not its items."""

    value: Any


def unmapped(value: Any) -> Unmapped:
    """Give a list to `.map(...)` or `.product(...)` whole: the same for every item."""
    return Unmapped(value)


def whole(value: Any) -> Any:
    """Return a value without the mark that it is unmapped."""
    return value.value if isinstance(value, Unmapped) else value


def mapped_over(step: str, given: Mapping[str, Any], kind: Literal["zip", "product"]) -> Each:
    """Return which of the inputs given are mapped over; raises `DeclarationError` where that is none, or where lists
    known already are not of one length."""
    over = tuple(name for name, value in given.items() if _is_mapped(value))
    if not over:
        raise DeclarationError(
            f"step '{step}' is mapped over nothing: none of {', '.join(given) or 'its inputs'} is a list, or what a "
            "step gives that may be one; call it without .map or .product"
        )
    lengths = {name: len(given[name]) for name in over if isinstance(given[name], list | tuple)}
    if kind == "zip" and len(set(lengths.values())) > 1:
        raise DeclarationError(_uneven(step, lengths))
    return Each(over, kind)


def called_each(
    function: Callable[..., Any], kind: Literal["zip", "product"], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Any]:
    """Call a plain function as a mapped step would, outside a pipeline."""
    given: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
    over = [name for name, value in given.items() if isinstance(value, list | tuple)]
    groups = (given[name] for name in over)
    rows = zip(*groups, strict=True) if kind == "zip" else itertools.product(*groups)
    results = []
    for row in rows:
        one = {name: whole(value) for name, value in given.items()} | dict(zip(over, row, strict=True))
        placed = [one.pop(place) for place in range(len(args))]
        results.append(function(*placed, **one))
    return results


def _is_mapped(value: Any) -> bool:
    if isinstance(value, Ref):
        return bool(value.path) or value.type not in _WHOLE
    return isinstance(value, list | tuple | Spans)


def item_name(step: str, index: int) -> str:
    """Return the name of the step of one item: `clean[3]`."""
    return f"{step}[{index}]"


def expanded(step: Step, arguments: Mapping[str, Any], load: Callable[[Artifact], Any]) -> tuple[Step, ...]:
    """Return the steps of a mapped step's items; `arguments` are its inputs resolved, `load` opens an artifact (a list
    of artifacts: to those). Raises `StepError` where an input is no list, or lists taken in step differ in length."""
    assert step.each is not None  # noqa: S101  # the caller has asked
    lengths = {name: _length(step, name, arguments[name], load) for name in step.each.over}
    if step.each.kind == "zip" and len(set(lengths.values())) > 1:
        raise StepError(_uneven(step.name, lengths), step=step.name)
    indices = _indices(step, list(lengths.values()))
    if len(indices) > MOST_ITEMS:
        raise StepError(
            f"step '{step.name}' would run {len(indices):,} times, at most {MOST_ITEMS:,} are possible; give it more "
            "than one item at a time",
            step=step.name,
        )
    return tuple(_item(step, number, dict(zip(lengths, places, strict=True))) for number, places in enumerate(indices))


def _uneven(step: str, lengths: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
    return (
        f"step '{step}' is mapped over lists of different lengths: {shown}; give lists of one length, .product(...) "
        "for every combination, or ps.unmapped(...) for what is the same each time"
    )


def _indices(step: Step, lengths: list[int]) -> list[tuple[int, ...]]:
    if step.each is not None and step.each.kind == "product":
        return list(itertools.product(*(range(length) for length in lengths)))
    return [(number,) * len(lengths) for number in range(lengths[0])]


def _item(step: Step, number: int, places: Mapping[str, int]) -> Step:
    inputs = {name: _at(value, places[name]) if name in places else value for name, value in step.inputs.items()}
    return replace(step, name=item_name(step.name, number), inputs=FrozenMap(inputs), when=None, each=None)


def _at(declared: Any, place: int) -> Any:
    return (
        Ref(declared.step, declared.output, (*declared.path, place)) if isinstance(declared, Ref) else declared[place]
    )


def _length(step: Step, name: str, value: Any, load: Callable[[Artifact], Any]) -> int:
    is_list = isinstance(value, Artifact) and value.kind in _LISTS
    found = load(value) if is_list else value
    if not isinstance(found, list | tuple):
        what = f"a {value.kind}" if isinstance(value, Artifact) else f"a {type(value).__name__}"
        raise StepError(
            f"step '{step.name}' is mapped over '{name}', which is {what} and no list; give a list, or write "
            f"{name}=ps.unmapped(...) where it is the same for every item",
            step=step.name,
        )
    return len(found)
