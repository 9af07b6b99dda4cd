"""Numbers sorted once: distinct values, quantiles, the most frequent, histograms are read off, exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

Numbers: TypeAlias = np.ndarray[Any, np.dtype[Any]]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BUCKETS, SHARES = 20, 20


@dataclass(frozen=True, slots=True)
class Sorted:
    """Values in order, without NULLs and what is not finite; times are numbers. `starts` says where each new
    one begins."""

    values: Numbers
    starts: Numbers

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Sorted:
        """Return the values of a column that has no NULLs."""
        if pa.types.is_temporal(column.type):
            column = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
        values = np.sort(column.to_numpy())
        if values.dtype.kind == "f":
            values += 0.0  # -0.0 becomes 0.0: which of them is first would depend on the order of the rows
        changes = np.flatnonzero(values[1:] != values[:-1]) + 1
        starts = np.concatenate([[0], changes]) if len(values) else changes
        return cls(values, starts)

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(self.starts)

    def quantiles(self, shares: Sequence[float]) -> list[Any]:
        """Return the values at these shares, by nearest rank."""
        count = len(self.values)
        places = [max(1, math.ceil(round(count * share, 9))) - 1 for share in shares]
        return [self.values[place] for place in places] if count else []

    def count_of(self, value: float) -> int:
        """Return how often a value is there."""
        ends = np.searchsorted(self.values, value, side="left"), np.searchsorted(self.values, value, side="right")
        return int(ends[1] - ends[0])

    def most_frequent(self, most: int) -> list[tuple[Any, int]]:
        """Return the most frequent values and how often each is there; of equally frequent ones the least first."""
        counts = np.diff(np.append(self.starts, len(self.values)))
        if len(counts) > most:
            least = np.partition(counts, len(counts) - most)[len(counts) - most]
            above = np.flatnonzero(counts > least)
            level = np.flatnonzero(counts == least)[: most - len(above)]
            chosen = np.concatenate([above, level])
        else:
            chosen = np.arange(len(counts))
        chosen = chosen[np.lexsort((chosen, -counts[chosen]))]
        return [(self.values[self.starts[at]], int(counts[at])) for at in chosen]

    def histogram(self, buckets: int = BUCKETS) -> tuple[list[Any], list[int]]:
        """Return edges and counts of buckets of equal width; of whole numbers the edges are whole."""
        if not len(self.values):
            return [], []
        least, most = self.values[0].item(), self.values[-1].item()
        if isinstance(least, int):
            width = max(1, -(-(most - least) // buckets))
            edges = [least, *range(least + width, most, width), most]
        else:
            between = (least * (1 - part / buckets) + most * (part / buckets) for part in range(1, buckets))
            edges = [*sorted({least, *(edge for edge in between if least < edge < most)}), most]
        return edges, self._counted(edges)

    def equal_counts(self, buckets: int = SHARES) -> tuple[list[Any], list[int]]:
        """Return edges and counts of buckets that hold about as many values each: fine where there are many. A value
        that fills one alone (many zeros) has one for itself, and the last one ends just above the greatest value."""
        if not len(self.values):
            return [], []
        found = {
            value.item() for value in (self.values[0], *self.quantiles([at / buckets for at in range(1, buckets)]))
        }
        often = [value for value in found if self.count_of(value) > max(1, len(self.values) / buckets)]
        beyond = _above(self.values[-1].item())
        edges = [*sorted(edge for edge in {*found, *map(_above, often)} if edge < beyond), beyond]
        return edges, self._counted(edges)

    def below_between_above(self, edges: Sequence[float]) -> list[int]:
        """Return how many values lie below the first of some edges, between two of them, and from the last one on."""
        places = np.searchsorted(self.values, np.asarray(edges, dtype=np.float64), side="left")
        return [int(count) for count in np.diff(np.concatenate([[0], places, [len(self.values)]]))]

    def _counted(self, edges: Sequence[Any]) -> list[int]:
        """A value on an edge belongs to the bucket that begins there; the last one has its end too."""
        inner = np.searchsorted(self.values, np.asarray(edges[1:-1], dtype=self.values.dtype), side="left")
        return [int(count) for count in np.diff(np.concatenate([[0], inner, [len(self.values)]]))]


def _above(value: Any) -> Any:
    """Return the next greater number of that type, or the number itself where there is none."""
    if isinstance(value, int):
        return value + 1
    beyond = math.nextafter(value, math.inf)
    return beyond if math.isfinite(beyond) else value
