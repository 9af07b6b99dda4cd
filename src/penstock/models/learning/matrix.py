"""The feature columns of many rows as NumPy arrays, in the forms that estimators read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from penstock.models.learning.encoded import Encoded, encoded

if TYPE_CHECKING:
    import pyarrow as pa

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


PLAIN = ("number", "category", "sparse")
"""The kinds of columns that any estimator reads; encoders read the others."""

_BLOCK_ROWS = 4096  # columns are written into the rows of a matrix block by block: a block stays in the cache
_FEW = 1 / 8  # the share of a matrix up to which its entries alone are kept: each takes more memory than a cell


@dataclass(frozen=True, slots=True)
class Sparse:
    """A column of lists of (index, value), flattened: entry k belongs to row `rows[k]`."""

    rows: Integers
    indices: Integers
    values: Floats


Column: TypeAlias = Floats | Integers | Sparse


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """A matrix of `width` columns by what is not 0 in it: of row k the entries `starts[k]` up to `starts[k + 1]`, each
    the number of its column (rising in a row) and its value. This is SciPy's and LightGBM's CSR."""

    starts: Integers
    columns: np.ndarray[Any, np.dtype[np.int32]]
    values: Floats
    width: int


@dataclass(frozen=True, slots=True)
class Features:
    """The columns that enter an estimator: floats for a number, indices for a category, lists for a sparse block; and,
    apart from them, those that encoders read."""

    rows: int
    columns: tuple[Column, ...]
    encoded: tuple[Encoded, ...] = ()


@dataclass(frozen=True, slots=True)
class Examples:
    """Features with what is to be predicted: values, class numbers, or nothing at all (an empty array)."""

    features: Features
    target: Floats | Integers


def features_of(table: pa.Table, kinds: Sequence[str]) -> Features:
    """Return the columns of a table of features as arrays; NULL numbers are NaN."""
    named = list(zip(table.columns, kinds, strict=True))
    columns = tuple(_column(column, kind) for column, kind in named if kind in PLAIN)
    return Features(
        table.num_rows, columns, tuple(encoded(column, kind) for column, kind in named if kind not in PLAIN)
    )


def widths_of(features: Features) -> tuple[int, ...]:
    """Return how many columns of a matrix each column takes: a sparse block one for each index, others one."""
    return tuple(
        int(column.indices.max(initial=0)) + 1 if isinstance(column, Sparse) else 1 for column in features.columns
    )


def dense(features: Features, widths: Sequence[int]) -> Floats:
    """Return one row-major matrix: categories by their index, sparse blocks spread out."""
    places = np.cumsum([0, *spread(features, widths)])
    matrix = np.zeros((features.rows, places[-1]))
    plain = [
        (place, column)
        for place, column in zip(places, features.columns, strict=False)
        if not isinstance(column, Sparse)
    ]
    for start in range(0, features.rows, _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        for place, numbers in plain:
            matrix[block, place] = numbers[block]
    for place, column, width in zip(places, features.columns, widths, strict=False):
        if isinstance(column, Sparse):
            known = column.indices < width
            np.add.at(matrix, (column.rows[known], place + column.indices[known]), column.values[known])
    return matrix


def is_mostly_empty(features: Features, widths: Sequence[int]) -> bool:
    """Tell whether the features take less memory as `Entries` than as a dense matrix."""
    blocks = [column for column in features.columns if isinstance(column, Sparse)]
    most = sum(len(column.values) for column in blocks) + features.rows * (len(features.columns) - len(blocks))
    return bool(blocks) and most <= _FEW * features.rows * sum(spread(features, widths))


def entries(features: Features, widths: Sequence[int]) -> Entries:
    """Return the matrix that `dense` returns, bit for bit, by its entries."""
    places = np.cumsum([0, *spread(features, widths)])
    found = [
        _placed(column, place, width) for column, place, width in zip(features.columns, places, widths, strict=False)
    ]
    rows, columns, values = (np.concatenate(part) for part in zip(*found, strict=True))
    cells = rows * places[-1] + columns
    if (np.diff(cells) <= 0).any():
        order = np.argsort(cells, kind="stable")  # entries of one cell are added in the order in which they stand
        cells, values = cells[order], values[order]
        first = np.diff(cells, prepend=-1) > 0
        if not first.all():
            sums = np.zeros(np.count_nonzero(first))
            np.add.at(sums, np.cumsum(first) - 1, values)
            cells, values = cells[first], sums
        rows, columns = np.divmod(cells, places[-1])
    starts = np.searchsorted(rows, np.arange(features.rows + 1))
    return Entries(starts=starts, columns=columns.astype(np.int32), values=values, width=int(places[-1]))


def numbers_of(features: Features) -> Floats:
    """Return the numbers among the features alone, a column for each."""
    columns = [column for column in features.columns if not isinstance(column, Sparse) and column.dtype == np.float64]
    matrix = np.empty((features.rows, len(columns)))
    for place, column in enumerate(columns):
        matrix[:, place] = column
    return matrix


def rows_of(features: Features, block: slice) -> Features:
    """Return a block of the rows; those of a sparse column stand in order."""
    rows = min(block.stop, features.rows) - block.start
    columns = tuple(_block(column, block) for column in features.columns)
    return Features(rows, columns, tuple(each.take(block) for each in features.encoded))


def thinned(features: Features, most: int) -> Features:
    """Return every n-th row, from the first on, so that there are no more than `most`."""
    step = max(1, -(-features.rows // most))
    columns = tuple(_thinned(column, step) for column in features.columns)
    encoded = tuple(each.take(slice(None, None, step)) for each in features.encoded)
    return Features(-(-features.rows // step), columns, encoded)


def shuffled(features: Features, kinds: Sequence[str], chosen: Sequence[bool], order: Integers) -> Features:
    """Return rows in which the chosen of the columns that enter are those of other rows: row k has those of row
    `order[k]`."""
    moved = Features(
        features.rows,
        tuple(_moved(column, order) for column in features.columns),
        tuple(each.take(order) for each in features.encoded),
    )
    return mixed(features, moved, kinds, chosen)


def repeated(features: Features, times: int) -> Features:
    """Return one row so many times."""
    first = np.zeros(times, dtype=np.int64)
    columns = tuple(
        Sparse(
            np.repeat(np.arange(times), len(column.rows)),
            np.tile(column.indices, times),
            np.tile(column.values, times),
        )
        if isinstance(column, Sparse)
        else column[first]
        for column in features.columns
    )
    return Features(times, columns, tuple(each.take(first) for each in features.encoded))


def mixed(features: Features, other: Features, kinds: Sequence[str], chosen: Sequence[bool]) -> Features:
    """Return rows with the chosen of the columns that enter taken from other features of as many rows."""
    plain = [take for kind, take in zip(kinds, chosen, strict=True) if kind in PLAIN]
    apart = [take for kind, take in zip(kinds, chosen, strict=True) if kind not in PLAIN]
    columns = zip(features.columns, other.columns, plain, strict=True)
    read = zip(features.encoded, other.encoded, apart, strict=True)
    return Features(
        features.rows,
        tuple(theirs if take else mine for mine, theirs, take in columns),
        tuple(theirs if take else mine for mine, theirs, take in read),
    )


def spread(features: Features, widths: Sequence[int]) -> list[int]:
    """Return how many columns of the dense matrix each feature takes."""
    return [width if isinstance(column, Sparse) else 1 for column, width in zip(features.columns, widths, strict=True)]


def _placed(column: Column, place: int, width: int) -> tuple[Integers, Integers, Floats]:
    """Return the rows, the columns and the values of the entries that one feature gives."""
    if isinstance(column, Sparse):
        known = column.indices < width
        return column.rows[known], place + column.indices[known], column.values[known]
    rows = np.flatnonzero(column)
    return rows, np.full(len(rows), place), column[rows].astype(np.float64)


def _thinned(column: Column, step: int) -> Column:
    if not isinstance(column, Sparse):
        return column[::step]
    kept = column.rows % step == 0
    return Sparse(column.rows[kept] // step, column.indices[kept], column.values[kept])


def _moved(column: Column, order: Integers) -> Column:
    if not isinstance(column, Sparse):
        return column[order]
    rows = np.argsort(order)[column.rows]  # where the row now stands
    sorted_rows = np.argsort(rows, kind="stable")
    return Sparse(rows[sorted_rows], column.indices[sorted_rows], column.values[sorted_rows])


def _block(column: Column, block: slice) -> Column:
    if not isinstance(column, Sparse):
        return column[block]
    first, last = np.searchsorted(column.rows, [block.start, block.stop])
    return Sparse(column.rows[first:last] - block.start, column.indices[first:last], column.values[first:last])


def _column(column: pa.ChunkedArray, kind: str) -> Column:
    if kind == "sparse":
        return _sparse(column)
    values: Floats | Integers
    values = np.empty(len(column)) if kind == "number" else np.empty(len(column), dtype=np.int64)
    start = 0
    for chunk in column.chunks:
        values[start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
        start += len(chunk)
    return values


def _sparse(column: pa.ChunkedArray) -> Sparse:
    lists = column.combine_chunks()
    lengths = lists.value_lengths().fill_null(0).to_numpy()
    entries = lists.flatten()
    return Sparse(
        np.repeat(np.arange(len(lists), dtype=np.int64), lengths),
        entries.field("index").to_numpy(zero_copy_only=False).astype(np.int64),
        entries.field("value").to_numpy(zero_copy_only=False).astype(np.float64),
    )
