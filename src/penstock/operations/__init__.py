"""The closed table of operations, their forms (DuckDB SQL, Python for one row, BigQuery text), fluent expressions."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penstock.core.expression import Expr, walk
from penstock.operations.fluent import Expression, col, feature, lit, request, struct
from penstock.operations.literals import quoted, sql_literal, sql_type
from penstock.operations.natives import NATIVES, Native
from penstock.operations.python import python, value_text as python_value
from penstock.operations.rowform import RowSource, compile_row, row_source
from penstock.operations.signatures import type_of
from penstock.operations.sqlform import call_sql, sql
from penstock.operations.table import LEARNED, OPERATIONS
from penstock.operations.text import literal_text, name_text, text
from penstock.operations.thresholds import threshold

if TYPE_CHECKING:
    from penstock.operations.foreignsql import foreign_literal, foreign_name, foreign_sql
    from penstock.operations.parsing import NamedFunctions, from_ast, parse

__all__ = [
    "LEARNED",
    "NATIVES",
    "OPERATIONS",
    "Expression",
    "NamedFunctions",
    "Native",
    "RowSource",
    "call_sql",
    "col",
    "compile_row",
    "feature",
    "foreign_literal",
    "foreign_name",
    "foreign_sql",
    "from_ast",
    "is_learned",
    "lit",
    "literal_text",
    "name_text",
    "parse",
    "python",
    "python_value",
    "quoted",
    "request",
    "row_source",
    "sql",
    "sql_literal",
    "sql_type",
    "struct",
    "text",
    "threshold",
    "type_of",
]


def is_learned(expr: Expr) -> bool:
    """Tell whether an expression has constants that are still to be found in training rows."""
    return any(node.op in LEARNED for node in walk(expr))


_LATER = {
    **dict.fromkeys(("NamedFunctions", "from_ast", "parse"), "penstock.operations.parsing"),
    **dict.fromkeys(("foreign_literal", "foreign_name", "foreign_sql"), "penstock.operations.foreignsql"),
}
"""What is loaded when it is first used, and from where: the parser (sqlglot with it), and what only an export needs."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'penstock.operations' has no attribute '{name}'")
