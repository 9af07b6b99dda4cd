"""Terms: texts taken apart by an analyzer, and what arrays of terms are in a vocabulary: places, counts, weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.operations.analyzers import separators
from penstock.operations.tensors.arrays import compacted, count_of, ngrams, plain
from penstock.operations.tensors.choices import known_places
from penstock.operations.tensors.parts import parts_of, positions, replaced
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.values import Handling, Many, Scalar, Strict, Struct, Value
from penstock.operations.vocabularies import HOT

_NO_PLACE, _STRIDE = 1 << 60, 1 << 24
"""After all places; and above every number of columns: a place and a column are one number."""


def _pairs(t: Recorder, x: Many, index: str, value: str, present: str) -> Many:
    members = {"index": Scalar(type="int64", data=index), "value": Scalar(type="float64", data=value)}
    struct = Struct(type="struct<index int64, value float64>", members=members)
    return Many(type=HOT, items=struct, present=present, null=x.null, refused=x.refused)


def _placed(t: Recorder, types: Sequence[Any], x: Value) -> Value | None:
    known = plain(x)
    if known is None or known[1].type not in ("int64", "float64"):
        return None
    many, items = known
    rank = t.node("Sub", t.node("CumSum", t.to("int64", many.present), t.integer(1)), t.integer(1))
    value = items.data if items.type == "float64" else t.to("float64", items.data)
    there = many.present if items.null is None else t.node("And", many.present, t.node("Not", items.null))
    return _pairs(t, many, rank, value, there)


def places_of(t: Recorder, x: Value, vocabulary: Sequence[Any]) -> tuple[Many, str] | None:
    """Return an array and the place of each item, 0 for NULL."""
    known = plain(x)
    if known is None:
        return None
    many, items = known
    found = known_places(t, items.data, items.type, vocabulary)
    if found is not None and items.null is not None:
        found = t.node("Where", items.null, t.integer(0), found)
    return None if found is None else (many, found)


class _Runs:
    """The items of arrays by place: sorted, so that equal ones stand together in runs."""

    def __init__(self, t: Recorder, places: str, present: str) -> None:
        one = t.tensor("int64", [1])
        self.width = t.node("Shape", places, start=1, end=2)
        column = positions(t, places)
        key = t.node("Add", t.node("Mul", places, t.integer(_STRIDE)), column)
        key = t.node("Where", present, key, t.integer(_NO_PLACE))
        ordered, _ = t.outputs("TopK", (key, self.width), count=2, axis=1, largest=0, sorted=1)
        self.places = t.node("Div", ordered, t.integer(_STRIDE))
        self.columns = t.remainder(ordered, _STRIDE)
        nothing = t.node("Sub", t.node("Slice", self.places, t.tensor("int64", [0]), one, one), one)
        before = t.node("Concat", nothing, t.node("Slice", self.places, t.tensor("int64", [0]),
            t.node("Sub", self.width, one), one), axis=1)  # fmt: skip
        changed = t.node("Not", t.node("Equal", self.places, before))
        self.begins = t.node("And", changed, t.node("Less", ordered, t.integer(_NO_PLACE)))

    def counted(self, t: Recorder, present: str) -> tuple[str, str, str]:
        """Return the place of each run, how many items it has, and where there is a run."""
        total = t.node("ReduceSum", t.to("int64", present), t.tensor("int64", [1]), keepdims=1)
        columns = t.node("Expand", positions(t, self.places), t.node("Shape", self.places))
        starts, there = compacted(t, columns, self.begins)
        starts = t.node("Where", there, starts, total)
        one = t.tensor("int64", [1])
        later = t.node("Concat", t.node("Slice", starts, one, self.width, one), total, axis=1)
        last = t.node("Sub", self.width, one)
        places = t.node("GatherElements", self.places, t.node("Min", starts, last), axis=1)
        return places, t.node("Sub", later, starts), there


def _multi_hot(t: Recorder, types: Sequence[Any], x: Value, vocabulary: Sequence[Any]) -> Value | None:
    found = places_of(t, x, vocabulary)
    if found is None:
        return None
    many, places = found
    runs = _Runs(t, places, many.present)
    column = t.node("Where", runs.begins, runs.columns, t.integer(_NO_PLACE))
    first, _ = t.outputs("TopK", (column, runs.width), count=2, axis=1, largest=0, sorted=1)
    there = t.node("Less", first, t.integer(_NO_PLACE))
    index = t.node("GatherElements", places, t.node("Where", there, first, t.integer(0)), axis=1)
    return _pairs(t, many, index, t.node("Add", t.to("float64", t.node("Sub", index, index)), t.number(1.0)), there)


def _term_counts(t: Recorder, types: Sequence[Any], x: Value, vocabulary: Sequence[Any]) -> Value | None:
    found = places_of(t, x, vocabulary)
    if found is None:
        return None
    many, places = found
    index, counts, there = _Runs(t, places, many.present).counted(t, many.present)
    return _pairs(t, many, t.node("Where", there, index, t.integer(0)), t.to("float64", counts), there)


def _term_weights(
    t: Recorder, types: Sequence[Any], x: Value, vocabulary: Sequence[Any], weights: Sequence[float]
) -> Value | None:
    counted = _term_counts(t, types, x, vocabulary)
    if not isinstance(counted, Many) or not isinstance(counted.items, Struct):
        return None
    index, counts = (each.data for each in counted.items.members.values() if isinstance(each, Scalar))
    total = t.node("Unsqueeze", t.to("float64", count_of(t, x)), t.tensor("int64", [1]))  # type: ignore[arg-type]
    share = t.node("Div", counts, t.node("Max", total, t.number(1.0)))
    weight = t.node("Gather", t.tensor("float64", list(weights)), index)
    return _pairs(t, counted, index, t.node("Mul", share, weight), counted.present)


def analyzed(
    t: Recorder, types: Sequence[Any], x: Scalar, analyzer: str = "LOG_ANALYZER", options: str | None = None
) -> Value | None:
    """Split at delimiters: all of them are made one, the long ones first, which none of the short ones overlaps."""
    if x.literal or x.type != "string":
        return None
    if analyzer == "NO_OP_ANALYZER":
        items = t.node("Unsqueeze", x.data, t.tensor("int64", [1]))
        there = t.node("Equal", items, items)
    else:
        known = separators(analyzer, options or "")
        if known is None:
            return None
        (first, *others), changes = known
        text = x.data
        for delimiter in others:
            text = replaced(t, text, delimiter, t.scalar("string", first))
        items, present = parts_of(t, text, first)
        there = t.node("And", present, t.node("Not", t.node("Equal", items, t.scalar("string", ""))))
        for words in changes:
            if words is None:
                items = _lowered(t, items)
            else:
                known_word = known_places(t, items, "string", words) or ""
                there = t.node("And", there, t.node("Equal", known_word, t.integer(0)))
    terms = Scalar(type="string", data=items)
    return Many(type="array<string>", items=terms, present=there, null=x.null, refused=x.refused)


def _ngrams(t: Recorder, types: Sequence[Any], x: Value, given: Any, separator: str = " ") -> Value | None:
    """Return runs of the items of an array, or of the terms of a text."""
    terms = analyzed(t, types, x) if isinstance(x, Scalar) else x
    return None if terms is None else ngrams(t, types, terms, given, separator)


def _lowered(t: Recorder, items: str) -> str:
    """Return texts with small ASCII letters; ONNX takes them in one row only."""
    flat = t.node("Reshape", items, t.tensor("int64", [-1]))
    lower = t.node("StringNormalizer", flat, case_change_action="LOWER", locale="C")
    return t.node("Reshape", lower, t.node("Shape", items), allowzero=1)


HANDLING: dict[str, Handling] = {
    "placed": _placed,
    "multi_hot": _multi_hot,
    "term_counts": _term_counts,
    "term_weights": _term_weights,
    "text_analyze": analyzed,
    "ngrams": _ngrams,
}
STRICT: dict[str, Strict] = {}
