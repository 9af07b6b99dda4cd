"""What learned operations freeze into: scales, buckets, and places in vocabularies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.operations.buckets import bucket_names
from penstock.operations.tensors.choices import known_places
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.steps import places
from penstock.operations.tensors.tables import finite
from penstock.operations.tensors.values import Finite, Handling, Many, Result, Scalar, Strict, Struct, Value


def _standardize(t: Recorder, types: Sequence[Any], x: Scalar, mean: float, deviation: float) -> Result:
    return Result(data=t.node("Div", t.node("Sub", x.data, t.number(mean)), t.number(deviation or 1.0)))


def _scale_min_max(t: Recorder, types: Sequence[Any], x: Scalar, low: float, high: float) -> Result:
    one, zero = t.number(1.0), t.number(0.0)
    scaled = t.node("Div", t.node("Sub", x.data, t.number(low)), t.number(high - low or 1.0))
    held = t.node("Where", t.node("LessOrEqual", scaled, one), scaled, one)  # NaN becomes 1, as in the other forms
    return Result(data=t.node("Where", t.node("LessOrEqual", scaled, zero), zero, held))


def _bucketize(t: Recorder, types: Sequence[Any], x: Scalar, *constants: Any) -> Value | None:
    """Find the bucket's place; its name is looked up only where somebody asks for it."""
    names, points = bucket_names(*constants)
    place = Scalar(
        type="int64", data=places(t, x.data, points), null=x.null, refused=x.refused, bounds=(0, len(points))
    )
    few = finite(t, place)
    if few is None:
        return None
    named = tuple(None if value is None else names[value] for value in few.values)
    return Finite(type="string", roots=few.roots, values=named, refused=few.refused)


def _lookup_index(t: Recorder, types: Sequence[Any], x: Scalar, vocabulary: Sequence[Any]) -> Scalar | None:
    found = known_places(t, x.data, types[0], vocabulary)
    if found is None:
        return None
    data = found if x.null is None else t.node("Where", x.null, t.integer(0), found)
    return Scalar(type="int64", data=data, refused=x.refused, bounds=(0, len(vocabulary)))


def _one_hot(
    t: Recorder, types: Sequence[Any], x: Scalar, vocabulary: Sequence[Any], dropped: Any = None
) -> Many | None:
    """Give an array of one pair."""
    index = _lookup_index(t, types, x, vocabulary)
    if index is None:
        return None
    axis = t.tensor("int64", [1])
    value = t.node("Add", t.node("Mul", t.to("float64", index.data), t.number(0.0)), t.number(1.0))
    if dropped is not None and dropped in vocabulary:
        is_dropped = t.node("Equal", index.data, t.integer(vocabulary.index(dropped) + 1))
        value = t.node("Where", is_dropped, t.number(0.0), value)
    pair = {
        "index": Scalar(type="int64", data=t.node("Unsqueeze", index.data, axis), bounds=index.bounds),
        "value": Scalar(type="float64", data=t.node("Unsqueeze", value, axis)),
    }
    there = t.node("Equal", pair["index"].data, pair["index"].data)
    return Many(type="", items=Struct(type="", members=pair), present=there, refused=x.refused)


STRICT: dict[str, Strict] = {"standardize": _standardize, "scale_min_max": _scale_min_max}
HANDLING: dict[str, Handling] = {"bucketize": _bucketize, "lookup_index": _lookup_index, "one_hot": _one_hot}
