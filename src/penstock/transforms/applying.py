"""Expressions over many rows, as one SQL text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from penstock.core.artifact import Source
from penstock.core.expression import Expr, columns_of
from penstock.core.schema import Schema
from penstock.errors import DataError, ExpressionError
from penstock.operations import sql, type_of
from penstock.tables import (
    TableLike,
    arrow_type,
    bound,
    clear_errors,
    quoted,
    schema_of,
    source_schema,
    sql_type,
    to_arrow,
)


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

    `schema` says which types the rows have, where that is known. Raises `ExpressionError` naming the expression where
    a value lies outside an operation's domain.
    """
    rows = rows if isinstance(rows, Source) else to_arrow(rows)
    schema = schema or _schema(rows)
    with bound({"rows": rows}) as cursor:
        try:
            with clear_errors():
                made = cursor.sql(select_sql(exprs, schema, "rows", keep=keep)).to_arrow_table()
        except DataError as error:
            raise _blamed(exprs, rows, schema) or error from error
    return made.cast(_made_schema(exprs, schema, keep))


def apply_batches(
    exprs: Mapping[str, Expr], rows: TableLike, *, batch_rows: int = 1 << 16, keep: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Yield what `apply` gives in batches, in order; of a source no more than a few batches are in memory at once."""
    rows = rows if isinstance(rows, Source) else to_arrow(rows)
    schema = _schema(rows)
    target = _made_schema(exprs, schema, keep)
    with bound({"rows": rows}) as cursor, clear_errors("cannot compute the expressions"):
        for batch in cursor.sql(select_sql(exprs, schema, "rows", keep=keep)).to_arrow_reader(batch_rows):
            yield batch.cast(target)


def _schema(rows: pa.Table | Source) -> Schema:
    return source_schema(rows) if isinstance(rows, Source) else schema_of(rows.schema)


def _made_schema(exprs: Mapping[str, Expr], schema: Schema, keep: Sequence[str]) -> pa.Schema:
    kept = [(name, arrow_type(schema[name].type)) for name in keep]
    return pa.schema([*kept, *((name, arrow_type(type_of(expr, schema))) for name, expr in exprs.items())])


def _blamed(exprs: Mapping[str, Expr], rows: pa.Table | Source, schema: Schema) -> ExpressionError | None:
    """Find the first expression that fails on its own: DuckDB's message does not say which of them it was."""
    with bound({"rows": rows}) as cursor:
        for name, expr in exprs.items():
            try:
                with clear_errors():
                    cursor.sql(select_sql({name: expr}, schema, "rows")).to_arrow_table()
            except DataError as error:
                reads = ", ".join(columns_of(expr)) or "no column"
                return ExpressionError(f"'{name}', which reads {reads}, has no value in some row: {error}")
    return None
