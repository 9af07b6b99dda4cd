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
from penstock.features.index.keys import KeyIndex, Numbers, key_index
from penstock.features.index.layout import Layout
from penstock.features.index.moments import Moments, moments, numbered

_NO_INPUTS = Layout(Schema(()))


@dataclass(frozen=True, slots=True)
class Segment:
    """Sorted rows. `starts[k]` is the first row of the key with ordinal k."""

    keys: KeyIndex
    starts: Numbers
    events: Numbers  # microseconds since 1970
    created: Numbers
    sequences: Numbers
    records: Numbers  # a row of words for each, see `Layout`
    inputs: Numbers  # likewise, of what windows aggregate
    dictionaries: dict[str, pa.Array]
    moments: Moments

    def __len__(self) -> int:
        return len(self.events)

    def locate(
        self, ordinals: Numbers, times: Numbers, *, known: Numbers | None = None, until: int | None = None
    ) -> tuple[Numbers, Numbers]:
        """Return the row that counts for each key at its time (microseconds), -1 where there is none or the ordinal is
        -1, and its event.

        With `known`, rows created after that time do not count; with `until`, rows of later sequence numbers.
        """
        if len(self) == 0:
            return np.full(len(times), -1, dtype=np.int64), np.zeros(len(times), dtype=np.int64)
        rows, events = self._last(ordinals, times)
        if known is None and until is None:
            return rows, events
        rows = self._step_back(rows, self.starts.take(ordinals, mode="clip"), known, until)
        return rows, self.events.take(rows, mode="clip")

    def before(self, ordinals: Numbers, times: Numbers) -> Numbers:
        """Return behind which row of each key the events from the time on begin."""
        if len(self) == 0:
            return np.zeros(len(times), dtype=np.int64)
        rows, _ = self._last(ordinals, times - 1)
        return np.where(rows >= 0, rows + 1, self.starts[ordinals])

    def _last(self, ordinals: Numbers, times: Numbers) -> tuple[Numbers, Numbers]:
        """Return the last row of each key whose event is not later than the time, -1 where there is none."""
        if len(self.moments):
            return self.moments.last(ordinals, times)
        there = np.maximum(ordinals, 0)
        starts = self.starts[there]
        rows = _bisect(self.events, starts, self.starts[there + 1], times)
        rows = np.where((ordinals >= 0) & (rows >= starts), rows, -1)
        return rows, self.events.take(rows, mode="clip")

    def _step_back(self, rows: Numbers, starts: Numbers, known: Numbers | None, until: int | None) -> Numbers:
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
    return Segment(
        keys=index,
        starts=starts,
        events=events,
        created=created[order],
        sequences=sequences[order],
        records=records,
        inputs=aggregated,
        dictionaries=dictionaries | more,
        moments=moments(ordinals, events),
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
        numbers, *_ = numbered(ordinals, events)
        if len(numbers):
            return np.argsort(numbers, kind="stable")
        return np.lexsort((events, ordinals))
    return np.lexsort((sequences, created, events, ordinals))


def _bisect(events: Numbers, low: Numbers, high: Numbers, times: Numbers) -> Numbers:
    """Return the last position in [low, high) whose event is not later than the time, low - 1 if none; all at once."""
    start, low, high = low, low.copy(), high.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        before: Any = open_ & (events[np.minimum(middle, len(events) - 1)] <= times)
        low = np.where(before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return np.maximum(low - 1, start - 1)
