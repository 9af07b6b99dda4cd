"""JSON values: what a JSON text is, what it says as another type, and values written as JSON text."""

from __future__ import annotations

import base64
import datetime
import math
from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.operation import Example, Operation, Parameter, golden
from penstock.core.schema import element_type, struct_fields
from penstock.operations.conversion import conversion, half_away
from penstock.operations.jsontext import NOTHING, Number, Pairs, quoted_string, read
from penstock.operations.literals import sql_literal
from penstock.operations.readings import read_float64, read_int64
from penstock.operations.writings import text_of_datetime, text_of_float, text_of_time

_WIDE = 2**53


def _root(x: str) -> Any:
    """Return the value of a text, `NOTHING` if it is none or does not end."""
    root, unfinished = read(x)
    return NOTHING if unfinished else root


def json_type(x: str) -> str | None:
    """Return the kind of value that a JSON text is, None if it is none."""
    value = _root(x)
    kinds: dict[type, str] = {Pairs: "object", list: "array", str: "string", Number: "number", bool: "boolean"}
    return "null" if value is None else kinds.get(type(value))


def lax_bool(x: str) -> bool | None:
    """Return the boolean that a JSON value says: itself, the text of one, or whether a number is not 0."""
    value = _root(x)
    if type(value) is Number:
        return float(value) != 0
    return {"true": True, "false": False}.get(value.lower()) if type(value) is str else _only(value, bool)


def lax_int64(x: str) -> int | None:
    """Return the whole number that a JSON value says: a number or the text of one, rounded; a boolean as 1 or 0."""
    value = _root(x)
    if type(value) is bool:
        return int(value)
    if type(value) not in (Number, str):
        return None
    number = _whole(value)
    real = read_float64(value) if number is None else None
    return number if real is None else half_away(real)


def lax_float64(x: str) -> float | None:
    """Return the number that a JSON value says: itself, or the text of one; None if it is beyond float64."""
    value = _root(x)
    number = read_float64(value) if type(value) in (Number, str) else None
    return None if number is not None and math.isinf(number) and value[-1].isdigit() else number


def lax_number(x: str) -> str | None:
    """Return what `lax_float64` gives as text: DuckDB takes a NaN that a function of Python gives for NULL."""
    number = lax_float64(x)
    return None if number is None else repr(number)


def lax_string(x: str) -> str | None:
    """Return the text that a JSON value says: a string itself, a boolean, a number as CAST writes it."""
    value = _root(x)
    if type(value) is Number:
        number = _whole(value)
        return text_of_float(float(value)) if number is None else str(number)
    return ("true" if value else "false") if type(value) is bool else _only(value, str)


def _whole(text: str) -> int | None:
    """Read a whole number; Python refuses to read one of thousands of digits, which none of int64 has."""
    return read_int64(text) if len(text) < 1000 else None


def _only(value: Any, kind: type) -> Any:
    return value if type(value) is kind else None


def to_json(x: Any) -> str:
    """Return a value as JSON text."""
    match x:
        case None:
            return "null"
        case bool():
            return "true" if x else "false"
        case int():
            return str(x) if -_WIDE <= x <= _WIDE else f'"{x}"'
        case float():
            odd = "NaN" if x != x else f"{'-' * (x < 0)}Infinity"
            return (repr(x).removesuffix(".0")) if math.isfinite(x) else f'"{odd}"'
        case str():
            return quoted_string(x)
        case list() | tuple():
            return f"[{','.join(map(to_json, x))}]"
        case dict():
            return f"{{{','.join(f'{quoted_string(name)}:{to_json(value)}' for name, value in x.items())}}}"
    return f'"{_plain(x)}"'


def _plain(x: Any) -> str:
    match x:
        case bytes():
            return base64.b64encode(x).decode()
        case datetime.datetime():
            return text_of_datetime(x.replace(tzinfo=None)).replace(" ", "T") + "Z" * (x.tzinfo is not None)
        case datetime.time():
            return text_of_time(x)
    return str(x.isoformat())


def _json_sql(x: str, type: str, depth: int = 0) -> str:
    return f"coalesce({_known_sql(x, type, depth)}, 'null')"


def _known_sql(x: str, type: str, depth: int) -> str:
    if type == "null":
        return "CAST(NULL AS VARCHAR)"
    if type.startswith("array<"):
        item = f'"(item {depth})"'
        items = f"list_transform({x}, lambda {item}: {_json_sql(item, element_type(type), depth + 1)})"
        return f"('[' || array_to_string({items}, ',') || ']')"
    if type.startswith("struct<"):
        fields = [
            f"{sql_literal(f'{quoted_string(name)}:', 'string')} || "
            + _json_sql(f"struct_extract({x}, {sql_literal(name, 'string')})", member, depth)
            for name, member in struct_fields(type)
        ]
        return f"CASE WHEN {x} IS NOT NULL THEN '{{' || {''' || ',' || '''.join(fields)} || '}}' END"
    return _scalar_sql(x, type)


def _scalar_sql(x: str, type: str) -> str:
    written = f"CAST({x} AS VARCHAR)"
    match type:
        case "bool":
            return written
        case "int64":
            return f"CASE WHEN {x} BETWEEN {-_WIDE} AND {_WIDE} THEN {written} ELSE '\"' || {written} || '\"' END"
        case "float64":
            odd = f"CASE WHEN isnan({x}) THEN '\"NaN\"' WHEN {x} < 0 THEN '\"-Infinity\"' ELSE '\"Infinity\"' END"
            finite = f"regexp_replace({written}, '\\.0$', '')"
            return f"CASE WHEN isfinite({x}) THEN {finite} WHEN {x} IS NOT NULL THEN {odd} END"
        case "string":
            return f"penstock_quoted_string({x})"
        case "bytes":
            return f"('\"' || to_base64({x}) || '\"')"
    text = conversion(type, "string").sql.format(x)
    if type in ("datetime", "timestamp"):
        text = f"replace({text}, ' ', 'T')"
    return f"('\"' || {f'''replace({text}, '+00', 'Z')''' if type == 'timestamp' else text} || '\"')"


READERS: tuple[tuple[Callable[[str], Any], str], ...] = (
    (json_type, "string"), (lax_bool, "bool"), (lax_int64, "int64"), (lax_number, "string"), (lax_string, "string"),
)  # fmt: skip
"""The functions that DuckDB calls, and what they give."""


def _reader(function: Callable[[str], Any], result: str, meaning: str, examples: tuple[Example, ...]) -> Operation:
    name = function.__name__
    native = f"penstock_{name}({{0}})" if result != "float64" else "CAST(penstock_lax_number({0}) AS DOUBLE)"
    return Operation(
        name=name,
        meaning=f"{meaning} NULL for what is no JSON text.",
        parameters=(Parameter(name="x", types=("string",)),),
        result=result,
        sql=lambda a, t: native.format(a[0]),
        row=lambda a, t: f"{name}({a[0]})",
        nulls="makes",
        names={name: function},
        bigquery=name.upper(),
        examples=examples,
    )


def _to_json_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    return _json_sql(arguments[0], types[0])


_AT = datetime.datetime(2017, 3, 6, 12, 34, 56, 789012)

OPERATIONS = (
    Operation(
        name="to_json_string",
        meaning="The value as JSON text: NULL is null, numbers beyond 2^53, NaN and infinities are strings, bytes are "
        "base 64, times are as in ISO 8601; a struct is an object.",
        parameters=(Parameter(name="x", types=("any",)),),
        result="string",
        sql=_to_json_sql,
        row=lambda a, t: f"to_json({a[0]})",
        nulls="answers",
        names={"to_json": to_json},
        bigquery="TO_JSON_STRING",
        examples=(
            *golden((9007199254740992, "9007199254740992"), (9007199254740993, '"9007199254740993"'), (0, "0"),
                (-(2**63), '"-9223372036854775808"'), (None, "null"), types="int64"),
            *golden((True, "true"), (False, "false"), (None, "null"), types="bool"),
            *golden((1.0, "1"), (3.14, "3.14"), (-0.0, "-0"), (1e20, "1e+20"), (math.inf, '"Infinity"'),
                (-math.inf, '"-Infinity"'), (math.nan, '"NaN"'), (None, "null"), types="float64"),
            *golden(("abc", '"abc"'), ('"a\\', '"\\"a\\\\"'), ("\0\x1f\n é/", '"\\u0000\\u001f\\n é/"'), (None, "null"),
                types="string"),
            *golden((b"Google", '"R29vZ2xl"'), (b"", '""'), types="bytes"),
            *golden((datetime.date(2017, 3, 6), '"2017-03-06"'), types="date"),
            *golden((_AT, '"2017-03-06T12:34:56.789012"'), types="datetime"),
            *golden((_AT.replace(tzinfo=datetime.UTC), '"2017-03-06T12:34:56.789012Z"'), types="timestamp"),
            *golden((datetime.time(12, 0), '"12:00:00"'), types="time"),
            *golden(([1, None, -10], "[1,null,-10]"), ([], "[]"), (None, "null"), types="array<int64>"),
            *golden((["foo", "", None], '["foo","",null]'), types="array<string>"),
            *golden(({"id": 1, "coordinates": [10, 20]}, '{"id":1,"coordinates":[10,20]}'),
                ({"id": None, "coordinates": None}, '{"id":null,"coordinates":null}'), (None, "null"),
                types="struct<id int64, coordinates array<int64>>"),
        ),
    ),
    _reader(json_type, "string", "What a JSON text is: object, array, string, number, boolean or null.", golden(
        ('"apple"', "string"), ("10", "number"), ("3.14", "number"), ("null", "null"), ("{}", "object"),
        ("[1]", "array"), ("false", "boolean"), ("[10,3", None), ("", None), (None, None), types="string")),
    _reader(lax_bool, "bool", "The boolean that a JSON value says: itself, its text, or whether a number is not 0.",
        golden(("true", True), ('"true"', True), ('"FALSE"', False), ('"true "', None), ("10", True), ("0", False),
            ("0.0", False), ("-1.1", True), ("null", None), ("[]", None), ("x", None), (None, None), types="string")),
    _reader(lax_int64, "int64", "The whole number that a JSON value says: a number or its text, rounded, halves away "
        "from zero; true is 1.",
        golden(("10", 10), ("10.0", 10), ("1.1", 1), ("3.5", 4), ("1.1e2", 110), ("1e100", None), ("true", 1),
            ("false", 0), ('"10"', 10), ('"1.1e2"', 110), ('"+1.5"', 2), ('"1e100"', None), ('"foo"', None),
            ("9007199254740993", 9007199254740993), ("null", None), ("{}", None), ("9" * 5000, None), (None, None),
            types="string")),
    _reader(lax_float64, "float64", "The number that a JSON value says: itself, or its text.", golden(
        ("9.8", 9.8), ("9", 9.0), ("9007199254740993", 9007199254740992.0), ("1e100", 1e100), ("true", None),
        ('"10"', 10.0), ('"1.1e2"', 110.0), ('"+1.5"', 1.5), ('"NaN"', math.nan), ('"Inf"', math.inf),
        ('"-InfiNiTY"', -math.inf), ('"foo"', None), ("1e400", None), ("null", None), (None, None), types="string")),
    _reader(lax_string, "string", "The text that a JSON value says: a string itself, a boolean, a number as CAST "
        "writes it.", golden(('"purple"', "purple"), ('"10"', "10"), ("true", "true"), ("false", "false"),
        ("10.0", "10"), ("10", "10"), ("1e100", "1e+100"), ("null", None), ("[]", None), (None, None), types="string")),
)  # fmt: skip
