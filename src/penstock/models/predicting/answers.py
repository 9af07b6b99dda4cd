"""What is predicted of one label: its columns, and how they are made for one row; `columns` makes them for many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.core.schema import Field
from penstock.models.graphs.heads import Head

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
