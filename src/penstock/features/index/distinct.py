"""How many different values stand in any ranges of a column, all ranges at once.

A value counts at the first place in the range where it stands: where its place before lies in front of the range. So
the question is how many numbers in a range are below a bound, which a wavelet matrix answers bit by bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.int64]]


class DistinctCounts:
    """Counts of the different codes in ranges of a column that lie within one of its groups; `starts` are the groups'
    first places, and behind them the end."""

    def __init__(self, codes: Numbers, starts: Numbers) -> None:
        before = _places_before(codes)
        first = np.repeat(starts[:-1], np.diff(starts))
        # Within its group, from 1 on: 0 where the value stands there for the first time.
        ranks = np.maximum(before - first + 1, 0)
        self._levels: list[tuple[int, Numbers]] = []
        for bit in reversed(range(int(ranks.max()).bit_length() if len(ranks) else 0)):
            ones = (ranks >> bit) & 1
            self._levels.append((bit, np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(ones == 0)])))
            ranks = ranks[np.argsort(ones, kind="stable")]

    def count(self, low: Numbers, high: Numbers, start: Numbers) -> Numbers:
        """Return how many values each range [low, high) has; `start` is the first place of its group."""
        bound = low - start  # those whose place before is not in the range have a rank of at most this
        top = self._levels[0][0] + 1 if self._levels else 0
        found = np.where(bound >= 1 << top, high - low, 0)
        open_ = bound < 1 << top
        for bit, zeros in self._levels:
            below, above = zeros[low], zeros[high]
            ones = (bound >> bit) & 1 == 1
            found += np.where(open_ & ones, above - below, 0)
            low = np.where(ones, zeros[-1] + low - below, below)
            high = np.where(ones, zeros[-1] + high - above, above)
        return found + np.where(open_, high - low, 0)


def _places_before(codes: Numbers) -> Numbers:
    """Return the last place before each at which the same code stands, -1 where there is none."""
    order = np.argsort(codes, kind="stable")
    before = np.full(len(codes), -1, dtype=np.int64)
    same = codes[order[1:]] == codes[order[:-1]]
    before[order[1:]] = np.where(same, order[:-1], -1)
    return before
