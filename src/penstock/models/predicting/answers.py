"""What is predicted of one label: its columns, for many rows and for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.schema import Field
from penstock.models.graphs.heads import Head
from penstock.models.learning.matrix import Floats
from penstock.tables import arrow_type

HALF = 0.5
"""Above what probability one of several classes is said to hold, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowItems:
    """The lines that compute the answer for one row, its items (`'predicted_x': ...`), and the globals of both."""

    lines: list[str]
    items: list[str]
    names: Mapping[str, Any]


def answer_fields(head: Head) -> tuple[Field, ...]:
    """Return the columns that are predicted of a label."""
    name = f"predicted_{head.label}"
    if head.task == "regression":
        return (Field(name, "float64"),)
    probabilities = f"array<struct<label {head.class_type}, prob float64>>"
    return (Field(name, head.type), Field(f"{name}_probs", probabilities))


def answer_columns(head: Head, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    """Return these columns for many rows, from the numbers that are estimated of the label.

    Of equal probabilities the first class wins; classes that hold at once are listed in their order, so that equal
    answers are equal arrays.
    """
    if head.task == "regression":
        return [pa.array(np.ascontiguousarray(estimates[:, 0]))]
    labels = pa.array(head.classes, arrow_type(head.class_type))
    ranked = np.argsort(-estimates, axis=1, kind="stable")
    listed = ranked_list(estimates, ranked, labels, names=["label", "prob"])
    if head.task == "multilabel":
        rows, places = np.nonzero(estimates > (HALF if threshold is None else threshold))
        offsets = np.searchsorted(rows, np.arange(len(estimates) + 1)).astype(np.int32)
        return [pa.ListArray.from_arrays(pa.array(offsets), labels.take(pa.array(places))), listed]
    chosen = ranked[:, 0] if threshold is None else (estimates[:, 1] > threshold).astype(np.int64)
    return [labels.take(pa.array(chosen)), listed]


def answer_row(head: Head, estimate: str = "estimate", mark: str = "") -> RowItems:
    """Write them for one row, whose estimate is in a variable; every other name that is used ends with the mark."""
    predicted, probabilities = (repr(f"predicted_{head.label}{end}") for end in ("", "_probs"))
    if head.task == "regression":
        return RowItems(lines=[], items=[f"{predicted}: {estimate}"], names={})
    classes, ranked, won = f"_classes{mark}", f"ranked{mark}", f"won{mark}"
    names = {classes: head.classes}
    if head.task == "classification" and len(head.classes) == 2:
        first, second = f"first{mark}", f"second{mark}"
        lines = [
            f"{first} = {{'label': {classes}[0], 'prob': 1.0 - {estimate}}}",
            f"{second} = {{'label': {classes}[1], 'prob': {estimate}}}",
            f"{won} = {estimate} > 1.0 - {estimate}",
        ]
        listed = f"[{second}, {first}] if {won} else [{first}, {second}]"
        return RowItems(
            lines=lines, items=[f"{predicted}: {classes}[{won}]", f"{probabilities}: {listed}"], names=names
        )
    lines = [f"{ranked} = sorted(range(len({classes})), key={estimate}.__getitem__, reverse=True)"]
    best = f"{classes}[{ranked}[0]]"
    if head.task == "multilabel":
        best = f"[{classes}[at] for at, prob in enumerate({estimate}) if prob > {HALF}]"
    listed = f"[{{'label': {classes}[at], 'prob': {estimate}[at]}} for at in {ranked}]"
    return RowItems(lines=lines, items=[f"{predicted}: {best}", f"{probabilities}: {listed}"], names=names)


def ranked_list(
    estimates: Floats, ranked: np.ndarray[tuple[int, int], np.dtype[np.int64]], keys: pa.Array, *, names: list[str]
) -> pa.Array:
    """Return a list for each row: of each key, with its number, in the order of the ranks."""
    numbers = np.take_along_axis(estimates, ranked, axis=1)
    pairs = pa.StructArray.from_arrays([keys.take(pa.array(ranked.ravel())), pa.array(numbers.ravel())], names=names)
    offsets = pa.array(np.arange(len(estimates) + 1, dtype=np.int32) * np.int32(len(keys)))
    return pa.ListArray.from_arrays(offsets, pairs)
