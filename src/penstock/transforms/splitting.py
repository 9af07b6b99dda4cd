"""Rows for training and rows for testing, apart: by time, or by a hash that gives the same parts every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.operations import quoted, sql_literal
from penstock.tables import TableLike, query, to_arrow

_POSITION = "__position"

Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


def split_by_time(rows: TableLike, by: str, test_fraction: float) -> tuple[pa.Table, pa.Table]:
    """Return (train, test): the newest `test_fraction` of the rows by the column `by` are the test, in the order given.

    Rows of one time stay together, in train unless the test would then be empty. Rows whose time is NULL are train:
    nothing says that they are new. Raises `DataError` if all rows are of one time.
    """
    table = _split_input(rows, [by], test_fraction)
    times = table[by]
    known = times.drop_null()
    if len(known) < 2:
        raise DataError(f"column '{by}' has {len(known)} known times; a split by time needs two", field=by)
    ordered = known.take(pc.sort_indices(known))
    last_of_train = max(1, len(ordered) - max(1, round(len(ordered) * test_fraction))) - 1
    boundary = ordered[last_of_train]
    newer = pc.greater(times, boundary)
    if not pc.any(newer).as_py():
        newer = pc.greater_equal(times, boundary)
    newer = pc.fill_null(newer, False)
    if pc.all(pc.or_(newer, pc.is_null(times))).as_py():
        raise DataError(f"all rows have the same '{by}', {boundary}; split them with a hash instead", field=by)
    return table.filter(pc.invert(newer)), table.filter(newer)


def split_by_hash(
    rows: TableLike, by: str | Sequence[str] | None, test_fraction: float, seed: int = 0
) -> tuple[pa.Table, pa.Table]:
    """Return (train, test) in the order given: about `test_fraction` of the values of `by` are the test.

    Rows that are equal in `by` (one column or several) stay together, so a customer is never on both sides, and stay
    where they are when rows are added. With `by` None each row goes by its position. The same seed gives the same
    parts on any machine.
    """
    names = [by] if isinstance(by, str) else list(by or ())
    table = _split_input(rows, names, test_fraction)
    limit = int(test_fraction * 2**64)
    is_test = _hashed(table, names, seed, f"$hash < {limit}::UBIGINT")
    return table.filter(pc.invert(is_test)), table.filter(is_test)


def split_at_random(rows: TableLike, test_fraction: float, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """Return (train, test) in the order given: as many rows as the fraction says, of those at random places."""
    table = _split_input(rows, (), test_fraction)
    hashed = _hashed(table, (), seed, "($hash >> 1)::BIGINT")
    return _ranked_apart(table, np.zeros(table.num_rows, np.int64), hashed, test_fraction)


def split_stratified(
    rows: TableLike, by: str | Sequence[str], test_fraction: float, seed: int = 0
) -> tuple[pa.Table, pa.Table]:
    """Return (train, test) in the order given: of the rows with each value of `by` (one column or several) the test has
    that fraction, to within one row, and so it has of all. NULL is a value too.

    Which rows they are is told by what is in them: it does not depend on their order.
    """
    names = [by] if isinstance(by, str) else list(by)
    table = _split_input(rows, names, test_fraction)
    hashed = _hashed(table, table.column_names, seed, "($hash >> 1)::BIGINT")
    keys = table.select(names).append_column(_POSITION, pa.array(np.arange(table.num_rows)))
    ordered = ", ".join(map(quoted, names))
    text = f"SELECT dense_rank() OVER (ORDER BY {ordered}) - 1 AS stratum FROM keys ORDER BY {_POSITION}"
    strata = query(text, keys=keys)["stratum"].to_numpy()
    return _ranked_apart(table, strata, hashed, test_fraction)


def _ranked_apart(
    table: pa.Table, strata: Integers, hashed: pa.ChunkedArray, test_fraction: float
) -> tuple[pa.Table, pa.Table]:
    """Take of each stratum the rows with the least hashes; what is rounded away of one is made up for by the next."""
    order = np.lexsort((hashed.to_numpy(), strata))
    counts = np.bincount(strata) if len(strata) else np.zeros(0, np.int64)
    ends = np.floor(np.cumsum(counts) * test_fraction + 0.5).astype(np.int64)
    taken = np.diff(np.concatenate([[0], ends]))
    starts = np.cumsum(counts) - counts
    places = np.arange(len(strata)) - starts[strata[order]]
    is_test = np.zeros(len(strata), bool)
    is_test[order] = places < taken[strata[order]]
    return table.filter(pa.array(~is_test)), table.filter(pa.array(is_test))


def folds_by_hash(rows: TableLike, by: str | Sequence[str] | None, folds: int, seed: int = 0) -> Integers:
    """Return for each row the number of its fold, from 0; rows that are equal in `by` are in one, as `split_by_hash`
    has it."""
    names = [by] if isinstance(by, str) else list(by or ())
    table = _with_columns(rows, names)
    return np.asarray(_hashed(table, names, seed, f"($hash % {folds})::BIGINT").to_numpy(), dtype=np.int64)


def folds_by_time(rows: TableLike, by: str, folds: int) -> Integers:
    """Return for each row the number of its span of time, of `folds` spans that follow each other with about as many
    rows each, from 0; rows of one time are in one span. -1 stands for what comes before the first: as many rows again,
    and those without a time."""
    column = _with_columns(rows, [by]).column(by)
    found = np.full(len(column), -1, dtype=np.int64)
    known = np.flatnonzero(column.is_valid().to_numpy())
    if len(known):
        ranks = pc.rank(column.drop_null(), tiebreaker="min").to_numpy().astype(np.int64) - 1
        found[known] = ranks * (folds + 1) // len(known) - 1
    return found


def _hashed(table: pa.Table, names: Sequence[str], seed: int, expression: str) -> pa.ChunkedArray:
    """Return what an expression makes of `$hash`: 64 bits from the values of columns, of none from the position."""
    if names:
        keys, cells = table.select(names), [f"coalesce('v' || CAST({quoted(name)} AS VARCHAR), 'n')" for name in names]
    else:
        keys, cells = pa.table({"position": pa.array(range(table.num_rows))}), ["CAST(position AS VARCHAR)"]
    # The lengths keep ('ab', 'c') and ('a', 'bc') apart.
    parts = [f"length({cell}) || ':' || {cell}" for cell in cells]
    text = " || ".join([sql_literal(f"{seed}/", "string"), *parts])
    made = expression.replace("$hash", f"md5_number_lower({text})")
    return query(f"SELECT {made} AS made FROM keys", keys=keys)["made"]


def _split_input(rows: TableLike, names: Sequence[str], test_fraction: float) -> pa.Table:
    if not 0 < test_fraction < 1:
        raise DeclarationError(f"the test's fraction lies between 0 and 1; it is {test_fraction}")
    return _with_columns(rows, names)


def _with_columns(rows: TableLike, names: Sequence[str]) -> pa.Table:
    table = to_arrow(rows)
    for name in names:
        if name not in table.column_names:
            raise UnknownNameError("column", name, table.column_names)
    return table
