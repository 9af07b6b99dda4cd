"""A table described as BigQuery's ML.DESCRIBE_DATA does: a row for each column, with its measures and top values."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from penstock.core.schema import Field, Schema
from penstock.operations import col, quoted, sql, sql_literal, sql_type
from penstock.tables import TableLike, arrow_schema, bound, clear_errors, normalize, schema_of, to_arrow
from penstock.transforms.flattening import FlatColumn, flat_columns

DESCRIPTION = Schema(
    (
        Field("name", "string"),
        Field("num_rows", "int64"),
        Field("num_nulls", "int64"),
        Field("num_zeros", "int64"),
        Field("min", "string"),
        Field("max", "string"),
        Field("mean", "float64"),
        Field("stddev", "float64"),
        Field("median", "float64"),
        Field("quantiles", "array<float64>"),
        Field("unique", "int64"),
        Field("avg_string_length", "float64"),
        Field("num_values", "int64"),
        Field("top_values", "array<struct<value string, count int64>>"),
        Field("min_array_length", "int64"),
        Field("max_array_length", "int64"),
        Field("avg_array_length", "float64"),
        Field("total_array_length", "int64"),
        Field("array_length_quantiles", "array<int64>"),
        Field("dimension", "int64"),
    )
)
"""The columns of a description, by BigQuery's names. What does not apply to a column is NULL."""


def describe_data(
    rows: TableLike, *, num_quantiles: int = 2, num_array_length_quantiles: int = 10, top_k: int = 1
) -> pa.Table:
    """Return a row for each column of the rows; fields of structs count as columns, arrays by their elements.

    Numbers have moments and quantiles (by nearest rank, from the least to the greatest), NaN and infinities left out;
    anything else is text, with its distinct values, its mean length and its `top_k` most frequent values.
    """
    table = to_arrow(rows)
    columns = flat_columns(schema_of(table.schema))
    if not columns:
        return arrow_schema(DESCRIPTION).empty_table()
    with bound({"rows": table}, threads=1) as cursor, clear_errors("cannot describe the rows"):
        described = [_described(cursor, column, num_quantiles, num_array_length_quantiles, top_k) for column in columns]
    return pa.concat_tables(described).cast(arrow_schema(DESCRIPTION))


def _described(cursor: duckdb.DuckDBPyConnection, column: FlatColumn, parts: int, lengths: int, top_k: int) -> pa.Table:
    measures = {
        "num_nulls": "count(*) FILTER (v IS NULL)",
        "num_values": "count(v)",
        **(_of_numbers(parts) if column.is_number else _of_texts(top_k)),
    }
    found = ", ".join(f"{aggregate} AS {quoted(name)}" for name, aggregate in measures.items())
    outside = {
        "name": sql_literal(column.name, "string"),
        "num_rows": "(SELECT count(*) FROM rows)",
        **(_of_arrays(column, lengths) if column.many else {}),
    }
    selected = ", ".join(_column(field, measures, outside, column) for field in DESCRIPTION)
    text = f"WITH flat AS ({column.values()}), found AS (SELECT {found} FROM flat) SELECT {selected} FROM found"
    return normalize(cursor.sql(text).to_arrow_table())


def _column(field: Field, measures: Mapping[str, str], outside: Mapping[str, str], column: FlatColumn) -> str:
    text = outside.get(field.name) or (quoted(field.name) if field.name in measures else "NULL")
    if field.name in ("min", "max") and column.is_number:
        text = sql(col(field.name).cast("string"), Schema.of(min="float64", max="float64"))
    return f"CAST({text} AS {sql_type(field.type)}) AS {quoted(field.name)}"


def _of_numbers(parts: int) -> dict[str, str]:
    finite = "FILTER (isfinite(v))"
    return {
        "num_zeros": "count(*) FILTER (v = 0)",
        "min": f"min(v) {finite}",
        "max": f"max(v) {finite}",
        "mean": f"avg(v) {finite}",
        "stddev": f"stddev_samp(v) {finite}",
        "median": f"quantile_disc(v, 0.5) {finite}",
        "quantiles": f"quantile_disc(v, {_ranks(parts)}) {finite}",
    }


def _of_texts(top_k: int) -> dict[str, str]:
    counted = (
        "SELECT v AS value, count(*) AS count FROM flat WHERE v IS NOT NULL GROUP BY v "
        f"ORDER BY count DESC, v LIMIT {top_k}"
    )
    pairs = "list(struct_pack(value := value, count := count) ORDER BY count DESC, value)"
    return {
        "min": "min(v)",
        "max": "max(v)",
        "unique": "count(DISTINCT v)",
        "avg_string_length": "avg(length(v))",
        "top_values": f"(SELECT {pairs} FROM ({counted}))",
    }


def _of_arrays(column: FlatColumn, parts: int) -> dict[str, str]:
    """Measures of the arrays' lengths; a NULL array has none, and counts as a NULL beside those of the elements."""
    length = f"len({column.text})"
    found = {
        "num_nulls": f"num_nulls + (SELECT count(*) FROM rows WHERE {column.text} IS NULL)",
        "min_array_length": f"(SELECT min({length}) FROM rows)",
        "max_array_length": f"(SELECT max({length}) FROM rows)",
        "avg_array_length": f"(SELECT avg({length}) FROM rows)",
        "total_array_length": f"(SELECT sum({length}) FROM rows)",
        "array_length_quantiles": f"(SELECT quantile_disc({length}, {_ranks(parts)}) FROM rows)",
    }
    if column.index:
        entry = f"struct_extract(unnest({column.text}), {sql_literal(column.index, 'string')})"
        found["dimension"] = f"(SELECT max(i) + 1 FROM (SELECT {entry} AS i FROM rows))"
    return found


def _ranks(parts: int) -> str:
    return f"[{', '.join(repr(part / parts) for part in range(parts + 1))}]"
