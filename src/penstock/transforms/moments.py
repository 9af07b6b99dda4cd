"""Means and deviations of numbers: the same bits for any order of the rows, on any machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_BLOCK = 1 << 14  # numbers that are worked on at once: they stay in the processor's cache
_PARTS = 3
_LARGEST = 900  # the power of two above which numbers are scaled down, so that no sum overflows


def mean_and_deviation(column: pa.ChunkedArray) -> tuple[float | None, float | None]:
    """Return the mean of what is not NULL, rounded once, and the deviation (of a sample) from it; None where there is
    no value for the one, fewer than two for the other."""
    least, most, count = _range(column)
    if not count:
        return None, None
    if not (math.isfinite(least) and math.isfinite(most)):
        mean = least + most
        return (mean if math.isinf(mean) else math.nan), (math.nan if count > 1 else None)
    if pa.types.is_integer(column.type):
        mean = float(Fraction(sum(map(_whole_sum, _blocks(column))), count))
    else:
        mean = float(_sum(_blocks(column), count, max(-least, most)) / count)
    return mean, (_deviation(column, mean, max(mean - least, most - mean), count) if count > 1 else None)


def _deviation(column: pa.ChunkedArray, mean: float, farthest: float, count: int) -> float:
    if math.isinf(farthest * farthest):
        return math.inf
    squares = (np.square(block - mean) for block in _blocks(column))
    return math.sqrt(_sum(squares, count, farthest * farthest) / (count - 1))


def _range(column: pa.ChunkedArray) -> tuple[float, float, int]:
    """Return the least, the greatest (both NaN if there is one) and the count of what is not NULL."""
    ends = [(block.min(), block.max()) for block in _blocks(column)]
    if not ends:
        return 0.0, 0.0, 0
    least, most = zip(*ends, strict=True)
    return float(np.min(least)), float(np.max(most)), len(column) - column.null_count


def _blocks(column: pa.ChunkedArray) -> Iterator[Any]:
    for chunk in column.drop_null().chunks:
        numbers = chunk.to_numpy(zero_copy_only=False)
        for start in range(0, len(numbers), _BLOCK):
            yield numbers[start : start + _BLOCK]


def _whole_sum(block: Any) -> int:
    """Add integers, exactly: the high and the low half of each apart, which cannot overflow."""
    return (int((block >> 32).sum()) << 32) + int((block & 0xFFFFFFFF).sum())


def _sum(blocks: Iterable[Floats], count: int, largest: float) -> Fraction:
    """Add `count` numbers of which none is larger (in size) than `largest`, without rounding what matters.

    Each number is cut into parts on grids so coarse that the sum of all parts on one grid is exact, in whatever order
    they are added (Rump, Ogita, Oishi: Accurate floating-point summation, 2008). What lies below the last grid, a
    2 ** -71 of the largest for two million numbers, is left out.
    """
    if not largest:
        return Fraction(0)
    room = math.ceil(math.log2(count + 2))
    exponent = math.frexp(largest)[1] + room
    shift = max(0, exponent - _LARGEST)
    grids = [math.ldexp(1.0, exponent - shift + part * (room - 53)) for part in range(_PARTS)]
    totals = [0.0] * _PARTS
    for block in blocks:
        rest = np.ldexp(block, -shift) if shift else block
        for place, grid in enumerate(grids):
            part = rest + grid
            part -= grid
            totals[place] += float(part.sum())
            rest = rest - part
    return sum(map(Fraction, totals), start=Fraction(0)) * Fraction(2**shift)
