"""The databases that a model is exported to as a query, and how each writes names, values, expressions and lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

from penstock.core.expression import Expr
from penstock.core.schema import Schema
from penstock.operations import foreign_literal, foreign_name, foreign_sql, quoted, sql, sql_literal

Dialect: TypeAlias = Literal["duckdb", "bigquery", "postgres", "snowflake", "spark"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)


def expression(expr: Expr, schema: Schema, dialect: Dialect) -> str:
    """Return a frozen expression as text."""
    return sql(expr, schema) if dialect == "duckdb" else foreign_sql(expr, schema, dialect)


def name(column: str, dialect: Dialect) -> str:
    """Return a name as an identifier."""
    return quoted(column) if dialect == "duckdb" else foreign_name(column, dialect)


def literal(value: Any, type: str, dialect: Dialect) -> str:
    """Return a plain value as text of exactly that type."""
    return sql_literal(value, type) if dialect == "duckdb" else foreign_literal(value, type, dialect)


def number(value: float, dialect: Dialect) -> str:
    """Return a float64 as text."""
    return literal(float(value), "float64", dialect)


def element(values: Sequence[float], index: str, dialect: Dialect) -> str:
    """Return the text of the value at an index, which counts from 0 and is there."""
    items = ", ".join(number(value, dialect) for value in values)
    return {
        "duckdb": f"list_extract([{items}], {index} + 1)",
        "bigquery": f"[{items}][OFFSET({index})]",
        "postgres": f"(ARRAY[{items}])[{index} + 1]",
        "snowflake": f"CAST(GET(ARRAY_CONSTRUCT({items}), {index}) AS DOUBLE)",
        "spark": f"ELEMENT_AT(ARRAY({items}), CAST({index} + 1 AS INT))",
    }[dialect]
