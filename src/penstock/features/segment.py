"""A segment: rows of a history sorted by key and time, so that "the newest value at an instant" is a binary search.

All versions of a row are kept, in the order (key, event time, created, sequence): at an instant the last row that is
not later is the one that counts, and what was known at an earlier time is found by stepping back from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.schema import Schema
from penstock.features.keys import KeyIndex, Numbers, key_index
from penstock.features.layout import Layout

_NO_INPUTS = Layout(Schema(()))


@dataclass(frozen=True, slots=True)
class Segment:
    """Sorted rows. `starts[k]` is the first row of the key with ordinal k. `search` holds for each row one number,
    ascending: key and time together, where both fit into 63 bits (`unit` microseconds a step of time); else empty."""

    keys: KeyIndex
    starts: Numbers
    events: Numbers  # microseconds since 1970
    created: Numbers
    sequences: Numbers
    records: Numbers  # a row of words for each, see `Layout`
    inputs: Numbers  # likewise, of what windows aggregate
    dictionaries: dict[str, pa.Array]
    search: Numbers
    first: int
    unit: int
    bits: int

    def __len__(self) -> int:
        return len(self.events)

    def locate(
        self,
        columns: Sequence[pa.ChunkedArray | pa.Array],
        times: Numbers,
        *,
        known: Numbers | None = None,
        until: int | None = None,
    ) -> Numbers:
        """Return the row that counts for each key at its time (microseconds), -1 where there is none.

        With `known`, rows created after that time do not count; with `until`, rows of later sequence numbers.
        """
        ordinals = self.keys.find(columns)
        asked = np.maximum(ordinals, 0)
        if len(self) == 0:
            return np.full(len(times), -1, dtype=np.int64)
        rows = self._last_before(asked, times)
        rows = np.where((ordinals >= 0) & (rows >= self.starts[asked]), rows, -1)
        return self._step_back(rows, self.starts[asked], known, until)

    def before(self, ordinals: Numbers, times: Numbers) -> Numbers:
        """Return behind which row of each key the events from the time on begin."""
        if len(self) == 0:
            return np.zeros(len(times), dtype=np.int64)
        return np.maximum(self._last_before(ordinals, times - 1) + 1, self.starts[ordinals])

    def _last_before(self, ordinals: Numbers, times: Numbers) -> Numbers:
        """Return the last row of each key whose event is not later than the time; any row before its first if none."""
        if not len(self.search):
            return _bisect(self.events, self.starts[ordinals], self.starts[ordinals + 1], times)
        steps = np.clip((times - self.first) // self.unit, -1, (1 << self.bits) - 2)
        wanted = (ordinals << self.bits) + steps
        order = np.argsort(wanted)  # asking in order touches each part of memory once
        found = np.empty_like(wanted)
        found[order] = np.searchsorted(self.search, wanted[order], side="right") - 1
        return found

    def _step_back(self, rows: Numbers, starts: Numbers, known: Numbers | None, until: int | None) -> Numbers:
        if known is None and until is None:
            return rows
        rows = rows.copy()
        active = np.flatnonzero(rows >= 0)
        while len(active):
            at = rows[active]
            later = np.zeros(len(at), dtype=bool)
            if known is not None:
                later |= self.created[at] > known[active]
            if until is not None:
                later |= self.sequences[at] > until
            active = active[later]
            rows[active] -= 1
            gone = rows[active] < starts[active]
            rows[active[gone]] = -1
            active = active[~gone]
        return rows


def build_segment(
    layout: Layout,
    keys: Sequence[pa.ChunkedArray],
    events: Numbers,
    created: Numbers,
    sequences: Numbers,
    rows: pa.Table,
    inputs: Layout = _NO_INPUTS,
    zeros: Callable[[str, tuple[int, int]], Numbers] | None = None,
) -> Segment:
    """Return the segment of rows: their key columns, times in microseconds, and in `rows` their stored features and
    what windows aggregate. `zeros` makes the arrays of the segment that are large (default: in memory)."""
    index, ordinals = key_index(keys)
    order = _order(ordinals, events, created, sequences)
    ordinals, events = ordinals[order], events[order]
    starts = np.searchsorted(ordinals, np.arange(len(index) + 1))
    records, dictionaries = layout.encode(rows, order, partial(zeros, "records") if zeros else None)
    aggregated, more = inputs.encode(rows, order, partial(zeros, "inputs") if zeros else None)
    search, first, unit, bits = _search(ordinals, events)
    return Segment(
        keys=index,
        starts=starts,
        events=events,
        created=created[order],
        sequences=sequences[order],
        records=records,
        inputs=aggregated,
        dictionaries=dictionaries | more,
        search=search,
        first=first,
        unit=unit,
        bits=bits,
    )


def joined_dictionary(segments: Sequence[Segment], name: str) -> pa.Array | None:
    """Return the dictionaries of segments behind one another; None for a column whose words are its values."""
    parts = [segment.dictionaries[name] for segment in segments if name in segment.dictionaries]
    if len(parts) < 2:
        return parts[0] if parts else None
    return pa.concat_arrays(parts)


def _order(ordinals: Numbers, events: Numbers, created: Numbers, sequences: Numbers) -> Numbers:
    """Return the order by key, event time, created, sequence. Rows come by sequence, mostly also by `created`."""
    if len(events) == 0:
        return np.zeros(0, dtype=np.int64)
    if (np.diff(created) >= 0).all() and (np.diff(sequences) >= 0).all():
        search, *_ = _search(ordinals, events)
        if len(search):
            return np.argsort(search, kind="stable")
        return np.lexsort((events, ordinals))
    return np.lexsort((sequences, created, events, ordinals))


def _search(ordinals: Numbers, events: Numbers) -> tuple[Numbers, int, int, int]:
    """Return key and time of each row as one number, the first time, the unit of time, and the bits of time."""
    if len(events) == 0:
        return np.zeros(0, dtype=np.int64), 0, 1, 1
    first, last = int(events.min()), int(events.max())
    unit = int(np.gcd.reduce(events - first)) or 1
    bits = ((last - first) // unit + 2).bit_length()
    if int(ordinals.max() + 1).bit_length() + bits > 63:
        return np.zeros(0, dtype=np.int64), first, unit, bits
    return (ordinals << bits) + (events - first) // unit, first, unit, bits


def _bisect(events: Numbers, low: Numbers, high: Numbers, times: Numbers) -> Numbers:
    """Return the last position in [low, high) whose event is not later than the time, low - 1 if none; all at once."""
    start, low, high = low, low.copy(), high.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        before: Any = open_ & (events[np.minimum(middle, len(events) - 1)] <= times)
        low = np.where(before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return np.maximum(low - 1, start - 1)
