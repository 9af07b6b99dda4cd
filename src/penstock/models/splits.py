"""Which training rows are kept back to judge by: BigQuery ML's data_split_method, the same rows each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import DataError, DeclarationError
from penstock.models.matrix import Flags

_SMALL, _LARGE, _LARGE_HELD_OUT = 500, 50_000, 10_000


def held_out(rows: int, options: Mapping[str, Any], column: pa.ChunkedArray | None) -> Flags:
    """Tell for each row whether it is kept back. `column` holds the values of data_split_col.

    AUTO_SPLIT keeps nothing of fewer than 500 rows, a fraction up to 50,000, and 10,000 beyond, as BigQuery does.
    RANDOM goes by a hash of the row's position: the same rows in the same order split the same way.
    """
    method, fraction = options["data_split_method"], options["data_split_eval_fraction"]
    if method in ("SEQ", "CUSTOM") and column is None:
        raise DeclarationError(f"data_split_method {method} needs data_split_col, the column to go by")
    if method in ("NO_SPLIT", "AUTO_SPLIT", "RANDOM") and column is not None:
        raise DeclarationError(f"data_split_col has no meaning with data_split_method {method}; leave it out")
    match method:
        case "CUSTOM":
            return _custom(column)
        case "SEQ":
            return _largest(_sortable(column), round(rows * fraction))
        case "RANDOM":
            return _largest(_hashes(rows), round(rows * fraction))
        case "AUTO_SPLIT" if rows >= _SMALL:
            return _largest(_hashes(rows), _LARGE_HELD_OUT if rows > _LARGE else round(rows * fraction))
    return np.zeros(rows, dtype=bool)


def _custom(column: pa.ChunkedArray) -> Flags:
    if str(column.type) != "bool":
        raise DataError(f"data_split_col is of type {column.type}; CUSTOM needs a bool: TRUE or NULL is kept back")
    return np.asarray(column.fill_null(True).to_numpy(), dtype=bool)


def _sortable(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return the ranks of the values; NULL is the smallest, rows of equal value keep their order."""
    order = np.roll(pc.sort_indices(column).to_numpy(), column.null_count)  # Arrow puts NULL last
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _largest(values: np.ndarray[Any, Any], count: int) -> Flags:
    mask = np.zeros(len(values), dtype=bool)
    mask[np.argsort(values, kind="stable")[len(values) - count :]] = True
    return mask


def _hashes(rows: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return a hash (SplitMix64) of each row's position."""
    value = np.arange(1, rows + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
