"""Expressions over many rows, as one SQL text."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import numpy as np
import pyarrow as pa

from penstock.core.artifact import Source
from penstock.core.expression import Expr, columns_of
from penstock.core.schema import Schema
from penstock.errors import DataError, ExpressionError
from penstock.operations import quoted, sql, sql_type, type_of
from penstock.tables import (
    TableLike,
    arrow_type,
    bound,
    clear_errors,
    numbered_scan,
    read,
    schema_of,
    source_schema,
    to_arrow,
)
from penstock.transforms.streaming import POSITION, in_turn, numbered, positioned, runs


def select_sql(exprs: Mapping[str, Expr], schema: Schema, source: str, *, keep: Sequence[str] = ()) -> str:
    """Return the SELECT that computes frozen expressions over `source` (FROM text with the columns of `schema`).

    One row comes out for each that goes in; the columns named in `keep` pass through in front.
    """
    kept = [quoted(schema[name].name) for name in keep]
    made = [
        f"CAST({sql(expr, schema)} AS {sql_type(type_of(expr, schema))}) AS {quoted(name)}"
        for name, expr in exprs.items()
    ]
    return f"SELECT {', '.join(kept + made)} FROM {source}"


def apply(
    exprs: Mapping[str, Expr], rows: TableLike, schema: Schema | None = None, *, keep: Sequence[str] = ()
) -> pa.Table:
    """Return the values of frozen expressions, a row for each row, in the same order.

    `schema` saves finding the types of the rows, where they are known. Raises `ExpressionError` naming the expression
    where a value lies outside an operation's domain.
    """
    table = read(rows, _needed(exprs, keep)) if isinstance(rows, Source) else to_arrow(rows)
    schema = schema or schema_of(table.schema)
    if not keep and (columns := _as_they_are(exprs, table, schema)):
        return pa.table(columns)
    numbered = table.append_column(POSITION, pa.array(np.arange(table.num_rows)))
    with bound({"rows": numbered}) as cursor:
        try:
            with clear_errors():
                text = select_sql(exprs, positioned(schema), "rows", keep=(POSITION, *keep))
                made = _in_order(cursor.sql(text).to_arrow_table())
        except DataError as error:
            raise blamed(exprs, table, schema) or error from error
    return made.cast(_made_schema(exprs, schema, keep))


def _as_they_are(exprs: Mapping[str, Expr], table: pa.Table, schema: Schema) -> dict[str, pa.ChunkedArray]:
    """Return the values where each expression is a column of the type that comes out: images need not be copied for
    that. Nothing where one is more than a column."""
    found = {}
    for name, expr in exprs.items():
        if expr.op != "column" or table.column_names.count(expr.args[0]) != 1:
            return {}
        column = table.column(expr.args[0])
        if column.type != arrow_type(type_of(expr, schema)):
            return {}
        found[name] = column
    return found


def apply_batches(
    exprs: Mapping[str, Expr], rows: TableLike, *, batch_rows: int = 1 << 18, keep: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Yield what `apply` gives in batches of at most that many rows, in order; of a source no more than a few are in
    memory at once.

    One statement computes all of them, planned once, over rows that stream through it with their positions.
    """
    waiting: deque[pa.RecordBatch] = deque()
    with _numbered(exprs, rows, keep, batch_rows, waiting) as (cursor, source, schema):
        made_schema = _made_schema(exprs, schema, keep)
        text = select_sql(exprs, positioned(schema), source, keep=(POSITION, *keep))
        try:
            with clear_errors():
                for made in in_turn(cursor.sql(text).to_arrow_reader(batch_rows), waiting):
                    yield from made.cast(made_schema).to_batches()
        except DataError as error:
            suspects = pa.Table.from_batches(waiting) if waiting else rows
            raise blamed(exprs, suspects, schema) or error from error


@contextmanager
def _numbered(
    exprs: Mapping[str, Expr],
    rows: TableLike,
    keep: Sequence[str],
    batch_rows: int,
    waiting: deque[pa.RecordBatch],
) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, Schema]]:
    """Give the FROM text of rows with their positions, the cursor that knows it, and the rows' columns.

    DuckDB numbers the rows of files that say how many they have, and reads these side by side; others go through
    Python, one batch after the other, into `waiting`.
    """
    scan = numbered_scan(rows, POSITION) if isinstance(rows, Source) else None
    if isinstance(rows, Source) and scan is not None:
        with bound({}) as cursor:
            yield cursor, scan, source_schema(rows)
        return
    columns = ", ".join(map(quoted, _needed(exprs, keep) or ())) or "*"
    with bound({"rows": rows}) as reading, clear_errors("cannot compute the expressions"):
        given = reading.sql(f"SELECT {columns} FROM rows").to_arrow_reader(batch_rows)
        with bound({"rows": numbered(given, waiting)}) as cursor:
            yield cursor, "rows", schema_of(given.schema)


def _needed(exprs: Mapping[str, Expr], keep: Sequence[str]) -> list[str] | None:
    """Return the columns that are read; None, for all, where there is none: rows without columns have no number."""
    return list(dict.fromkeys([*keep, *columns_of(*exprs.values())])) or None


def _in_order(made: pa.Table) -> pa.Table:
    """Put rows back where they came from, by their positions in the first column, and leave that out.

    DuckDB keeps the order of a scan, but not of a join, and a long vocabulary is one (it misplaces rows from the second
    group of 122,880 on).
    """
    positions, made = made.column(0).to_numpy(), made.remove_column(0)
    found = runs(positions)
    if len(found) < 2:
        return made
    return pa.concat_tables([made.slice(*run) for run in sorted(found, key=lambda run: positions[run[0]])])


def _made_schema(exprs: Mapping[str, Expr], schema: Schema, keep: Sequence[str]) -> pa.Schema:
    kept = [(name, arrow_type(schema[name].type)) for name in keep]
    return pa.schema([*kept, *((name, arrow_type(type_of(expr, schema))) for name, expr in exprs.items())])


def blamed(exprs: Mapping[str, Expr], rows: TableLike, schema: Schema) -> ExpressionError | None:
    """Find the first expression that fails on its own: DuckDB's message does not say which of them it was."""
    with bound({"rows": rows}) as cursor:
        for name, expr in exprs.items():
            try:
                with clear_errors():
                    cursor.sql(select_sql({name: expr}, schema, "rows")).to_arrow_table()
            except DataError as error:
                columns = [column for column in columns_of(expr) if not column.startswith(":")]  # else one that we made
                reads = f", which reads {', '.join(columns)}," if columns else ""
                return ExpressionError(f"'{name}'{reads} has no value in some row: {error}")
    return None
