"""Which rows are kept back to judge by, and to test: BigQuery ML's data_split_method, the same rows each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import DataError, DeclarationError
from penstock.models.learning.matrix import Integers

_SMALL, _LARGE, _LARGE_HELD_OUT = 500, 50_000, 10_000


LEARN, JUDGE, TEST = 0, 1, 2
"""What a row is for: to learn from, to judge by while learning and after, or to be kept from both until the end."""


def purposes(rows: int, options: Mapping[str, Any], column: pa.ChunkedArray | None) -> Integers:
    """Tell for each row what it is for. `column` holds the values of data_split_col.

    AUTO_SPLIT keeps nothing back of fewer than 500 rows, a fraction up to 50,000, and 10,000 beyond, as BigQuery does.
    RANDOM goes by a hash of the row's position: the same rows in the same order split the same way. SEQ keeps the
    largest values to judge by, and those larger still, if any are asked for, to test. CUSTOM takes a bool (TRUE and
    NULL judge), or the words TRAIN, EVAL and TEST.
    """
    method, judging = options["data_split_method"], options["data_split_eval_fraction"]
    testing = options["data_split_test_fraction"] or 0.0
    if method in ("SEQ", "CUSTOM") and column is None:
        raise DeclarationError(f"data_split_method {method} needs data_split_col, the column to go by")
    if method in ("NO_SPLIT", "AUTO_SPLIT", "RANDOM") and column is not None:
        raise DeclarationError(f"data_split_col has no meaning with data_split_method {method}; leave it out")
    if method not in ("RANDOM", "SEQ") and testing:
        raise DeclarationError(f"data_split_test_fraction goes with RANDOM or SEQ, not with {method}; leave it out")
    judged, tested = round(rows * judging), round(rows * testing)
    match method:
        case "CUSTOM":
            return _custom(column)
        case "SEQ":
            return _by_rank(_sortable(column), (JUDGE, judged), (TEST, tested))
        case "RANDOM":
            return _by_rank(_hashes(rows), (TEST, tested), (JUDGE, judged))
        case "AUTO_SPLIT" if rows >= _SMALL:
            return _by_rank(_hashes(rows), (JUDGE, _LARGE_HELD_OUT if rows > _LARGE else judged))
    return np.zeros(rows, dtype=np.int64)


def _custom(column: pa.ChunkedArray) -> Integers:
    if str(column.type) == "bool":
        return np.asarray(column.fill_null(True).to_numpy(), dtype=np.int64)
    words = {"TRAIN": LEARN, "EVAL": JUDGE, "TEST": TEST}
    if str(column.type) not in ("string", "large_string", "string_view"):
        raise DataError(
            f"data_split_col is of type {column.type}; CUSTOM needs a bool (TRUE or NULL is kept back) or the words "
            f"{', '.join(words)}"
        )
    found = [words.get((value or "").upper()) for value in column.to_pylist()]
    if None in found:
        odd = column[found.index(None)].as_py()
        raise DataError(f"data_split_col holds {odd!r}; CUSTOM takes the words {', '.join(words)}")
    return np.array(found, dtype=np.int64)


def _sortable(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return the ranks of the values; NULL is the smallest, rows of equal value keep their order."""
    order = np.roll(pc.sort_indices(column).to_numpy(), column.null_count)  # Arrow puts NULL last
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _by_rank(values: np.ndarray[Any, Any], *parts: tuple[int, int]) -> Integers:
    """Give purposes to the rows with the largest values: a number of rows each, the largest last."""
    found = np.zeros(len(values), dtype=np.int64)
    order, end = np.argsort(values, kind="stable"), len(values)
    for purpose, count in reversed(parts):
        start = max(end - count, 0)
        found[order[start:end]] = purpose
        end = start
    return found


def _hashes(rows: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return a hash (SplitMix64) of each row's position."""
    value = np.arange(1, rows + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
