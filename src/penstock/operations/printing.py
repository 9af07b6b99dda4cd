"""How FORMAT prints a value of any type: %t as text, %T as a literal of BigQuery's dialect."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

from penstock.core.schema import element_type, struct_fields
from penstock.operations.conversion import conversion
from penstock.operations.literals import sql_literal
from penstock.operations.writings import text_of_datetime, text_of_time, text_of_timestamp

_SPECIAL = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_TEXT_SIGNS = re.compile("[\x00-\x1f\x7f\\\\\"']")
_BYTE_SIGNS = re.compile("[\x00-\x1f\x7f-\xff\\\\\"']")


def _escaped(x: str, signs: re.Pattern[str], kept: str) -> str:
    """Escape signs but for one: a quote of the other kind stands as it is."""

    def escape(match: re.Match[str]) -> str:
        sign = match.group()
        if sign == kept:
            return sign
        return _SPECIAL.get(sign) or (f"\\{sign}" if sign in "\"'" else f"\\x{ord(sign):02x}")

    return signs.sub(escape, x)


def _in_quotes(x: str, signs: re.Pattern[str]) -> str:
    quote, other = ("'", '"') if '"' in x and "'" not in x else ('"', "'")
    return f"{quote}{_escaped(x, signs, other)}{quote}"


def string_literal(x: str) -> str:
    """Write a string as a literal."""
    return _in_quotes(x, _TEXT_SIGNS)


def bytes_text(x: bytes) -> str:
    """Write bytes as text: those that are no letter, digit or sign of ASCII are escaped, as are quotes."""
    return _escaped(x.decode("latin-1"), _BYTE_SIGNS, "")


def bytes_literal(x: bytes) -> str:
    """Write bytes as a literal."""
    return "b" + _in_quotes(x.decode("latin-1"), _BYTE_SIGNS)


def printed(x: Any) -> str:
    """Return what %t prints."""
    match x:
        case None:
            return "NULL"
        case str():
            return x
        case bytes():
            return bytes_text(x)
        case list() | tuple():
            return f"[{', '.join(map(printed, x))}]"
        case dict():
            return f"({', '.join(map(printed, x.values()))})"
    return _plain(x)


def printed_literal(x: Any) -> str:
    """Return what %T prints."""
    match x:
        case str():
            return string_literal(x)
        case bytes():
            return bytes_literal(x)
        case float() if x - x != 0:  # not finite
            return f'CAST("{x!r}" AS FLOAT64)'
        case datetime.date() | datetime.time():
            return f'{_word(x)} "{_plain(x)}"'
        case list() | tuple():
            return f"[{', '.join(map(printed_literal, x))}]"
        case dict():
            return f"{'STRUCT' * (len(x) == 1)}({', '.join(map(printed_literal, x.values()))})"
    return printed(x)


def _plain(x: Any) -> str:
    match x:
        case bool():
            return "true" if x else "false"
        case float():
            return repr(x)
        case datetime.datetime():
            return text_of_datetime(x) if x.tzinfo is None else text_of_timestamp(x)
        case datetime.time():
            return text_of_time(x)
    return str(x)


def _word(x: datetime.date | datetime.time) -> str:
    match x:
        case datetime.datetime():
            return "DATETIME" if x.tzinfo is None else "TIMESTAMP"
        case datetime.date():
            return "DATE"
    return "TIME"


def printed_sql(x: str, type: str, *, literal: bool, depth: int = 0) -> str:
    """Return DuckDB text that gives what %t prints of a value of that type, %T if it is to be a literal."""
    return f"coalesce({_known_sql(x, type, literal, depth)}, 'NULL')"


def _known_sql(x: str, type: str, literal: bool, depth: int) -> str:
    if type == "null":
        return "CAST(NULL AS VARCHAR)"
    if type.startswith("array<"):
        item = f'"(item {depth})"'
        shown = printed_sql(item, element_type(type), literal=literal, depth=depth + 1)
        return f"('[' || array_to_string(list_transform({x}, lambda {item}: {shown}), ', ') || ']')"
    if type.startswith("struct<"):
        return _struct_sql(x, type, literal, depth)
    match type:
        case "string":
            return f"penstock_string_literal({x})" if literal else x
        case "bytes":
            return f"penstock_bytes_{'literal' if literal else 'text'}({x})"
        case "float64":
            plain = f"CAST({x} AS VARCHAR)"
            odd = f"""'CAST("' || {plain} || '" AS FLOAT64)'"""
            return f"CASE WHEN isfinite({x}) THEN {plain} ELSE {odd} END" if literal else plain
    plain = conversion(type, "string").sql.format(x)
    return f"""('{type.upper()} "' || {plain} || '"')""" if literal and type not in ("bool", "int64") else f"({plain})"


def _struct_sql(x: str, type: str, literal: bool, depth: int) -> str:
    """Print a struct; one field alone needs the word, or its parentheses would be those of an expression."""
    fields = struct_fields(type)
    shown = [
        printed_sql(f"struct_extract({x}, {sql_literal(name, 'string')})", member, literal=literal, depth=depth)
        for name, member in fields
    ]
    head = "STRUCT(" if literal and len(fields) == 1 else "("
    return f"CASE WHEN {x} IS NOT NULL THEN '{head}' || {''' || ', ' || '''.join(shown)} || ')' END"


PRINTERS: tuple[tuple[Callable[..., str], tuple[str, ...]], ...] = (
    (string_literal, ("string",)),
    (bytes_text, ("bytes",)),
    (bytes_literal, ("bytes",)),
)
"""The functions that DuckDB calls, and their parameters."""
