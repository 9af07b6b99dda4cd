"""Runs the two forms of an expression over rows, for the tests of operations."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from penstock.core.expression import Expr
from penstock.core.schema import Schema, element_type, struct_fields
from penstock.errors import ExpressionError
from penstock.operations import compile_row, quoted, sql

_ARROW = {
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bytes": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "datetime": pa.timestamp("us"),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
RAISED = "raised"
"""What a form gives where it raises."""


def arrow_type(type: str) -> pa.DataType:
    if type.startswith("array<"):
        return pa.list_(arrow_type(element_type(type)))
    if type.startswith("struct<"):
        return pa.struct([(name, arrow_type(member)) for name, member in struct_fields(type)])
    return _ARROW[type]


def exact(value: Any) -> Any:
    """Return a value that is equal exactly where type and every bit are (any NaN is one)."""
    match value:
        case float():
            return ("float64", "nan" if value != value else struct.pack(">d", value))
        case list() | tuple():
            return ("array", tuple(map(exact, value)))
        case dict():
            return ("struct", tuple((name, exact(item)) for name, item in value.items()))
        case datetime.datetime():
            return ("datetime" if value.tzinfo is None else "timestamp", value.replace(tzinfo=None))
    return (type(value).__name__, value)


@pytest.fixture(scope="session")
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
    return connection


Rows = Sequence[Mapping[str, Any]]
Run = Callable[[Expr, Schema, Rows], list[Any]]


@pytest.fixture(scope="session")
def run_sql(connection: duckdb.DuckDBPyConnection) -> Run:
    """Run the SQL form over rows at once; the list holds exact values, or RAISED alone for all rows."""

    def run(expr: Expr, schema: Schema, rows: Rows) -> list[Any]:
        arrow = pa.schema([(field.name, arrow_type(field.type)) for field in schema] + [("_", pa.int64())])
        table = pa.Table.from_pylist([{**row, "_": place} for place, row in enumerate(rows)], schema=arrow)
        cursor = connection.cursor()
        cursor.register("rows_of_test", table)
        query = f"SELECT {sql(expr, schema)} AS value FROM rows_of_test ORDER BY {quoted('_')}"
        try:
            result = cursor.sql(query).to_arrow_table()
        except duckdb.BinderException:
            raise
        except duckdb.Error as error:
            if "Parser Error" in str(error) or "Not implemented" in str(error):
                raise
            return [RAISED] * len(rows)
        return [exact(value) for value in result.column("value").to_pylist()]

    return run


@pytest.fixture(scope="session")
def run_row() -> Run:
    """Run the row form over each row; the list holds exact values, or RAISED."""

    def run(expr: Expr, schema: Schema, rows: Rows) -> list[Any]:
        compute = compile_row({"value": expr}, schema)

        def value(row: Mapping[str, Any]) -> Any:
            try:
                return exact(compute(row)[0])
            except ExpressionError:
                return RAISED

        return [value(row) for row in rows]

    return run
