"""Networks with encoders as tensors: what enters as the network takes it, then what the network computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.models.learning.learner import EnteringTensor, Estimator
from penstock.models.learning.lowerings.entering import held, index, matrix, number, pairs
from penstock.models.learning.lowerings.linear import probabilities
from penstock.multimodal import Branch, Head, Spec
from penstock.multimodal.recording import record_network
from penstock.multimodal.running import network_of, weights_of
from penstock.multimodal.tensors import NO_NUMBER, NO_TOKEN
from penstock.operations.tensors import Finite, Many, Picture, Recorder, Scalar
from penstock.operations.tensors.arrays import compacted
from penstock.operations.tensors.tables import listed


def lower_branches(t: Recorder, estimator: Estimator, columns: Sequence[EnteringTensor]) -> str:
    """Return the value, or the probability of each class; the network computes in single precision, as ours does."""
    spec = network_of(estimator.files).spec
    numbers = [number(t, column) for column in columns if column.kind == "number"]
    given = {"numbers": t.to("float32", matrix(t, numbers))} if numbers else {}
    given |= _entries(t, columns)
    encoded = [column for column in columns if column.kind in _READERS]
    flags: dict[int, str] = {}
    for at, (place, column) in enumerate(zip(spec.encoded, encoded, strict=True)):
        given[f"input_{at}"], flags[place] = _READERS[column.kind](t, column, spec.branches[place])
    if spec.encoded:
        given["present"] = _present(t, spec, flags, columns[0].rows)
    totals = t.to("float64", record_network(t, spec, given, weights_of(estimator.files)))
    made, start = [], 0
    for head in spec.heads:
        own = totals if len(spec.heads) == 1 else t.node("Gather", totals, _places(t, start, head.outputs), axis=1)
        made.append(_estimates(t, own, head))
        start += head.outputs
    return made[0] if len(made) == 1 else t.node("Concat", *made, axis=1)


def _places(t: Recorder, start: int, count: int) -> str:
    return t.tensor("int64", list(range(start, start + count)))


def _estimates(t: Recorder, totals: str, head: Head) -> str:
    match head.kind:
        case "value":
            return totals
        case "several":
            return t.node("Sigmoid", totals)
        case "two":
            return probabilities(t, totals, 2)
    return probabilities(t, totals, head.outputs)


def _entries(t: Recorder, columns: Sequence[EnteringTensor]) -> dict[str, str]:
    """Return the places and weights of entries: a category that training did not see has none."""
    axis = t.tensor("int64", [1])
    places, weights, start = [], [], 0
    for column in columns:
        if column.kind == "category":
            at = index(t, column)
            known = t.node("Less", at, t.integer(column.width))
            own = t.node("Unsqueeze", held(t, at, column.width - 1), axis)
            weight = t.node("Unsqueeze", t.to("float64", known), axis)
        elif column.kind == "sparse":
            own, weight = pairs(t, column)
        else:
            continue
        places.append(t.node("Add", own, t.integer(start)))
        weights.append(t.to("float32", weight))
        start += column.width
    if not places:
        return {}
    return {"entries": t.node("Concat", *places, axis=1), "weights": t.node("Concat", *weights, axis=1)}


def _image(t: Recorder, column: EnteringTensor, branch: Branch) -> tuple[str, str]:
    value = column.value
    assert isinstance(value, Picture)  # noqa: S101 - the kind says so
    return value.data, _there(t, value.null, column)


def _tokens(t: Recorder, column: EnteringTensor, branch: Branch) -> tuple[str, str]:
    """Return the first items side by side, as many as the longest list has, and at least one."""
    many, items = _list(t, column)
    return _steps(t, many, items.data, branch, t.integer(NO_TOKEN)), _there(t, many.null, column)


def _sequence(t: Recorder, column: EnteringTensor, branch: Branch) -> tuple[str, str]:
    many, items = _list(t, column)
    unknown = t.scalar("float32", NO_NUMBER)
    data = _finite(t, items, unknown)
    return _steps(t, many, data, branch, unknown), _there(t, many.null, column)


def _vector(t: Recorder, column: EnteringTensor, branch: Branch) -> tuple[str, str]:
    many, items = _list(t, column)
    there = _there(t, many.null, column)
    zero = t.scalar("float32", 0.0)
    data = _finite(t, items, zero)
    if many.null is not None:
        data = t.node("Where", t.node("Unsqueeze", many.null, t.tensor("int64", [1])), zero, data)
    return data, there


_READERS: dict[str, Callable[[Recorder, EnteringTensor, Branch], tuple[str, str]]] = {
    "image": _image,
    "tokens": _tokens,
    "sequence": _sequence,
    "vector": _vector,
}


def _list(t: Recorder, column: EnteringTensor) -> tuple[Many, Scalar]:
    many = listed(t, column.value) if isinstance(column.value, Finite) else column.value
    assert isinstance(many, Many)  # noqa: S101 - the kind says so
    assert isinstance(many.items, Scalar)  # noqa: S101 - of numbers
    return many, many.items


def _finite(t: Recorder, items: Scalar, instead: str) -> str:
    """Return numbers in single precision; something else for NULL, and for what is not finite there."""
    data = t.to("float32", items.data)
    odd = t.node("Or", t.node("IsNaN", data), t.node("IsInf", data))
    odd = odd if items.null is None else t.node("Or", odd, items.null)
    return t.node("Where", odd, instead, data)


def _steps(t: Recorder, many: Many, data: str, branch: Branch, nothing: str) -> str:
    present = many.present
    if many.null is not None:
        there = t.node("Unsqueeze", t.node("Not", many.null), t.tensor("int64", [1]))
        present = t.node("And", present, there)
    kept, known = compacted(t, data, present)
    kept = t.node("Where", known, kept, nothing)
    size = t.node("Concat", t.node("Shape", kept, start=0, end=1), t.tensor("int64", [1]), axis=0)
    longer = t.node("Concat", kept, t.node("Expand", nothing, size), axis=1)
    most = t.tensor("int64", [branch.settings["most_tokens"]])
    return t.node("Slice", longer, t.tensor("int64", [0]), most, t.tensor("int64", [1]))


def _there(t: Recorder, null: str | None, column: EnteringTensor) -> str:
    """Return 1 where a row has a value, else 0."""
    if null is None:
        return t.node("Expand", t.tensor("float32", [1.0]), column.rows)
    return t.to("float32", t.node("Not", null))


def _present(t: Recorder, spec: Spec, flags: dict[int, Any], rows: str) -> str:
    everywhere = t.node("Expand", t.tensor("float32", [1.0]), rows)
    axis = t.tensor("int64", [1])
    parts = [t.node("Unsqueeze", flags.get(place, everywhere), axis) for place in range(len(spec.branches))]
    return parts[0] if len(parts) == 1 else t.node("Concat", *parts, axis=1)
