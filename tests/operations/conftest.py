"""The fixture of the tests of operations: both forms of an expression, run over rows."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from penstock.core.expression import Expr
from penstock.core.schema import Schema, element_type, struct_fields
from penstock.errors import ExpressionError
from penstock.operations import compile_row, sql
from penstock.tables import with_natives

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
Rows = Sequence[Mapping[str, Any]]


def _arrow_type(type: str) -> pa.DataType:
    if type.startswith("array<"):
        return pa.list_(_arrow_type(element_type(type)))
    if type.startswith("struct<"):
        return pa.struct([(name, _arrow_type(member)) for name, member in struct_fields(type)])
    return _ARROW[type]


def _exact(value: Any) -> Any:
    """Return a value that is equal exactly where type and every bit are (any NaN is one)."""
    match value:
        case float():
            return ("float64", "nan" if value != value else struct.pack(">d", value))
        case list() | tuple():
            return ("array", tuple(map(_exact, value)))
        case dict():
            return ("struct", tuple((name, _exact(item)) for name, item in value.items()))
        case datetime.datetime():
            return ("datetime" if value.tzinfo is None else "timestamp", value.replace(tzinfo=None))
    return (type(value).__name__, value)


class Forms:
    """Runs the forms; a result is a list of exact values, or `raised`, one for each row."""

    raised = "raised"

    def __init__(self) -> None:
        self.connection = with_natives(duckdb.connect(), 2)
        self.connection.execute("SET TimeZone = 'UTC'; SET threads = 1")

    def exact(self, value: Any) -> Any:
        """Return what is equal only to values of the same type and bits."""
        return _exact(value)

    def register(self, schema: Schema, rows: Rows) -> None:
        """Make the rows the table `rows_of_test`; its column `_` numbers them."""
        arrow = pa.schema([(field.name, _arrow_type(field.type)) for field in schema] + [("_", pa.int64())])
        table = pa.Table.from_pylist([{**row, "_": place} for place, row in enumerate(rows)], schema=arrow)
        self.connection.register("rows_of_test", table)

    def sql(self, expr: Expr, schema: Schema, rows: Rows) -> list[Any]:
        """Run the SQL form over all rows at once; if that raises, over each row alone."""
        self.register(schema, rows)
        try:
            query = f"SELECT {sql(expr, schema)} AS value FROM rows_of_test ORDER BY _"
            result = self.connection.sql(query).to_arrow_table()
        except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException):
            if len(rows) == 1:
                return [self.raised]
            return [value for row in rows for value in self.sql(expr, schema, [row])]
        return [_exact(value) for value in result.column("value").to_pylist()]

    def row(self, expr: Expr, schema: Schema, rows: Rows) -> list[Any]:
        """Run the row form over each row."""
        compute = compile_row({"value": expr}, schema)

        def value(row: Mapping[str, Any]) -> Any:
            try:
                return _exact(compute(row)[0])
            except ExpressionError:
                return self.raised

        return [value(row) for row in rows]


@pytest.fixture(scope="session")
def forms() -> Forms:
    return Forms()
