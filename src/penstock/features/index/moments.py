"""Moments: key and time of each row as one number, so that the last row before a moment is a step or two away.

`places` tells for each run of `2**shift` numbers how many rows come before it. There are about as many runs as rows, so
a look there leaves few rows to tell apart; those are halved for all questions at once, without a branch to guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.features.index.keys import Numbers

_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Moments:
    """`numbers` are ascending: the ordinal of a key, then `bits` of time since `first`, in steps of `unit`
    microseconds. There are none where both do not fit into 63 bits. No run has `2**depth` rows."""

    numbers: Numbers
    places: np.ndarray[Any, np.dtype[Any]]
    first: int
    unit: int
    bits: int
    shift: int
    depth: int

    def __len__(self) -> int:
        return len(self.numbers)

    def last(self, ordinals: Numbers, times: Numbers) -> tuple[Numbers, Numbers]:
        """Return the last row of each key whose event is not later than the time, -1 where there is none, and that
        event."""
        most = (1 << self.bits) - 2
        steps = np.clip(times, self.first - 1, min(self.first + most * self.unit, _LARGEST))
        steps -= self.first
        if self.unit > 1:
            steps //= self.unit
        numbers = (ordinals << self.bits) + steps
        rows = self.places.take(numbers >> self.shift, mode="clip").astype(np.int64)
        rows -= 1
        for bit in reversed(range(self.depth)):
            further = rows + (1 << bit)
            rows = np.where(self.numbers.take(further, mode="clip") <= numbers, further, rows)
        np.minimum(rows, len(self.numbers) - 1, out=rows)  # "clip" reads the last row for those beyond it
        found = self.numbers.take(rows, mode="clip")
        rows = np.where(found >> self.bits == ordinals, rows, -1)
        found &= (1 << self.bits) - 1
        found *= self.unit
        found += self.first
        return rows, found

    @property
    def scale(self) -> Mapping[str, int]:
        """How the numbers are made and grouped, by name."""
        return {name: getattr(self, name) for name in ("first", "unit", "bits", "shift", "depth")}


def numbered(ordinals: Numbers, events: Numbers) -> tuple[Numbers, int, int, int]:
    """Return key and time of each row as one number, the first time, the unit of time, and the bits of time."""
    if len(events) == 0:
        return np.zeros(0, dtype=np.int64), 0, 1, 1
    first, last = int(events.min()), int(events.max())
    unit = int(np.gcd.reduce(events - first)) or 1
    bits = ((last - first) // unit + 2).bit_length()
    if int(ordinals.max() + 1).bit_length() + bits > 63:
        return np.zeros(0, dtype=np.int64), first, unit, bits
    return (ordinals << bits) + (events - first) // unit, first, unit, bits


def moments(ordinals: Numbers, events: Numbers) -> Moments:
    """Return the moments of rows that are sorted by key and time."""
    numbers, first, unit, bits = numbered(ordinals, events)
    if len(numbers) == 0:
        return Moments(numbers, np.zeros(0, dtype=np.int32), first, unit, bits, 0, 0)
    shift = max(0, int(numbers[-1]).bit_length() - len(numbers).bit_length())
    sizes = np.bincount(numbers >> shift)
    places = np.zeros(len(sizes) + 1, dtype=np.int32 if len(numbers) < 2**31 else np.int64)
    np.cumsum(sizes, out=places[1:])
    return Moments(numbers, places, first, unit, bits, shift, int(sizes.max()).bit_length())
