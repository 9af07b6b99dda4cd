"""Time zones as tables of transitions: the offset from UTC of an instant, and of a wall clock."""

from __future__ import annotations

import datetime
import functools
import zoneinfo

from penstock.operations.calendar import EPOCH
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.steps import steps

FIRST_YEAR, END_YEAR = 1900, 2100
"""The years for which a table holds a zone's transitions; instants outside are refused."""
_SECOND = 1_000_000
_STRIDE = 86_400  # no zone has changed its clock twice in a day


@functools.lru_cache(maxsize=64)
def transitions(zone: str) -> tuple[int, tuple[tuple[int, int, int], ...]]:
    """Return the first offset, and of each transition the second since 1970 and the offsets before and after it."""
    info = zoneinfo.ZoneInfo(zone)

    def offset(second: int) -> int:
        moment = (EPOCH + datetime.timedelta(seconds=second)).astimezone(info)
        return round((moment.utcoffset() or datetime.timedelta()).total_seconds())

    at, end = (_seconds(year) for year in (FIRST_YEAR, END_YEAR))
    first = before = offset(at)
    found = []
    while at < end:
        after = offset(at + _STRIDE)
        if after != before:
            low, high = at, at + _STRIDE  # the offset is `before` at low and another at high
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            found.append((high, before, after))
        at, before = at + _STRIDE, after
    return first, tuple(found)


def wall_clock(t: Recorder, instant: str, zone: str) -> tuple[str, str | None]:
    """Return the wall clock of instants at a zone, and where the table does not reach."""
    if zone == "UTC":
        return instant, None
    first, changes = transitions(zone)
    points = [float(second * _SECOND) for second, _, _ in changes]
    offset = _offset(t, instant, points, [first, *(after for _, _, after in changes)])
    return t.node("Add", instant, offset), _beyond(t, instant)


def instant(t: Recorder, wall: str, zone: str) -> tuple[str, str | None]:
    """Return the instants of wall clocks at a zone: the first of two; of one that is left out, an hour later."""
    if zone == "UTC":
        return wall, None
    first, changes = transitions(zone)
    points = [float((second + max(before, after)) * _SECOND) for second, before, after in changes]
    offset = _offset(t, wall, points, [first, *(after for _, _, after in changes)])
    return t.node("Sub", wall, offset), _beyond(t, wall, days=2)


def _offset(t: Recorder, moment: str, points: list[float], offsets: list[int]) -> str:
    """Return offsets in microseconds; those of the years in question are exact as floats."""
    found = steps(t, t.to("float64", moment), points, [float(offset) for offset in offsets])
    return t.node("Mul", t.to("int64", found), t.integer(_SECOND))


def _beyond(t: Recorder, moment: str, days: int = 0) -> str:
    first, end = (_seconds(year) * _SECOND for year in (FIRST_YEAR, END_YEAR))
    margin = days * 86_400 * _SECOND
    before = t.node("Less", moment, t.integer(first + margin))
    return t.node("Or", before, t.node("GreaterOrEqual", moment, t.integer(end - margin)))


def _seconds(year: int) -> int:
    return round((datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) - EPOCH).total_seconds())
