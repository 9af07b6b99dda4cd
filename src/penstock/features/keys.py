"""Entities as numbers: each distinct key of a segment has an ordinal, found again for the keys of a question."""

from __future__ import annotations

from collections.abc import Sequence
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
        found = _positions(columns[0], self.values[0])
        for column, values, pairs in zip(columns[1:], self.values[1:], self.pairs, strict=True):
            inner = _positions(column, values)
            wanted = found * max(len(values), 1) + inner
            place = np.minimum(np.searchsorted(pairs, wanted), max(len(pairs) - 1, 0))
            known = (found >= 0) & (inner >= 0) & (len(pairs) > 0)
            if len(pairs):
                known &= pairs[place] == wanted
            found = np.where(known, place, -1)
        return found


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


def _positions(column: pa.ChunkedArray | pa.Array, values: pa.Array) -> Numbers:
    if pa.types.is_int64(values.type) and column.null_count == 0 and len(values):
        asked, known = np.asarray(column), values.to_numpy()
        if int(known[-1]) - int(known[0]) == len(known) - 1:  # without gaps: the ordinal is a difference
            inside = (asked >= known[0]) & (asked <= known[-1])
            return np.where(inside, asked - known[0], -1)
        place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return np.where(known[place] == asked, place, -1)
    found = pc.fill_null(pc.index_in(column, value_set=values), -1)
    # A NULL is found among values only if they hold one, which keys never do.
    return np.asarray(found.to_numpy(zero_copy_only=False) if isinstance(found, pa.Array) else found.to_numpy()).astype(
        np.int64
    )
