"""Names and plain values as DuckDB text and as Python source."""

from __future__ import annotations

import math
import re
from typing import Any

from penstock.core.schema import element_type, struct_fields
from penstock.errors import ExpressionError

_DUCKDB_TYPES = {
    "bool": "BOOLEAN",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "string": "VARCHAR",
    "bytes": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "datetime": "TIMESTAMP",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "null": '"NULL"',
}


def quoted(name: str) -> str:
    """Return a name as an identifier that DuckDB takes as it stands."""
    return '"' + name.replace('"', '""') + '"'


def let(name: str, value: str, body: str) -> str:
    """Return DuckDB text of `body` with a text computed once and called `name` (quoted; it hides a column) in it."""
    return f"list_transform([{value}], lambda {name}: {body})[1]"


def sql_type(type: str) -> str:
    """Return DuckDB's name of one of our types."""
    if type.startswith("array<"):
        return sql_type(element_type(type)) + "[]"
    if type.startswith("struct<"):
        return f"STRUCT({', '.join(f'{quoted(name)} {sql_type(member)}' for name, member in struct_fields(type))})"
    return _DUCKDB_TYPES[type]


def sql_literal(value: Any, type: str) -> str:
    """Return a plain value as DuckDB text of exactly that type."""
    if value is None:
        return f"CAST(NULL AS {sql_type(type)})"
    match type:
        case "bool":
            return "TRUE" if value else "FALSE"
        case "int64":
            return f"CAST({value} AS BIGINT)"
        case "float64":
            return _sql_float(float(value))
        case "string":
            return _sql_string(value)
        case "bytes":
            return "CAST('" + "".join(f"\\x{byte:02X}" for byte in value) + "' AS BLOB)"
        case "date" | "time" | "datetime" | "timestamp":
            return f"CAST('{value.isoformat()}' AS {_DUCKDB_TYPES[type]})"
    if type.startswith("array<"):
        items = ", ".join(sql_literal(item, element_type(type)) for item in value)
        return f"[{items}]" if value else f"CAST([] AS {sql_type(type)})"
    raise ExpressionError(f"a value of type {type} cannot be written as a literal; build it with struct(...)")


def _sql_float(value: float) -> str:
    """Write a double with an exponent: without one DuckDB reads a DECIMAL, and converts it with an error."""
    if not math.isfinite(value):
        return f"CAST('{value}' AS DOUBLE)"
    digits = repr(value)
    digits = digits if "e" in digits else f"{digits}e0"
    return f"({digits})" if digits.startswith("-") else digits


def _sql_string(value: str) -> str:
    """Write a string; DuckDB's parser ends at a zero character, so that one is spelled."""
    parts = ["'" + part.replace("'", "''") + "'" for part in value.split("\0")]
    return parts[0] if len(parts) == 1 else f"({' || chr(0) || '.join(parts)})"


SMALL = re.compile(r"CAST\([1-9][0-9]{0,8} AS BIGINT\)")  # the text of a literal that needs no care


def capped(number: str) -> str:
    """Return a length or a position held to what DuckDB takes, which is beyond every text; NULL stays NULL."""
    return number if SMALL.fullmatch(number) else f"CASE WHEN {number} > {2**31} THEN {2**31} ELSE {number} END"


def fails(message: str) -> str:
    """Return DuckDB text that raises an error; it may stand where a value of any type stands."""
    return f"error({_sql_string(message)})"


def without_failures(text: str) -> str:
    """Return DuckDB text with NULL in place of each error that `fails` wrote into it."""
    return re.sub(r"error\('(?:[^']|'')*'\)", "NULL", text)


def python_source(value: Any) -> str | None:
    """Return a plain value as Python source, or None if it has no short one and must be kept as a global."""
    match value:
        case None | bool() | str() | bytes():
            return repr(value)
        case int():
            return repr(value) if value >= 0 else f"({value})"
        case float() if math.isfinite(value):
            return repr(value) if math.copysign(1.0, value) > 0 else f"({value})"
    return None
