"""Characters of strings, told by regular expressions: how many there are, where a text stands, which one is where.

ONNX has no operator that counts or takes characters, but one that matches (RE2): whether the length has a power of two
in it, and whether a character's code has one, are regular languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.values import Handling, Result, Scalar, Strict

LONGEST = 1023
"""The most characters that are counted; longer texts are refused."""
_BITS = LONGEST.bit_length()
_MOST_REPEATED = 512  # RE2 repeats a thousand times at most

KNOWN = 2048
"""Characters below this code are told apart: Latin, Greek, Cyrillic, Hebrew, Arabic; texts with others are refused."""


def repeated(one: str, times: int) -> str:
    """Return a pattern of so many of one."""
    rest = times % _MOST_REPEATED
    return f"{one}{{{_MOST_REPEATED}}}" * (times // _MOST_REPEATED) + (f"{one}{{{rest}}}" if rest else "")


def matches(t: Recorder, x: str, pattern: str) -> str:
    """Return whether the whole of a text matches; a dot matches any character."""
    return t.node("RegexFullMatch", x, pattern=f"(?s:{pattern})")


def length_of(t: Recorder, x: str, one: str = ".") -> tuple[str, str]:
    """Return the number of characters, and where there are too many to count."""
    total = t.integer(0)
    for size in (1 << place for place in range(_BITS)):
        rest = f"{one}{{0,{size - 1}}}" if size > 1 else ""
        there = matches(t, x, f"(?:{repeated(one, 2 * size)})*{repeated(one, size)}{rest}")
        total = t.node("Add", total, t.node("Mul", t.to("int64", there), t.integer(size)))
    return total, matches(t, x, f"{repeated(one, LONGEST + 1)}.*")


def _length(one: str) -> Strict:
    def lower(t: Recorder, types: Sequence[Any], x: Scalar) -> Result | None:
        if x.literal:
            return None
        data, unable = length_of(t, x.data, one)
        return Result(data=data, unable=unable, bounds=(0, LONGEST))

    return lower


def code_at(t: Recorder, x: str, before: str, after: str) -> tuple[str, str]:
    """Return the code of the character between what two patterns match, 0 where there is none, and where it is not
    known."""
    code = t.integer(0)
    for place in range((KNOWN - 1).bit_length()):
        bit = matches(t, x, f"{before}{_with_bit(place)}{after}")
        code = t.node("Add", code, t.node("Mul", t.to("int64", bit), t.integer(1 << place)))
    return code, matches(t, x, f"{before}[\\x{{{KNOWN:X}}}-\\x{{10FFFF}}]{after}")


def _with_bit(place: int) -> str:
    """Return a class of the known characters whose code has a bit."""
    size = 1 << place
    return f"[{''.join(_range(start, size) for start in range(size, KNOWN, 2 * size))}]"


def _range(start: int, size: int) -> str:
    return f"\\x{{{start:X}}}" + (f"-\\x{{{start + size - 1:X}}}" if size > 1 else "")


def character(t: Recorder, code: str) -> str:
    """Return the text of a known code, nothing for 0."""
    return t.node("Gather", t.tensor("string", ["", *map(chr, range(1, KNOWN))]), code)


def _ascii(t: Recorder, types: Sequence[Any], x: Scalar) -> Result | None:
    if x.literal:
        return None
    code, unknown = code_at(t, x.data, "", ".*")
    beyond = t.node("Or", unknown, t.node("GreaterOrEqual", code, t.integer(128)))
    return Result(data=t.node("BitwiseAnd", code, t.integer(127)), refused=beyond, bounds=(0, 127))


def _unicode(t: Recorder, types: Sequence[Any], x: Scalar) -> Result | None:
    if x.literal:
        return None
    code, unknown = code_at(t, x.data, "", ".*")
    return Result(data=code, unable=unknown, bounds=(0, KNOWN - 1))


def _strpos(t: Recorder, types: Sequence[Any], x: Scalar, other: Scalar) -> Result | None:
    return None if x.literal or not other.literal else _position(t, x, other.literal[0])


def _instr(
    t: Recorder, types: Sequence[Any], x: Scalar, other: Scalar, position: Scalar, occurrence: Scalar
) -> Result | None:
    if x.literal or not other.literal or position.literal != (1,) or occurrence.literal != (1,):
        return None
    return _position(t, x, other.literal[0]) if other.literal[0] else None


def _position(t: Recorder, x: Scalar, other: str) -> Result:
    """Return where a text first stands: after what is before it."""
    if not other:
        return Result(data=t.to("int64", t.node("Equal", x.data, x.data)), bounds=(1, 1))
    before, _, there = halves(t, x.data, other)
    length, beyond = length_of(t, before)
    data = t.node("Where", there, t.node("Add", length, t.integer(1)), t.integer(0))
    return Result(data=data, unable=t.node("And", there, beyond), bounds=(0, LONGEST + 1))


def halves(t: Recorder, x: str, delimiter: str) -> tuple[str, str, str]:
    """Return what is before the first delimiter, what is after it, and where there is one."""
    parts, count = t.outputs("StringSplit", (x,), count=2, delimiter=delimiter, maxsplit=1)
    empty = t.node(
        "Expand", t.scalar("string", ""), t.node("Concat", t.node("Shape", x), t.tensor("int64", [2]), axis=0)
    )
    wide = t.node("Concat", parts, empty, axis=1)  # where no text has the delimiter, there is no second column
    before, after = (t.node("Gather", wide, t.integer(place), axis=1) for place in range(2))
    return before, after, t.node("Equal", count, t.integer(2))


STRICT: dict[str, Strict] = {
    "length": _length("."),
    "byte_length": _length(r"\C"),
    "ascii": _ascii,
    "unicode": _unicode,
    "strpos": _strpos,
    "instr": _instr,
}
HANDLING: dict[str, Handling] = {}
