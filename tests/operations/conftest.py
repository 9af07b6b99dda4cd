"""Fixtures of the tests of operations: the two forms of an expression, run over rows."""

from __future__ import annotations

from two_forms import connection, run_row, run_sql

__all__ = ["connection", "run_row", "run_sql"]
