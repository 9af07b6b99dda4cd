"""Arrays: a tensor with a column for each place. Made of values, joined, counted, searched; their items taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.operations.tensors.flags import both, either, unless
from penstock.operations.tensors.parts import filled, positions
from penstock.operations.tensors.recording import TENSOR_TYPES, Recorder
from penstock.operations.tensors.values import Handling, Many, Scalar, Strict, Value

_ANY_MORE = 1 << 40  # above every number of columns


def _array(t: Recorder, types: Sequence[Any], *given: Scalar) -> Value | None:
    varying = [value for value in given if not value.literal]
    if types[0] not in TENSOR_TYPES or not varying:
        return None
    axis, rows = t.tensor("int64", [1]), t.node("Shape", varying[0].data)

    def column(tensor: str, *, constant: bool) -> str:
        return t.node("Unsqueeze", t.node("Expand", tensor, rows) if constant else tensor, axis)

    never = t.scalar("bool", False)
    data = t.node("Concat", *(column(value.data, constant=bool(value.literal)) for value in given), axis=1)
    flags = [column(value.null or never, constant=value.null is None or bool(value.literal)) for value in given]
    null = t.node("Concat", *flags, axis=1) if any(value.null is not None for value in given) else None
    items = Scalar(type=types[0], data=data, null=null)
    refused = either(t, *(value.refused for value in given))
    there = t.node("Equal", positions(t, data), positions(t, data))
    present = t.node("Expand", there, t.node("Shape", data))
    return Many(type=f"array<{types[0]}>", items=items, present=present, refused=refused)


def plain(x: Value) -> tuple[Many, Scalar] | None:
    """Return an array of single values, and those."""
    return (x, x.items) if isinstance(x, Many) and isinstance(x.items, Scalar) else None


def count_of(t: Recorder, x: Many) -> str:
    """Return the number of items."""
    return t.node("ReduceSum", t.to("int64", x.present), t.tensor("int64", [1]), keepdims=0)


def _length(t: Recorder, types: Sequence[Any], x: Value) -> Scalar | None:
    if not isinstance(x, Many):
        return None
    return Scalar(type="int64", data=count_of(t, x), null=x.null, refused=x.refused, bounds=(0, _ANY_MORE))


def _item(t: Recorder, x: Value, place: Scalar, *, safe: bool) -> Scalar | None:
    """Return the item at a place; without one NULL or refused."""
    known = plain(x)
    if known is None:
        return None
    many, items = known
    axis = t.tensor("int64", [1])
    rank = t.node("Sub", t.node("CumSum", t.to("int64", many.present), t.integer(1)), t.integer(1))
    wanted = place.data if place.literal else t.node("Unsqueeze", place.data, axis)
    here = t.node("And", many.present, t.node("Equal", rank, wanted))
    at = t.node("ArgMax", t.to("int32", here), axis=1, keepdims=1)

    def taken(tensor: str) -> str:
        return t.node("Squeeze", t.node("GatherElements", tensor, at, axis=1), axis)

    null = either(t, many.null, place.null)
    refused = either(t, many.refused, items.refused, place.refused)
    missing = unless(t, t.node("Not", taken(here)), null)
    if safe:
        null = either(t, null, missing)
    else:
        refused = either(t, refused, missing)
    if items.null is not None:
        null = either(t, null, taken(items.null))
    return Scalar(type=items.type, data=taken(items.data), null=null, refused=refused)


def _at(*, safe: bool) -> Handling:
    return lambda t, types, x, place: _item(t, x, place, safe=safe)


def _end(*, last: bool, safe: bool = False) -> Handling:
    def lower(t: Recorder, types: Sequence[Any], x: Value) -> Scalar | None:
        if not isinstance(x, Many):
            return None
        place = t.node("Sub", count_of(t, x), t.integer(1)) if last else t.integer(0)
        literal = () if last else (0,)
        return _item(t, x, Scalar(type="int64", data=place, literal=literal), safe=safe)

    return lower


def _in_array(t: Recorder, types: Sequence[Any], x: Scalar, values: Value) -> Scalar | None:
    known = plain(values)
    if known is None:
        return None
    many, items = known
    axis = t.tensor("int64", [1])
    own = x.data if x.literal else t.node("Unsqueeze", x.data, axis)
    equal = t.node("And", many.present, t.node("Equal", items.data, own))
    unknown = both(t, items.null, many.present)
    if unknown is not None:
        equal = t.node("And", equal, t.node("Not", unknown))
    found = _any(t, equal)
    if many.null is not None:
        found = t.node("And", found, t.node("Not", many.null))
    maybe = None if unknown is None else unless(t, unless(t, _any(t, unknown), found), many.null)
    return Scalar(type="bool", data=found, null=either(t, x.null, maybe), refused=either(t, x.refused, many.refused))


def _any(t: Recorder, flags: str) -> str:
    return t.node(
        "Greater", t.node("ReduceSum", t.to("int64", flags), t.tensor("int64", [1]), keepdims=0), t.integer(0)
    )


def _concat(t: Recorder, types: Sequence[Any], *given: Value) -> Value | None:
    known = [plain(value) for value in given]
    arrays = [pair for pair in known if pair is not None]
    if len(arrays) < len(known):
        return None
    data = t.node("Concat", *(items.data for _, items in arrays), axis=1)
    null = None
    if any(items.null is not None for _, items in arrays):
        never = [t.node("And", many.present, t.node("Not", many.present)) for many, _ in arrays]
        flags = [items.null or other for (_, items), other in zip(arrays, never, strict=True)]
        null = t.node("Concat", *flags, axis=1)
    return Many(
        type=arrays[0][0].type,
        items=Scalar(type=arrays[0][1].type, data=data, null=null),
        present=t.node("Concat", *(many.present for many, _ in arrays), axis=1),
        null=either(t, *(many.null for many, _ in arrays)),
        refused=either(t, *(many.refused for many, _ in arrays)),
    )


def _reverse(t: Recorder, types: Sequence[Any], x: Value) -> Value | None:
    known = plain(x)
    if known is None:
        return None
    many, items = known
    first, before, axis = t.tensor("int64", [-1]), t.tensor("int64", [-_ANY_MORE]), t.tensor("int64", [1])

    def turned(tensor: str) -> str:
        return t.node("Slice", tensor, first, before, axis, first)

    null = None if items.null is None else turned(items.null)
    turned_items = Scalar(type=items.type, data=turned(items.data), null=null)
    return Many(type=many.type, items=turned_items, present=turned(many.present), null=many.null, refused=many.refused)


def compacted(t: Recorder, items: str, there: str) -> tuple[str, str]:
    """Return the items that are there in the first columns, and where there is one."""
    place = positions(t, items)
    width = t.node("Shape", items, start=1, end=2)
    key = t.node("Where", there, place, t.integer(_ANY_MORE))
    kept, _ = t.outputs("TopK", (key, width), count=2, axis=1, largest=0, sorted=1)
    known = t.node("Less", kept, t.integer(_ANY_MORE))
    return t.node("GatherElements", items, t.node("Where", known, kept, t.integer(0)), axis=1), known


def ngrams(t: Recorder, types: Sequence[Any], x: Value, given: Any, separator: str = " ") -> Value | None:
    """Return runs of neighbouring items: for each place, of each size."""
    known = plain(x)
    if known is None:
        return None
    many, items = known
    least, most = (given, given) if isinstance(given, int) else given
    there = many.present if items.null is None else t.node("And", many.present, t.node("Not", items.null))
    texts, there = compacted(t, items.data, there)
    width, axis, last = t.node("Shape", texts, start=1, end=2), t.tensor("int64", [1]), t.tensor("int64", [2])
    wider = t.node("Concat", texts, filled(t, texts, "", most), axis=1)
    nowhere = t.node("Not", t.node("Equal", filled(t, texts, "", most), t.scalar("string", "")))
    further = t.node("Concat", there, nowhere, axis=1)

    def shifted(tensor: str, by: int) -> str:
        start = t.tensor("int64", [by])
        return t.node("Slice", tensor, start, t.node("Add", width, start), axis)

    run, runs, flags = texts, [], []
    for size in range(1, most + 1):
        if size > 1:
            after = t.node("StringConcat", run, t.scalar("string", separator))
            run = t.node("StringConcat", after, shifted(wider, size - 1))
        if size >= least:
            runs.append(t.node("Unsqueeze", run, last))
            flags.append(t.node("Unsqueeze", shifted(further, size - 1), last))
    sizes = t.node("Mul", width, t.integer(len(runs)))
    shape = t.node("Concat", t.node("Shape", texts, start=0, end=1), sizes, axis=0)
    data, present = (t.node("Reshape", t.node("Concat", *each, axis=2), shape, allowzero=1) for each in (runs, flags))
    found = Scalar(type="string", data=data)
    return Many(type="array<string>", items=found, present=present, null=many.null, refused=many.refused)


HANDLING: dict[str, Handling] = {
    "array": _array,
    "array_length": _length,
    "offset": _at(safe=False),
    "safe_offset": _at(safe=True),
    "array_first": _end(last=False),
    "array_last": _end(last=True),
    "safe_array_first": _end(last=False, safe=True),
    "safe_array_last": _end(last=True, safe=True),
    "in_array": _in_array,
    "array_concat": _concat,
    "array_reverse": _reverse,
}
STRICT: dict[str, Strict] = {}
