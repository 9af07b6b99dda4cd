"""The SQL form and the row form of any expression give the same bits, or both raise; its text reads back equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from random_expressions import COLUMNS, ROWS, any_expression
from two_forms import RAISED, Rows, Run

from penstock.core.expression import Expr, walk
from penstock.operations import parse, text

_MANY = settings(
    max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@_MANY
@given(expr=any_expression(3), rows=ROWS)
def test_sql_and_row_form_agree_on_random_expressions(expr: Expr, rows: Rows, run_sql: Run, run_row: Run) -> None:
    by_row = run_row(expr, COLUMNS, rows)
    by_sql = run_sql(expr, COLUMNS, rows)
    if RAISED in by_sql:  # one row that raises is the whole query's error
        by_sql = [value for row in rows for value in run_sql(expr, COLUMNS, [row])]
    for row, from_row, from_sql in zip(rows, by_row, by_sql, strict=True):
        assert from_row == from_sql or (RAISED in (from_row, from_sql) and _operand_raises(expr, row, run_row))


def _operand_raises(expr: Expr, row: Mapping[str, Any], run_row: Run) -> bool:
    """Tell whether an operand raises: where the result does not need it (x AND FALSE), SQL may leave it out."""
    return any(run_row(part, COLUMNS, [row]) == [RAISED] for part in walk(expr) if part is not expr)


@_MANY
@given(expr=any_expression(3))
def test_text_reads_back_equal(expr: Expr) -> None:
    assert parse(text(expr)) == expr
