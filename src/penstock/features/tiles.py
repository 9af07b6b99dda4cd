"""Tiles: the events of an entity in the online store, cut by time, so that any window is read from few records.

A tile of a day holds the events of that day one by one, as long as they are few. Where they are many, it holds their
states instead (see `states`), and tiles of its hours stand below it; likewise an hour and its 5 minutes, which hold
however many events they have. So a window is cut exactly at both ends, and in between made of states.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from penstock.features.states import Needs, State, merged, state_of

SPANS = (86_400_000_000, 3_600_000_000, 300_000_000)
"""How long the tiles of each level are, in microseconds: days, hours, 5 minutes."""

MOST_ROWS = 128
"""A tile of more events is cut into shorter ones."""

Place = bytes
Key = tuple[bytes, Place]
"""The entity whose tile it is, and which of its tiles: level and number of the span since 1970."""

_SIGN = 1 << 63
_place = struct.Struct(">BQ")


def place(level: int, number: int) -> Place:
    """Return where a tile stands among those of its entity, in the order of level and time."""
    return _place.pack(level, number + _SIGN)


def span_number(place: Place) -> int:
    """Return the number of the span that a tile is of."""
    return int(_place.unpack(place)[1]) - _SIGN


class Rows(msgspec.Struct, array_like=True, tag="rows"):
    """Events one by one, in the order of their ages; `columns` are the inputs' values."""

    events: bytes  # 8 bytes each
    ages: bytes  # created and sequence number, 16 bytes together
    columns: list[list[Any]]


class States(msgspec.Struct, array_like=True, tag="states"):
    """The state of each input over all events of the span."""

    columns: list[State]


_encode = msgspec.msgpack.Encoder().encode
decode_tile = msgspec.msgpack.Decoder(Rows | States).decode


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one entity, in the order of (event, created, sequence)."""

    ages: list[tuple[int, int, int]]
    columns: list[list[Any]]

    def __len__(self) -> int:
        return len(self.ages)

    def part(self, low: int, high: int) -> Events:
        """Return those at certain places."""
        return Events(self.ages[low:high], [values[low:high] for values in self.columns])


def renewed(added: Mapping[tuple[bytes, int], Events], needs: Sequence[Needs], read: Any) -> dict[Key, bytes]:
    """Return the tiles that change when events are added: `added` has them by entity and number of the day.

    `read` returns the tiles of keys as they are, None where there is none.
    """
    changed: dict[Key, bytes] = {}
    pending: dict[tuple[bytes, int], Events] = dict(added)
    for level in range(len(SPANS)):
        keys = [(owner, place(level, number)) for owner, number in pending]
        below: dict[tuple[bytes, int], Events] = {}
        for key, content, events in zip(keys, read(keys), pending.values(), strict=True):
            tile = None if content is None else decode_tile(content)
            if isinstance(tile, States):
                states = _states(needs, events)
                merge = zip(needs, tile.columns, states, strict=True)
                changed[key] = _encode(States([merged(*each) for each in merge]))
            else:
                events = events if tile is None else _joined(_events(tile), events)
                if len(events) <= MOST_ROWS or level == len(SPANS) - 1:
                    changed[key] = _encode(_rows(events))
                    continue
                changed[key] = _encode(States(_states(needs, events)))
            for number, part in spans_of(events, SPANS[level + 1]):
                below[key[0], number] = part
        pending = below
    return changed


def spans_of(events: Events, span: int) -> Iterator[tuple[int, Events]]:
    """Yield the events of each span, by its number."""
    start = 0
    times = [age[0] for age in events.ages]
    while start < len(times):
        number = times[start] // span
        end = bisect_left(times, (number + 1) * span, start)
        yield number, events.part(start, end)
        start = end


def _states(needs: Sequence[Needs], events: Events) -> list[State]:
    made = []
    for need, values in zip(needs, events.columns, strict=True):
        aged = [(*age, value) for age, value in zip(events.ages, values, strict=True) if value is not None]
        made.append(state_of(need, aged))
    return made


def _joined(one: Events, other: Events) -> Events:
    ages = one.ages + other.ages
    columns = [a + b for a, b in zip(one.columns, other.columns, strict=True)]
    if one.ages[-1] < other.ages[0]:
        return Events(ages, columns)
    order = sorted(range(len(ages)), key=ages.__getitem__)
    return Events([ages[row] for row in order], [[values[row] for row in order] for values in columns])


def _rows(events: Events) -> Rows:
    rest = array("q", [part for age in events.ages for part in age[1:]])
    return Rows(array("q", [age[0] for age in events.ages]).tobytes(), rest.tobytes(), events.columns)


def _events(rows: Rows) -> Events:
    times, rest = array("q", rows.events), array("q", rows.ages)
    return Events(list(zip(times, rest[::2], rest[1::2], strict=True)), rows.columns)


class Tiles:
    """Tiles of one entity around an instant, as they were read: each is decoded when it is needed."""

    def __init__(self, content: Mapping[Place, bytes]) -> None:
        self._content = content
        self._open: dict[Place, tuple[Any, Any]] = {}
        self._days = sorted(span_number(each) for each in content if each[0] == 0)

    def cut(self, low: int, high: int, column: int) -> list[State | list[Any]]:
        """Return an input's values with times in [low, high), and states of them, in the order of time."""
        parts: list[State | list[Any]] = []
        first = bisect_left(self._days, low // SPANS[0])
        for day in self._days[first : bisect_left(self._days, -(-high // SPANS[0]))]:
            self._add(parts, 0, day, low, high, column)
        return parts

    def _add(self, parts: list[State | list[Any]], level: int, number: int, low: int, high: int, column: int) -> None:
        where = place(level, number)
        found = self._open.get(where)
        if found is None:
            content = self._content.get(where)
            if content is None:
                return
            tile = decode_tile(content)
            found = self._open[where] = tile, (array("q", tile.events) if isinstance(tile, Rows) else None)
        tile, times = found
        start = number * SPANS[level]
        end = start + SPANS[level]
        if times is None:
            if low <= start and end <= high:
                parts.append(tile.columns[column])
                return
            below = SPANS[level + 1]
            for inner in range(max(low, start) // below, -(-min(high, end) // below)):
                self._add(parts, level + 1, inner, low, high, column)
            return
        values = tile.columns[column]
        if low > start or high < end:
            values = values[bisect_left(times, low) if low > start else 0 : bisect_left(times, high)]
        if None in values:
            values = [value for value in values if value is not None]
        parts.append(values)


def places_around(edges: Sequence[int]) -> list[tuple[Place, Place]]:
    """Return the places, as ranges with both ends, of tiles that windows between these instants need."""
    ranges = [(place(0, min(edges) // SPANS[0]), place(0, max(edges) // SPANS[0]))]
    for level in (1, 2):
        above, each = SPANS[level - 1], SPANS[level]
        for number in dict.fromkeys(edge // above for edge in edges if edge % above):
            inside = above // each
            ranges.append((place(level, number * inside), place(level, number * inside + inside - 1)))
    return ranges
