"""Texts split at a delimiter and joined again: SPLIT, REPLACE, the trims, ARRAY_TO_STRING."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.operations.strings import SPACES
from penstock.operations.tensors.flags import either
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.values import Handling, Many, Result, Scalar, Strict, Value

_TWICE = " \t\r\n"
"""White space of which one kind is often beside another."""


def parts_of(t: Recorder, x: str, delimiter: str) -> tuple[str, str]:
    """Return the parts of texts between delimiters, a column for each and at least one, and where there is one."""
    parts, count = t.outputs("StringSplit", (x,), count=2, delimiter=delimiter)
    parts = t.node("Concat", parts, filled(t, x, ""), axis=1)
    count = t.node("Max", count, t.integer(1))  # an empty text is one part, and none in ONNX
    return parts, t.node("Less", positions(t, parts), t.node("Unsqueeze", count, t.tensor("int64", [1])))


def filled(t: Recorder, rows: str, text: str, columns: int = 1) -> str:
    """Return columns that hold a text, a row for each of a tensor."""
    shape = t.node("Concat", t.node("Shape", rows, start=0, end=1), t.tensor("int64", [columns]), axis=0)
    return t.node("Expand", t.scalar("string", text), shape)


def positions(t: Recorder, items: str) -> str:
    """Return the numbers of the columns."""
    width = t.node("Squeeze", t.node("Shape", items, start=1, end=2), t.tensor("int64", [0]))
    return t.node("Range", t.integer(0), width, t.integer(1))


def before_it(t: Recorder, flags: str, *, own: bool = False, backwards: bool = False) -> str:
    """Return whether a flag is set in a column before each, or in itself where `own`; or after, where `backwards`."""
    counts = t.node("CumSum", t.to("int64", flags), t.integer(1), exclusive=int(not own), reverse=int(backwards))
    return t.node("Greater", counts, t.integer(0))


def joined(t: Recorder, parts: str, there: str, delimiter: str) -> str:
    """Return the parts that are there, a delimiter between: in a loop over the columns."""
    begun = before_it(t, there)
    width = t.node("Squeeze", t.node("Shape", parts, start=1, end=2), t.tensor("int64", [0]))
    start = t.node("Squeeze", filled(t, parts, ""), t.tensor("int64", [1]))

    def step(inside: Recorder, number: str, text: str) -> str:
        part, is_there, is_next = (inside.node("Gather", each, number, axis=1) for each in (parts, there, begun))
        after = inside.node("StringConcat", text, delimiter)
        longer = inside.node("StringConcat", inside.node("Where", is_next, after, text), part)
        return inside.node("Where", is_there, longer, text)

    return t.loop(width, start, "string", step)


def _split(t: Recorder, types: Sequence[Any], x: Scalar, delimiter: Scalar) -> Value | None:
    if x.type != "string" or x.literal or not delimiter.literal or delimiter.literal == ("",):
        return None
    parts, there = parts_of(t, x.data, delimiter.literal[0] or ",")
    null = t.node("Equal", x.data, x.data) if delimiter.is_null else x.null
    items = Scalar(type="string", data=parts)
    return Many(type="array<string>", items=items, present=there, null=null, refused=x.refused)


def _replace(t: Recorder, types: Sequence[Any], x: Scalar, old: Scalar, new: Scalar) -> Result | None:
    if x.literal or not old.literal:
        return None
    return Result(data=replaced(t, x.data, old.literal[0], new.data) if old.literal[0] else x.data)


def replaced(t: Recorder, x: str, old: str, new: str) -> str:
    """Return texts with every `old` replaced."""
    return joined(t, *parts_of(t, x, old), new)


def _trim(*, start: bool, end: bool) -> Strict:
    """Take characters away at the ends, one kind after the other; of many kinds what is left then is refused."""

    def lower(t: Recorder, types: Sequence[Any], x: Scalar, characters: str | None = None) -> Result | None:
        kinds = list(dict.fromkeys(SPACES if characters is None else characters))
        if x.literal or len(kinds) > len(SPACES):
            return None
        again = kinds if len(kinds) <= len(_TWICE) else [kind for kind in kinds if kind in _TWICE]
        data = x.data
        for kind in [*kinds, *again] if len(kinds) > 1 else kinds:
            data = _trimmed(t, data, kind, start=start, end=end)
        if len(kinds) < 2:
            return Result(data=data)
        any_kind = "[" + "".join(f"\\x{{{ord(kind):X}}}" for kind in kinds) + "]"
        patterns = [f"{any_kind}.*"] * start + [f".*{any_kind}"] * end
        return Result(data=data, unable=t.node("RegexFullMatch", data, pattern=f"(?s:{'|'.join(patterns)})"))

    return lower


def _trimmed(t: Recorder, x: str, kind: str, *, start: bool, end: bool) -> str:
    parts, there = parts_of(t, x, kind)
    text = t.node("Not", t.node("Equal", parts, t.scalar("string", "")))
    if start:
        there = t.node("And", there, before_it(t, text, own=True))
    if end:
        there = t.node("And", there, before_it(t, text, own=True, backwards=True))
    return joined(t, parts, there, t.scalar("string", kind))


def _array_to_string(
    t: Recorder, types: Sequence[Any], x: Value, delimiter: Scalar, null_text: Scalar | None = None
) -> Scalar | None:
    if not isinstance(x, Many) or not isinstance(x.items, Scalar):
        return None
    parts, there = x.items.data, x.present
    if x.items.null is not None and null_text is None:
        there = t.node("And", there, t.node("Not", x.items.null))
    elif x.items.null is not None and null_text is not None:
        instead = null_text.data
        if not null_text.literal:
            instead = t.node("Unsqueeze", instead, t.tensor("int64", [1]))
        parts = t.node("Where", x.items.null, instead, parts)
    others = [delimiter] if null_text is None else [delimiter, null_text]
    null = either(t, x.null, *(other.null for other in others))
    refused = either(t, x.refused, x.items.refused, *(other.refused for other in others))
    return Scalar(type="string", data=joined(t, parts, there, delimiter.data), null=null, refused=refused)


STRICT: dict[str, Strict] = {
    "replace": _replace,
    "trim": _trim(start=True, end=True),
    "ltrim": _trim(start=True, end=False),
    "rtrim": _trim(start=False, end=True),
}
HANDLING: dict[str, Handling] = {"split": _split, "array_to_string": _array_to_string}
