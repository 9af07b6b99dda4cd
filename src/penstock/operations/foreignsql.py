"""The SQL of other databases: an expression as text of BigQuery, PostgreSQL, Snowflake or Spark."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from penstock.core.expression import Expr
from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.operations.foreign import FORMS, TYPES, Call, Database
from penstock.operations.literals import quoted
from penstock.operations.signatures import Types, completed, converted
from penstock.operations.text import name_text, text


def foreign_sql(expr: Expr, schema: Schema, database: Database) -> str:
    """Return text of a database that computes a frozen expression over the columns of a table of that schema.

    Timestamps are instants; the zone of a Spark session must be UTC. Raises `ExpressionError` naming the operation
    that has no form there.
    """
    return _text(expr, Types(schema), database)


def foreign_name(name: str, database: Database) -> str:
    """Return a column's name as an identifier that the database takes as it stands."""
    if database in ("bigquery", "spark"):
        written = name_text(name)
        return written if written.startswith("`") else f"`{written}`"
    return quoted(name)


def foreign_literal(value: Any, type: str, database: Database) -> str:
    """Return a plain value as text of exactly that type."""
    name = TYPES[database].get(type)
    if name is None:
        raise ExpressionError(f"a value of type {type} cannot be written in SQL of {database}")
    if value is None:
        return f"CAST(NULL AS {name})"
    match type:
        case "bool":
            return "TRUE" if value else "FALSE"
        case "int64":
            return f"({value})" if value < 0 else str(value)
        case "float64":
            return f"CAST({value!r} AS {name})" if math.isfinite(value) else f"CAST('{value}' AS {name})"
        case "string":
            return _string(value, database)
    iso = value.isoformat() if type in ("date", "time") else value.isoformat(" ")
    return f"CAST('{iso}' AS {name})"


def _string(value: str, database: Database) -> str:
    """Write a string; the backslash is an ordinary character in PostgreSQL only."""
    if "\0" in value:
        raise ExpressionError("a string with a zero character cannot be written in SQL of other databases")
    if database == "postgres":
        return "'" + value.replace("'", "''") + "'"
    return "'" + value.translate(_ESCAPES) + "'"


_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"})


def _text(expr: Expr, types: Types, database: Database) -> str:
    if expr.op == "column":
        return foreign_name(types.schema[expr.args[0]].name, database)
    if expr.op == "literal":
        value, type = expr.args
        return foreign_literal(value, type, database)
    made = _applied(expr, types, database)
    if made is None:
        raise ExpressionError(f"{expr.op} has no form in SQL of {database}: {text(expr)}")
    return made


def _applied(expr: Expr, types: Types, database: Database) -> str | None:
    form = FORMS.get(expr.op)
    write = form.get(database) if isinstance(form, Mapping) else form
    if write is None:
        return None
    found = types.call(expr)
    arguments = list(zip(completed(expr), found.targets, found.parameters, strict=True))
    call = Call(
        database=database,
        texts=[
            "" if parameter.constant else _brought(item, target, types, database)
            for item, target, parameter in arguments
        ],
        types=found.targets,
        values=[
            target if parameter.constant else item.args[0] if item.op == "literal" else None
            for item, target, parameter in arguments
        ],
        literal=partial(foreign_literal, database=database),
    )
    return write.format(*call.texts) if isinstance(write, str) else write(call)


def _brought(expr: Expr, target: str, types: Types, database: Database) -> str:
    """Return an argument, brought to the type that the operation takes."""
    if expr.op == "literal":
        return foreign_literal(converted(expr.args[0], expr.args[1], target), target, database)
    written, type = _text(expr, types, database), types.of(expr)
    if type in (target, "null"):
        return written
    if (type, target) in (("int64", "float64"), ("date", "datetime")):
        return f"CAST({written} AS {TYPES[database][target]})"
    raise ExpressionError(f"{type} cannot be brought to {target} in SQL of {database}: {text(expr)}")
