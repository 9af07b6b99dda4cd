"""The SQL form: DuckDB text of an expression, for many rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.expression import Expr
from penstock.core.schema import Schema
from penstock.operations.conversion import conversion
from penstock.operations.literals import quoted, sql_literal
from penstock.operations.signatures import Call, Types, completed, converted, operation_of, resolve


def sql(expr: Expr, schema: Schema) -> str:
    """Return DuckDB text that computes an expression over the columns of a table of that schema.

    The session's TimeZone must be UTC. Raises `ExpressionError` for a learned operation: freeze it first.
    """
    return _text(expr, Types(schema), {})


def call_sql(name: str, argument_sqls: Sequence[Any], argument_types: Sequence[str]) -> str:
    """Return DuckDB text of one operation over texts. A constant argument is given as a literal expression."""
    operation = operation_of(Expr(name, ()))
    literals = [argument if isinstance(argument, Expr) else None for argument in argument_sqls]
    call = resolve(operation, argument_types, literals)
    texts = [
        ""
        if parameter.constant
        else sql_literal(converted(argument.args[0], type, target), target)
        if isinstance(argument, Expr)
        else _brought(argument, type, target)
        for argument, type, target, parameter in zip(
            argument_sqls, argument_types, call.targets, call.parameters, strict=True
        )
    ]
    return _applied(call, texts)


def _text(expr: Expr, types: Types, known: dict[Expr, str]) -> str:
    if expr.op == "column":
        return quoted(types.schema[expr.args[0]].name)
    if expr.op == "literal":
        return sql_literal(*expr.args)
    if expr not in known:
        call = types.call(expr)
        arguments = zip(completed(expr), call.targets, call.parameters, strict=True)
        known[expr] = _applied(
            call,
            [
                "" if parameter.constant else _argument(item, target, types, known)
                for item, target, parameter in arguments
            ],
        )
    return known[expr]


def _argument(expr: Expr, target: str, types: Types, known: dict[Expr, str]) -> str:
    """Return an argument's text, brought to the type that the operation takes."""
    if expr.op == "literal":
        return sql_literal(converted(expr.args[0], expr.args[1], target), target)
    return _brought(_text(expr, types, known), types.of(expr), target)


def _brought(text: str, type: str, target: str) -> str:
    return text if type in (target, "null") else conversion(type, target).sql.format(text)


def _applied(call: Call, texts: Sequence[str]) -> str:
    """Apply an operation to texts; constants come by their plain value."""
    operation = call.plain
    arguments = [
        target if parameter.constant else text
        for text, target, parameter in zip(texts, call.targets, call.parameters, strict=True)
    ]
    if operation.nulls in ("propagate", "makes") and None in arguments:
        return sql_literal(None, call.result)
    return operation.sql(arguments, call.targets)
