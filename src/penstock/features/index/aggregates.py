"""Aggregates over any ranges of the values of an input, all ranges at once: the many-rows form of a window.

The one-row form is in `folding`; both give the same bits. NaN makes sums, means, deviations, least and greatest values
NaN; -0.0 is below 0.0 for those two, and equal to it where different values are counted.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.features.declared.windows import Window
from penstock.features.index.distinct import DistinctCounts
from penstock.features.index.exact import PrefixSums, as_int64, as_integers, prefix_sums, rounded
from penstock.features.index.folding import deviation, float_sum, power_sums
from penstock.features.index.keys import Numbers
from penstock.features.index.layout import decoded

_NAN = int(np.array([np.nan]).view(np.int64)[0])
_LEAST, _GREATEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class Column:
    """The values of an input that count, those of an entity together and in the order of (event, created, sequence).

    `starts` are the first places of the entities, and behind them the end. What prefix sums and the like need is worked
    out when it is first asked for.
    """

    def __init__(self, type: str, words: Numbers, dictionary: pa.Array | None, starts: Numbers) -> None:
        self.type, self._dictionary, self._starts = type, dictionary, starts
        if type == "float64":
            words = np.where(np.isnan(words.view(np.float64)), _NAN, words)
        self._words = words

    def aggregate(self, window: Window, low: Numbers, high: Numbers, start: Numbers) -> pa.Array:
        """Return the window's value over each range [low, high) of places; `start` is its entity's first place."""
        count = high - low
        match window.function:
            case "count":
                return pa.array(count)
            case "count_distinct":
                return pa.array(self._distinct.count(low, high, start))
            case "sum":
                return self._sum(low, high)
            case "mean":
                with np.errstate(invalid="ignore", divide="ignore"):
                    return pa.array(self._float_sums(low, high) / count, mask=count == 0)
            case "stddev":
                return self._deviations(low, high)
            case "first" | "last":
                place = low if window.function == "first" else high - 1
                taken = np.where(count > 0, place, 0)
                words = self._words[taken] if len(self._words) else np.zeros(len(low), dtype=np.int64)
                return decoded(words, count == 0, self.type, self._dictionary)
            case "last_n":
                return self._last_n(low, high, window.n)
        return self._extremes(low, high, greatest=window.function == "max")

    @property
    def _floats(self) -> Any:
        return self._words.view(np.float64)

    @cached_property
    def _sums(self) -> PrefixSums | None:
        return prefix_sums(self._floats if self.type == "float64" else self._words)

    @cached_property
    def _squares(self) -> PrefixSums | None:
        return prefix_sums(self._floats if self.type == "float64" else self._words, squares=True)

    @cached_property
    def _odd(self) -> tuple[Numbers, Numbers, Numbers] | None:
        """Prefix counts of NaN, infinity and minus infinity; None where there are none."""
        if self.type != "float64" or bool(np.isfinite(self._floats).all()):
            return None
        kinds = (np.isnan(self._floats), self._floats == np.inf, self._floats == -np.inf)
        made = [np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(kind)]) for kind in kinds]
        return made[0], made[1], made[2]

    @cached_property
    def _distinct(self) -> DistinctCounts:
        codes = self._words
        if self.type == "float64":
            codes = np.where(self._floats == 0, 0, codes)
        return DistinctCounts(codes, self._starts)

    def _sum(self, low: Numbers, high: Numbers) -> pa.Array:
        if self.type == "float64":
            return pa.array(self._float_sums(low, high), mask=low == high)
        assert self._sums is not None  # noqa: S101  # two limbs are enough for every int64
        sums, beyond = as_int64(self._sums.totals(low, high))
        return pa.array(sums, mask=beyond | (low == high))

    def _float_sums(self, low: Numbers, high: Numbers) -> Any:
        if self._sums is None:
            pairs = zip(low.tolist(), high.tolist(), strict=True)
            return np.array([float_sum(self._floats[a:b].tolist()) for a, b in pairs], dtype=np.float64)
        sums = rounded(self._sums.totals(low, high), self._sums.exponent)
        if self._odd is None:
            return sums
        nan, plus, minus = (prefix[high] - prefix[low] > 0 for prefix in self._odd)
        sums = np.where(plus, np.inf, np.where(minus, -np.inf, sums))
        return np.where(nan | (plus & minus), np.nan, sums)

    def _deviations(self, low: Numbers, high: Numbers) -> pa.Array:
        values = self._floats if self.type == "float64" else self._words
        counts = (high - low).tolist()
        if self._sums is None or self._squares is None:
            values = np.where(np.isfinite(values), values, 0)
            pairs = zip(low.tolist(), high.tolist(), strict=True)
            made = [deviation(b - a, *power_sums(values[a:b].tolist())) for a, b in pairs]
            return self._with_odd(pa.array(made, pa.float64()), low, high)
        sums = as_integers(self._sums.totals(low, high))
        squares = as_integers(self._squares.totals(low, high))
        power = self._sums.exponent
        made = [deviation(*each, power) for each in zip(counts, sums, squares, strict=True)]
        return self._with_odd(pa.array(made, pa.float64()), low, high)

    def _with_odd(self, deviations: pa.Array, low: Numbers, high: Numbers) -> pa.Array:
        if self._odd is None:
            return deviations
        odd = np.logical_or.reduce([prefix[high] - prefix[low] > 0 for prefix in self._odd])
        return pc.if_else(pa.array(odd & (high - low > 1)), np.nan, deviations)

    def _last_n(self, low: Numbers, high: Numbers, n: int) -> pa.Array:
        lengths = np.minimum(high - low, n)
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
        places = np.repeat(high - 1 + offsets[:-1], lengths) - np.arange(offsets[-1])
        words = self._words[places]
        values = decoded(words, np.zeros(len(words), dtype=bool), self.type, self._dictionary)
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)

    @cached_property
    def _sorted_dictionary(self) -> tuple[pa.Array, Numbers]:
        """The values of the dictionary in order, and the rank of each."""
        dictionary = pa.array([]) if self._dictionary is None else self._dictionary
        order = pc.sort_indices(dictionary).to_numpy()
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return dictionary.take(pa.array(order)), rank

    def _ordered(self) -> Numbers:
        """Return numbers in the order of the values."""
        if self._dictionary is not None:
            return self._sorted_dictionary[1][self._words]
        return _by_size(self._words) if self.type == "float64" else self._words

    def _extremes(self, low: Numbers, high: Numbers, *, greatest: bool) -> pa.Array:
        none = high == low
        if not len(self._words):
            return decoded(np.zeros(len(low), dtype=np.int64), none, self.type, self._dictionary)
        found = _range_extremes(self._ordered(), low, high, np.maximum if greatest else np.minimum)
        if self._dictionary is not None:
            return decoded(found, none, self.type, self._sorted_dictionary[0])
        if self.type == "float64":
            found = _by_size(found)
            if self._odd is not None:
                found = np.where(self._odd[0][high] > self._odd[0][low], _NAN, found)
        return decoded(found, none, self.type, None)


def _by_size(words: Numbers) -> Numbers:
    """Turn words of floats into integers of the same order, and back."""
    return np.where(words < 0, words ^ _GREATEST, words)


def _range_extremes(values: Numbers, low: Numbers, high: Numbers, better: Any) -> Numbers:
    """Return the least or greatest value of each range: of two runs of a power of two that cover it."""
    found = np.zeros(len(low), dtype=np.int64)
    level = np.frexp(np.maximum(high - low, 1).astype(np.float64))[1] - 1
    runs = values
    for power in range(int(level.max()) + 1 if len(level) else 0):
        if power:
            half = 1 << (power - 1)
            runs = better(runs[:-half], runs[half:])
        mine = np.flatnonzero((level == power) & (high > low))
        found[mine] = better(runs[low[mine]], runs[high[mine] - (1 << power)])
    return found
