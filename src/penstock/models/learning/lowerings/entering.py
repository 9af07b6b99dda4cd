"""What enters an estimator, as tensors: matrices of numbers, tables read by index, lists spread out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from penstock.models.learning.learner import EnteringTensor, Estimator
from penstock.operations.tensors import Finite, Many, Recorder, Scalar, Struct, Value
from penstock.operations.tensors.tables import index_of, listed, looked_up
from penstock.operations.tensors.values import Refused


def entering_of(estimator: Estimator, values: Sequence[Value], rows: str) -> tuple[EnteringTensor, ...]:
    """Return what enters an estimator."""
    given = zip(estimator.kinds, estimator.widths, values, strict=True)
    return tuple(EnteringTensor(kind=kind, width=width, value=value, rows=rows) for kind, width, value in given)


def number(t: Recorder, column: EnteringTensor) -> str:
    """Return a number for each row, NaN where it is NULL."""
    value = scalar(t, column.value)
    data = value.data if value.type == "float64" else t.to("float64", value.data)
    if value.null is not None:
        data = t.node("Where", value.null, t.number(math.nan), data)
    return over_rows(t, data, column.rows)


def index(t: Recorder, column: EnteringTensor) -> str:
    """Return an index for each row."""
    return over_rows(t, scalar(t, column.value).data, column.rows)


def scalar(t: Recorder, value: Value) -> Scalar:
    """Return the one value that each row has."""
    made = looked_up(t, value) if isinstance(value, Finite) else value
    assert isinstance(made, Scalar)  # noqa: S101 - what is a number or a category has a tensor
    return made


def over_rows(t: Recorder, data: str, rows: str) -> str:
    """Return a constant repeated for each row, and anything else as it is."""
    return t.node("Expand", data, rows) if data in t.constants else data


def matrix(t: Recorder, columns: Sequence[str]) -> str:
    """Return columns side by side."""
    axis = t.tensor("int64", [1])
    parts = [t.node("Unsqueeze", column, axis) for column in columns]
    return parts[0] if len(parts) == 1 else t.node("Concat", *parts, axis=1)


def table(t: Recorder, rows: Sequence[Sequence[float]], at: str) -> str:
    """Return the row of a table that each index names."""
    flat = tuple(itertools.chain.from_iterable(rows))
    return t.node("Gather", t.tensor("float64", flat, (len(rows), len(rows[0]))), at)


def held(t: Recorder, at: str, most: int) -> str:
    """Return indices, those beyond the last one as the last."""
    return t.node("Min", at, t.integer(most))


def pairs(t: Recorder, column: EnteringTensor) -> tuple[str, str]:
    """Return the indices and values of lists, as many columns as the longest has; 0 where a shorter one has none."""
    lists = listed(t, column.value) if isinstance(column.value, Finite) else column.value
    assert isinstance(lists, Many)  # noqa: S101 - the kind says so
    assert isinstance(lists.items, Struct)  # noqa: S101 - and of pairs
    at, value = (lists.items.members[name] for name in ("index", "value"))
    assert isinstance(at, Scalar)  # noqa: S101 - of numbers
    assert isinstance(value, Scalar)  # noqa: S101 - of numbers
    there = lists.present
    if lists.null is not None:
        absent = t.node("Unsqueeze", lists.null, t.tensor("int64", [1]))
        there = t.node("And", there, t.node("Not", absent))
    known = t.node("And", there, t.node("Less", at.data, t.integer(column.width)))
    indices = t.node("Where", known, at.data, t.integer(0))
    return indices, t.node("Where", known, value.data, t.number(0.0))


def spread(t: Recorder, column: EnteringTensor) -> str:
    """Return lists of (index, value) as a column for each index."""
    indices, values = pairs(t, column)
    count = t.node("Concat", column.rows, t.tensor("int64", [column.width]), axis=0)
    zeros = t.node("Expand", t.number(0.0), count)
    return t.node("ScatterElements", zeros, indices, values, axis=1, reduction="add")


def weighted(t: Recorder, columns: Sequence[EnteringTensor], weights: Sequence[Sequence[Sequence[float]]]) -> str:
    """Return the sum of the columns' numbers, each times its weights: for each column, of each of its numbers one for
    each output. An index beyond the last weighs nothing."""
    outputs = len(weights[0][0])
    numbers: list[str] = []
    rows: list[float] = []
    terms: list[str] = []
    for column, own in zip(columns, weights, strict=True):
        if isinstance(column.value, Finite):
            terms.append(_weighted_table(t, column, column.value, own))
        elif column.kind == "sparse":
            terms.append(_weighted_lists(t, column, own))
        elif column.kind == "category":
            nothing = (0.0,) * outputs
            terms.append(table(t, (*own, nothing), held(t, index(t, column), len(own))))
        else:
            numbers.append(number(t, column))
            rows += own[0]
    if numbers:
        terms.insert(0, t.node("MatMul", matrix(t, numbers), t.tensor("float64", rows, (len(numbers), outputs))))
    total = terms[0]
    for term in terms[1:]:
        total = t.node("Add", total, term)
    return total


def _weighted_table(t: Recorder, column: EnteringTensor, value: Finite, weights: Sequence[Sequence[float]]) -> str:
    """Return the weighted value of one of few: for each of them it is known before."""
    nothing = [0.0] * len(weights[0])

    def row(item: Any) -> Sequence[float]:
        if item is None or item is Refused:
            return nothing
        if column.kind == "category":
            return weights[item] if item < len(weights) else nothing
        if column.kind == "sparse":
            known = [(pair["value"], weights[pair["index"]]) for pair in item if pair["index"] < len(weights)]
            return [sum(value * own[place] for value, own in known) for place in range(len(nothing))]
        return [float(item) * weight for weight in weights[0]]

    return table(t, [row(item) for item in value.values], index_of(t, value.roots))


def _weighted_lists(t: Recorder, column: EnteringTensor, weights: Sequence[Sequence[float]]) -> str:
    indices, values = pairs(t, column)
    by_entry = table(t, weights, held(t, indices, len(weights) - 1))
    products = t.node("Mul", by_entry, t.node("Unsqueeze", values, t.tensor("int64", [2])))
    return t.node("ReduceSum", products, t.tensor("int64", [1]), keepdims=0)
