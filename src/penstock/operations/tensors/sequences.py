"""What encoders read: texts as tokens, items as places in a vocabulary, arrays brought to one length, pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.operations.tensors.arrays import compacted, plain
from penstock.operations.tensors.characters import matches
from penstock.operations.tensors.parts import positions
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.terms import analyzed, places_of
from penstock.operations.tensors.values import Handling, Many, Picture, Scalar, Strict, Value
from penstock.operations.tokens import LONGEST_VALUE, VALUE


def _tokens(t: Recorder, types: Sequence[Any], x: Scalar, unit: str = "auto") -> Value | None:
    """Give the text as a whole, where it is not long, and its words."""
    words = analyzed(t, types, x)
    if words is None or unit == "words":
        return words
    axis = t.tensor("int64", [1])
    whole = t.node("Unsqueeze", t.node("StringConcat", t.scalar("string", VALUE), x.data), axis)
    if unit == "value":
        there = t.node("Equal", whole, whole)
        return Many(type="array<string>", items=Scalar(type="string", data=whole), present=there, null=x.null)
    short = t.node("Unsqueeze", matches(t, x.data, f".{{0,{LONGEST_VALUE}}}"), axis)
    assert isinstance(words, Many)  # noqa: S101 - that is what terms are
    assert isinstance(words.items, Scalar)  # noqa: S101 - of texts
    items = Scalar(type="string", data=t.node("Concat", whole, words.items.data, axis=1))
    present = t.node("Concat", short, words.present, axis=1)
    return Many(type="array<string>", items=items, present=present, null=x.null, refused=x.refused)


def _lookup_indices(t: Recorder, types: Sequence[Any], x: Value, vocabulary: Sequence[Any]) -> Value | None:
    found = places_of(t, x, vocabulary)
    if found is None:
        return None
    many, places = found
    items = Scalar(type="int64", data=places)
    return Many(type="array<int64>", items=items, present=many.present, null=many.null, refused=many.refused)


def _resized(t: Recorder, types: Sequence[Any], x: Value, length: int) -> Value | None:
    known = plain(x)
    if known is None or known[1].type not in ("int64", "float64"):
        return None
    many, items = known
    data = items.data if items.type == "float64" else t.to("float64", items.data)
    if items.null is not None:
        data = t.node("Where", items.null, t.number(0.0), data)
    kept, there = compacted(t, data, many.present)
    kept = t.node("Where", there, kept, t.number(0.0))
    size = t.node("Concat", t.node("Shape", kept, start=0, end=1), t.tensor("int64", [length]), axis=0)
    longer = t.node("Concat", kept, t.node("Expand", t.number(0.0), size), axis=1)
    axis, start = t.tensor("int64", [1]), t.tensor("int64", [0])
    made = t.node("Slice", longer, start, t.tensor("int64", [length]), axis)
    return Many(
        type="array<float64>",
        items=Scalar(type="float64", data=made),
        present=_everywhere(t, made),
        null=many.null,
        refused=many.refused,
    )


def _pixels(t: Recorder, types: Sequence[Any], x: Value) -> Value | None:
    if not isinstance(x, Picture):
        return None
    flat = t.node("Div", t.to("float64", t.node("Flatten", x.data)), t.number(255.0))
    return Many(
        type="array<float64>", items=Scalar(type="float64", data=flat), present=_everywhere(t, flat), null=x.null
    )


def _everywhere(t: Recorder, items: str) -> str:
    places = positions(t, items)
    return t.node("Expand", t.node("Equal", places, places), t.node("Shape", items))


STRICT: dict[str, Strict] = {}
HANDLING: dict[str, Handling] = {
    "tokens": _tokens,
    "lookup_indices": _lookup_indices,
    "resized": _resized,
    "pixels": _pixels,
}
