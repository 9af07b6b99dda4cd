"""Entities as numbers: each distinct key of a segment has an ordinal, found again for the keys of a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """The distinct keys of a segment. The values of each key column are sorted in `values`; `pairs[i]` are, sorted, the
    combinations of an ordinal over the columns before with a value of column i + 1, as one number each."""

    values: tuple[pa.Array, ...]
    pairs: tuple[Numbers, ...]

    def __len__(self) -> int:
        return len(self.pairs[-1]) if self.pairs else len(self.values[0])

    def columns(self, ordinals: Numbers) -> list[pa.Array]:
        """Return the key columns of keys, given by their ordinals."""
        columns: list[pa.Array] = []
        for values, pairs in zip(reversed(self.values[1:]), reversed(self.pairs), strict=True):
            combined = pairs[ordinals]
            columns.insert(0, values.take(pa.array(combined % max(len(values), 1))))
            ordinals = combined // max(len(values), 1)
        return [self.values[0].take(pa.array(ordinals)), *columns]

    def table(self) -> list[tuple[Any, ...]]:
        """Return every key as plain values, in the order of the ordinals."""
        return list(zip(*(column.to_pylist() for column in self.columns(np.arange(len(self)))), strict=True))

    def find(self, columns: Sequence[pa.ChunkedArray | pa.Array]) -> Numbers:
        """Return the ordinal of each key, -1 for one that is not there or has a NULL in it."""
        return self.finder(columns)(slice(None))

    def finder(self, columns: Sequence[pa.ChunkedArray | pa.Array]) -> Callable[[slice], Numbers]:
        """Return what finds the ordinals of a part of the keys; parts may be found at the same time."""
        positions = [_finder(column, values) for column, values in zip(columns, self.values, strict=True)]

        def find(part: slice) -> Numbers:
            found = positions[0](part)
            for inner_of, values, pairs in zip(positions[1:], self.values[1:], self.pairs, strict=True):
                inner = inner_of(part)
                wanted = found * max(len(values), 1) + inner
                place = np.minimum(np.searchsorted(pairs, wanted), max(len(pairs) - 1, 0))
                known = (found >= 0) & (inner >= 0) & (len(pairs) > 0)
                if len(pairs):
                    known &= pairs[place] == wanted
                found = np.where(known, place, -1)
            return found

        return find


def key_index(columns: Sequence[pa.ChunkedArray]) -> tuple[KeyIndex, Numbers]:
    """Return the index of the keys in these columns (without NULLs), and each row's ordinal."""
    values, codes = _sorted_values(columns[0])
    every, pairs = [values], []
    for column in columns[1:]:
        inner, inner_codes = _sorted_values(column)
        combined, codes = np.unique(codes * max(len(inner), 1) + inner_codes, return_inverse=True)
        every.append(inner)
        pairs.append(combined)
    return KeyIndex(tuple(every), tuple(pairs)), codes.astype(np.int64, copy=False)


def _sorted_values(column: pa.ChunkedArray) -> tuple[pa.Array, Numbers]:
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    coded = whole.dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return coded.dictionary.take(pa.array(order)), rank[coded.indices.to_numpy(zero_copy_only=False)]


def _finder(column: pa.ChunkedArray | pa.Array, values: pa.Array) -> Callable[[slice], Numbers]:
    """Return what tells the position of a part of the column's values among sorted ones, -1 where it is not there."""
    if pa.types.is_int64(values.type) and column.null_count == 0 and len(values):
        asked, known = np.asarray(column), values.to_numpy()
        if int(known[-1]) - int(known[0]) == len(known) - 1:  # without gaps: the ordinal is a difference
            return lambda part: _differences(asked[part], known[0], known[-1])
        return lambda part: _searched(asked[part], known)
    # A NULL is found among values only if they hold one, which keys never do.
    found = pc.fill_null(pc.index_in(column, value_set=values), -1)
    codes = found.to_numpy(zero_copy_only=False) if isinstance(found, pa.Array) else found.to_numpy()
    return lambda part: np.asarray(codes[part]).astype(np.int64)


def _differences(asked: Numbers, first: np.int64, last: np.int64) -> Numbers:
    return np.where((asked >= first) & (asked <= last), asked - first, -1)


def _searched(asked: Numbers, known: Numbers) -> Numbers:
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[place] == asked, place, -1)
