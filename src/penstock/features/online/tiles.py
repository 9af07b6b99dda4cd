"""Tiles: the events of an entity in the online store, cut by time, so that any window is read from few records.

A tile of a day holds the events of that day one by one, as long as they are few. Where they are many, it holds their
states instead (see `states`), and tiles of its hours stand below it; likewise an hour and its 5 minutes, which hold
however many events they have. So a window is cut exactly at both ends, and in between made of states.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from penstock.features.online.states import Needs, State, merged, state_of

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


class Rows(msgspec.Struct, array_like=True, tag="rows"):
    """Events of an entity one by one, in the order of (event, created, sequence); `columns` are the inputs' values."""

    times: bytes  # 8 bytes each
    ages: bytes  # created and sequence number, 16 bytes together
    columns: list[list[Any]]

    def __len__(self) -> int:
        return len(self.times) // 8

    def part(self, low: int, high: int) -> Rows:
        """Return those at certain places."""
        columns = [values[low:high] for values in self.columns]
        return Rows(self.times[low * 8 : high * 8], self.ages[low * 16 : high * 16], columns)

    def whole_ages(self) -> list[tuple[int, int, int]]:
        """Return (event, created, sequence) of each."""
        rest = array("q", self.ages)
        return list(zip(array("q", self.times), rest[::2], rest[1::2], strict=True))


class States(msgspec.Struct, array_like=True, tag="states"):
    """The state of each input over all events of the span."""

    columns: list[State]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Rows | States).decode


def renewed(
    added: Mapping[tuple[bytes, int], Rows],
    needs: Sequence[Needs],
    read: Callable[[Sequence[Key]], Sequence[bytes | None]],
) -> dict[Key, bytes]:
    """Return the tiles that change when events are added: `added` has them by entity and number of the day.

    `read` returns the tiles of keys as they are, None where there is none.
    """
    changed: dict[Key, bytes] = {}
    pending: dict[tuple[bytes, int], Rows] = dict(added)
    for level in range(len(SPANS)):
        keys = [(owner, place(level, number)) for owner, number in pending]
        below: dict[tuple[bytes, int], Rows] = {}
        for key, content, rows in zip(keys, read(keys), pending.values(), strict=True):
            tile = None if content is None else _decode(content)
            if isinstance(tile, States):
                merge = zip(needs, tile.columns, _states(needs, rows), strict=True)
                changed[key] = _encode(States([merged(*each) for each in merge]))
            else:
                rows = rows if tile is None else _joined(tile, rows)
                if len(rows) <= MOST_ROWS or level == len(SPANS) - 1:
                    changed[key] = _encode(rows)
                    continue
                changed[key] = _encode(States(_states(needs, rows)))
            for number, part in _spans_of(rows, SPANS[level + 1]):
                below[key[0], number] = part
        pending = below
    return changed


def _spans_of(rows: Rows, span: int) -> Iterator[tuple[int, Rows]]:
    """Yield the events of each span, by its number."""
    start = 0
    times = array("q", rows.times)
    while start < len(times):
        number = times[start] // span
        end = bisect_left(times, (number + 1) * span, start)
        yield number, rows.part(start, end)
        start = end


def _states(needs: Sequence[Needs], rows: Rows) -> list[State]:
    made = []
    ages = rows.whole_ages()
    for need, values in zip(needs, rows.columns, strict=True):
        aged = [(*age, value) for age, value in zip(ages, values, strict=True) if value is not None]
        made.append(state_of(need, aged))
    return made


def _joined(one: Rows, other: Rows) -> Rows:
    columns = [a + b for a, b in zip(one.columns, other.columns, strict=True)]
    both = Rows(one.times + other.times, one.ages + other.ages, columns)
    ages = both.whole_ages()
    order = sorted(range(len(ages)), key=ages.__getitem__)
    if order == list(range(len(ages))):
        return both
    return Rows(
        b"".join([both.times[row * 8 : row * 8 + 8] for row in order]),
        b"".join([both.ages[row * 16 : row * 16 + 16] for row in order]),
        [[values[row] for row in order] for values in columns],
    )


class Tiles:
    """Tiles of one entity around an instant, as they were read: each is decoded when it is needed."""

    def __init__(self, content: Mapping[Place, bytes]) -> None:
        self._levels: tuple[dict[int, Any], ...] = tuple({} for _ in SPANS)
        for where, tile in content.items():
            self._levels[where[0]][int.from_bytes(where[1:], "big") - _SIGN] = tile
        self._days = sorted(self._levels[0])

    def cut(self, low: int, high: int, column: int) -> list[State | list[Any]]:
        """Return an input's values with times in [low, high), and states of them, in the order of time."""
        parts: list[State | list[Any]] = []
        first = bisect_left(self._days, low // SPANS[0])
        last = bisect_left(self._days, -(-high // SPANS[0]), first)
        for day in self._days[first:last]:
            self._add(parts, 0, day, low, high, column)
        return parts

    def _add(self, parts: list[State | list[Any]], level: int, number: int, low: int, high: int, column: int) -> None:
        there = self._levels[level]
        tile = there.get(number)
        if tile is None:
            return
        if tile.__class__ is bytes:
            tile = there[number] = _decode(tile)
        start = number * SPANS[level]
        end = start + SPANS[level]
        values = tile.columns[column]
        if low <= start and end <= high:
            if tile.__class__ is Rows and None in values:
                values = [value for value in values if value is not None]
            parts.append(values)
        elif tile.__class__ is Rows:
            times = array("q", tile.times)
            inside = values[bisect_left(times, low) : bisect_left(times, high)]
            parts.append([value for value in inside if value is not None])
        else:
            below = SPANS[level + 1]
            for inner in range(max(low, start) // below, -(-min(high, end) // below)):
                self._add(parts, level + 1, inner, low, high, column)


def places_around(edges: Sequence[int]) -> list[tuple[Place, Place]]:
    """Return the places, as ranges with both ends, of tiles that windows between these instants need."""
    ranges = [(place(0, min(edges) // SPANS[0]), place(0, max(edges) // SPANS[0]))]
    for level in (1, 2):
        above, each = SPANS[level - 1], SPANS[level]
        for number in dict.fromkeys(edge // above for edge in edges if edge % above):
            inside = above // each
            ranges.append((place(level, number * inside), place(level, number * inside + inside - 1)))
    return ranges
