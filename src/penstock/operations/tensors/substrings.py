"""Substrings put together character by character, and texts filled up to a length: of few characters, from constant
places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.operations.strings import LONGEST_TEXT
from penstock.operations.tensors.characters import character, code_at, length_of, matches, repeated
from penstock.operations.tensors.flags import either
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.values import Handling, Result, Scalar, Strict

MOST = 24
"""The most characters that are taken one by one; where a longer text would be given it is refused."""
_FURTHEST = 500


def _constants(*given: Scalar) -> list[int] | None:
    """Return the arguments, if all are constants."""
    return [value.literal[0] for value in given] if all(value.literal for value in given) else None


def _refused(t: Recorder, x: Scalar) -> Result:
    """Return what an operation gives whose constants it refuses."""
    return Result(data=x.data, refused=t.node("Equal", x.data, x.data))


def _substr(t: Recorder, types: Sequence[Any], x: Scalar, *places: Scalar) -> Result | None:
    known = _constants(*places)
    if x.literal or known is None:
        return None
    if len(known) == 2 and known[1] < 0:
        return _refused(t, x)
    position, length = known[0], known[1] if len(known) == 2 else None
    if position < 0:
        return _from_end(t, x, -position, -position if length is None else length)
    return _from_start(t, x, max(position, 1), length)


def _left(t: Recorder, types: Sequence[Any], x: Scalar, length: Scalar) -> Result | None:
    known = _constants(length)
    if x.literal or known is None:
        return None
    return _refused(t, x) if known[0] < 0 else _from_start(t, x, 1, known[0])


def _right(t: Recorder, types: Sequence[Any], x: Scalar, length: Scalar) -> Result | None:
    known = _constants(length)
    if x.literal or known is None:
        return None
    if known[0] < 0:
        return _refused(t, x)
    return _from_end(t, x, known[0], known[0]) if known[0] else _from_start(t, x, 1, 0)


def _from_start(t: Recorder, x: Scalar, position: int, length: int | None) -> Result | None:
    """Return so many characters from a position that counts from 1."""
    if position == 1 and length is None:
        return Result(data=x.data)
    if position > _FURTHEST:
        return None
    count = MOST if length is None else min(length, MOST)
    places = [(repeated(".", start), ".*") for start in range(position - 1, position - 1 + count)]
    data, unknown = _taken(t, x, places)
    if length is None or length > MOST:
        unknown = t.node("Or", unknown, matches(t, x.data, f"{repeated('.', position + count)}.*"))
    return Result(data=data, unable=unknown) if position > 1 else _unless_short(t, x, count, data, unknown)


def _from_end(t: Recorder, x: Scalar, back: int, length: int) -> Result | None:
    """Return so many characters from the one that many before the end; the start, where there are fewer."""
    if min(length, back) > MOST or back > _FURTHEST:
        return None
    count = min(length, back)
    data, unknown = _taken(t, x, [(".*", repeated(".", back - 1 - place)) for place in range(count)])
    if length >= back:
        return _unless_short(t, x, back, data, unknown)
    short = matches(t, x.data, f".{{0,{back - 1}}}")
    start = _from_start(t, x, 1, length)
    assert start is not None  # noqa: S101 - so many characters are taken
    unable = either(t, t.node("And", short, start.unable or short), t.node("And", t.node("Not", short), unknown))
    return Result(data=t.node("Where", short, start.data, data), unable=unable)


def _taken(t: Recorder, x: Scalar, places: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the characters between patterns one after the other, and where one is not known."""
    nothing = t.node("Not", t.node("Equal", x.data, x.data))
    data, unknown = character(t, t.to("int64", nothing)), nothing
    for before, after in places:
        code, other = code_at(t, x.data, before, after)
        data = t.node("StringConcat", data, character(t, code))
        unknown = t.node("Or", unknown, other)
    return data, unknown


def _unless_short(t: Recorder, x: Scalar, length: int, data: str, unknown: str) -> Result:
    """Return the text itself where it has no more characters, whatever they are."""
    short = matches(t, x.data, f".{{0,{length}}}")
    return Result(data=t.node("Where", short, x.data, data), unable=t.node("And", unknown, t.node("Not", short)))


def _pad(*, left: bool) -> Strict:
    def lower(t: Recorder, types: Sequence[Any], x: Scalar, length: Scalar, pattern: Scalar) -> Result | None:
        if x.literal or not length.literal or not pattern.literal:
            return None
        size, filling = length.literal[0], pattern.literal[0]
        if not 0 <= size <= LONGEST_TEXT or not filling:
            return _refused(t, x)
        cut = _from_start(t, x, 1, size) if size <= MOST else None
        if cut is None:
            return None
        count, _ = length_of(t, x.data)
        missing = t.node("Max", t.node("Sub", t.integer(size), count), t.integer(0))
        whole = filling * (size // len(filling) + 1)
        fill = t.node("Gather", t.tensor("string", [whole[:place] for place in range(size + 1)]), missing)
        filled = t.node("StringConcat", *((fill, x.data) if left else (x.data, fill)))
        fits = matches(t, x.data, f".{{0,{size}}}")
        return Result(data=t.node("Where", fits, filled, cut.data), unable=cut.unable)

    return lower


STRICT: dict[str, Strict] = {
    "substr": _substr,
    "left": _left,
    "right": _right,
    "lpad": _pad(left=True),
    "rpad": _pad(left=False),
}
HANDLING: dict[str, Handling] = {}
