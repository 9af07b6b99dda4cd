"""What operations are called in the SQL of other databases: the forms that an exported query is written with.

Each form has our meaning, not the database's own: a CASE stands where its function treats NULL, rounding or the first
day of the week in another way. An operation without a form for a database cannot be exported there. Those of PostgreSQL
are held to the golden examples on a real server; those of BigQuery, Snowflake and Spark by their parsers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

Database: TypeAlias = Literal["bigquery", "postgres", "snowflake", "spark"]
DATABASES: tuple[Database, ...] = get_args(Database)

Write: TypeAlias = Callable[["Call"], str | None]
Form: TypeAlias = str | Write | Mapping[str, "str | Write"]
"""A template over the arguments' texts ({0}, {1}), a function of the call, or one of these for each database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as a form sees it: the arguments' texts and types, the plain values of those that are constants or
    literals (None for others), and what writes a literal of a type."""

    database: Database
    texts: Sequence[str]
    types: Sequence[Any]
    values: Sequence[Any]
    literal: Callable[[Any, str], str]


TYPES: dict[Database, dict[str, str]] = {
    "bigquery": {"bool": "BOOL", "int64": "INT64", "float64": "FLOAT64", "string": "STRING", "date": "DATE",
                 "datetime": "DATETIME", "timestamp": "TIMESTAMP", "time": "TIME"},
    "postgres": {"bool": "BOOLEAN", "int64": "BIGINT", "float64": "DOUBLE PRECISION", "string": "TEXT", "date": "DATE",
                 "datetime": "TIMESTAMP", "timestamp": "TIMESTAMPTZ", "time": "TIME"},
    "snowflake": {"bool": "BOOLEAN", "int64": "BIGINT", "float64": "DOUBLE", "string": "VARCHAR", "date": "DATE",
                  "datetime": "TIMESTAMP_NTZ", "timestamp": "TIMESTAMP_TZ", "time": "TIME"},
    "spark": {"bool": "BOOLEAN", "int64": "BIGINT", "float64": "DOUBLE", "string": "STRING", "date": "DATE",
              "datetime": "TIMESTAMP_NTZ", "timestamp": "TIMESTAMP"},
}  # fmt: skip
"""Database -> our type -> its own."""


def _each(**forms: str | Write) -> Mapping[str, str | Write]:
    return forms


def _no_null(function: str) -> Write:
    """Write GREATEST and LEAST, which leave NULL out in some databases."""

    def write(call: Call) -> str:
        if len(call.texts) == 1:
            return call.texts[0]
        tests = " OR ".join(f"{text} IS NULL" for text in call.texts)
        return f"CASE WHEN {tests} THEN NULL ELSE {function}({', '.join(call.texts)}) END"

    return write


def _in(call: Call) -> str | None:
    items = call.values[1]
    if not items or None in items:
        return None
    return f"({call.texts[0]} IN ({', '.join(call.literal(item, call.types[0]) for item in items)}))"


def _cast(call: Call) -> str | None:
    source, target = call.types[0], call.values[1]
    name, x = TYPES[call.database].get(target, ""), call.texts[0]
    match source, target:
        case _ if source == target:
            return x
        case ("int64", "float64" | "string") | ("date", "datetime") | (("date" | "bool"), "string"):
            return f"CAST({x} AS {name})"
        case "bool", "int64":
            return f"CASE WHEN {x} THEN 1 WHEN NOT {x} THEN 0 END"
        case "float64", "int64":
            away = f"CASE WHEN ABS({x} - TRUNC({x})) >= 0.5 THEN SIGN({x}) ELSE 0 END"
            return None if call.database == "spark" else f"CAST(TRUNC({x}) + {away} AS {name})"
        case "int64", "bool":
            return f"({x} <> 0)"
        case "timestamp", "date":
            return f"CAST({_local(call)} AS DATE)"
        case "datetime", "date":
            return f"CAST({x} AS DATE)"
    return None


def _local(call: Call, zone: int | None = None) -> str:
    """Return the wall-clock time of an instant in a zone (UTC unless the call has one); others as they are."""
    x = call.texts[0]
    if call.types[0] != "timestamp":
        return x
    name = (call.values[zone] if zone is not None and len(call.values) > zone else None) or "UTC"
    written = call.literal(name, "string")
    return {
        "bigquery": f"DATETIME({x}, {written})",
        "postgres": f"({x} AT TIME ZONE {written})",
        "snowflake": f"CAST(CONVERT_TIMEZONE({written}, {x}) AS TIMESTAMP_NTZ)",
        "spark": f"FROM_UTC_TIMESTAMP({x}, {written})" if name != "UTC" else x,  # the session's zone is UTC
    }[call.database]


def _part(postgres: str, snowflake: str = "", spark: str = "", bigquery: str = "") -> Mapping[str, str | Write]:
    """Return the forms of a part of a date or a time; `{}` is where the wall-clock time goes."""

    def write(template: str) -> Write:
        return lambda call: template.format(_local(call, 1))

    return _each(
        postgres=write(f"CAST(FLOOR(EXTRACT({postgres} FROM {{}})) AS BIGINT)" if "{" not in postgres else postgres),
        snowflake=write(snowflake or f"EXTRACT({postgres} FROM {{}})"),
        spark=write(spark or f"CAST(FLOOR(EXTRACT({postgres} FROM {{}})) AS BIGINT)"),
        bigquery=write(bigquery or f"EXTRACT({postgres} FROM {{}})"),
    )


def _is_count(value: Any) -> bool:
    """Tell whether a plain value is a number of characters that every database takes: it fits into 32 bits."""
    return isinstance(value, int) and 0 <= value < 2**31


def _substr(call: Call) -> str | None:
    """Write SUBSTR from a place that is a constant and at least 1: others count from elsewhere in every database."""
    if not _is_count(call.values[1]) or call.values[1] == 0 or not all(map(_is_count, call.values[2:])):
        return None
    return f"SUBSTR({', '.join(call.texts)})"


def _counted(function: str) -> Write:
    """Write LEFT or RIGHT of a constant number that is not negative."""
    return lambda call: f"{function}({call.texts[0]}, {call.texts[1]})" if _is_count(call.values[1]) else None


def _like(call: Call) -> str:
    escape = r" ESCAPE '\\'" if call.database == "snowflake" else ""
    return f"({call.texts[0]} LIKE {call.literal(call.values[1], 'string')}{escape})"


def _trimmed(postgres: str, side: str) -> Write:
    """Write TRIM of given characters; without any, every database has its own idea of white space."""

    def write(call: Call) -> str | None:
        characters = call.values[1] if len(call.values) > 1 else None
        if not characters:
            return None
        given = call.literal(characters, "string")
        if call.database == "spark":
            return f"TRIM({side} {given} FROM {call.texts[0]})"
        return f"{postgres if call.database == 'postgres' else f'{side[0]}TRIM'.lstrip('B')}({call.texts[0]}, {given})"

    return write


def _round(call: Call) -> str | None:
    """Write ROUND to a whole number, halves away from zero."""
    if len(call.values) > 1 and call.values[1] not in (None, 0):
        return None
    x = call.texts[0]
    return f"(TRUNC({x}) + CASE WHEN ABS({x} - TRUNC({x})) >= 0.5 THEN SIGN({x}) ELSE 0 END)"


def _trunc(call: Call) -> str | None:
    return None if len(call.values) > 1 and call.values[1] not in (None, 0) else f"TRUNC({call.texts[0]})"


def _date_add(call: Call) -> str | None:
    part, number = str(call.values[2]).lower(), call.texts[1]
    if part not in ("day", "week", "month", "quarter", "year") or abs(call.values[1] or 0) >= 2**20:
        return None
    unit, times = {"quarter": ("month", 3), "week": ("day", 7)}.get(part, (part, 1))
    amount = number if times == 1 else f"({number} * {times})"
    return {
        "bigquery": f"DATE_ADD({call.texts[0]}, INTERVAL {amount} {unit.upper()})",
        "postgres": f"CAST({call.texts[0]} + {amount} * INTERVAL '1 {unit}' AS DATE)",
        "snowflake": f"DATEADD({unit.upper()}, {amount}, {call.texts[0]})",
        "spark": (
            f"DATE_ADD({call.texts[0]}, CAST({amount} AS INT))"
            if unit == "day"
            else f"ADD_MONTHS({call.texts[0]}, CAST({amount} * {12 if unit == 'year' else 1} AS INT))"
        ),
    }[call.database]


def _date_diff(call: Call) -> str | None:
    part, (x, y, *_) = str(call.values[2]).lower(), call.texts
    if part == "day":
        return {
            "bigquery": f"DATE_DIFF({x}, {y}, DAY)",
            "postgres": f"CAST({x} - {y} AS BIGINT)",
            "snowflake": f"DATEDIFF(DAY, {y}, {x})",
            "spark": f"CAST(DATEDIFF({x}, {y}) AS BIGINT)",
        }[call.database]
    if part in ("month", "year"):
        years = f"EXTRACT(YEAR FROM {x}) - EXTRACT(YEAR FROM {y})"
        months = f"EXTRACT(MONTH FROM {x}) - EXTRACT(MONTH FROM {y})"
        return f"CAST({years if part == 'year' else f'({years}) * 12 + {months}'} AS {TYPES[call.database]['int64']})"
    return None


def _date_trunc(call: Call) -> str | None:
    part = str(call.values[1]).lower()
    if part not in ("day", "isoweek", "month", "quarter", "year"):
        return None
    if call.database == "bigquery":
        return f"DATE_TRUNC({call.texts[0]}, {part.upper()})"
    if part == "isoweek" and call.database == "snowflake":
        return f"DATEADD(DAY, 1 - DAYOFWEEKISO({call.texts[0]}), {call.texts[0]})"
    unit = "week" if part == "isoweek" else part
    return f"CAST(DATE_TRUNC('{unit}', {call.texts[0]}) AS DATE)"


def _vocabulary(call: Call) -> str:
    """Write the place of x in a vocabulary, from 1; 0 for NULL and what is not in it."""
    values = call.values[1]
    if not values:
        return "0"
    items = ", ".join(call.literal(value, call.types[0]) for value in values)
    x = call.texts[0]
    return {
        "bigquery": f"IFNULL((SELECT o + 1 FROM UNNEST([{items}]) AS v WITH OFFSET AS o WHERE v = {x}), 0)",
        "postgres": f"COALESCE(ARRAY_POSITION(ARRAY[{items}], {x}), 0)",
        "snowflake": f"COALESCE(ARRAY_POSITION(TO_VARIANT({x}), ARRAY_CONSTRUCT({items})) + 1, 0)",
        "spark": f"COALESCE(ARRAY_POSITION(ARRAY({items}), {x}), 0)",
    }[call.database]


def _standardize(call: Call) -> str:
    _, mean, deviation = call.values
    return f"(({call.texts[0]} - {call.literal(mean, 'float64')}) / {call.literal(deviation or 1.0, 'float64')})"


def _min_max(call: Call) -> str:
    _, low, high = call.values
    scaled = f"({call.texts[0]} - {call.literal(low, 'float64')}) / {call.literal((high - low) or 1.0, 'float64')}"
    zero, one = call.literal(0.0, "float64"), call.literal(1.0, "float64")
    return f"CASE WHEN {call.texts[0]} IS NOT NULL THEN LEAST({one}, GREATEST({zero}, {scaled})) END"


def _bucketize(call: Call) -> str | None:
    x, points = call.texts[0], call.values[1]
    if len(call.values) > 3 and call.values[3] != "bucket_names":
        return None
    inner = points[1:-1] if len(call.values) > 2 and call.values[2] else points
    cases = [f"WHEN {x} < {call.literal(point, 'float64')} THEN 'bin_{bin}'" for bin, point in enumerate(inner, 1)]
    return f"CASE WHEN {x} IS NULL THEN NULL {' '.join(cases)} ELSE 'bin_{len(inner) + 1}' END"


def _ends_with(call: Call) -> str:
    x, y = call.texts
    return {
        "bigquery": f"ENDS_WITH({x}, {y})",
        "postgres": f"(RIGHT({x}, LENGTH({y})) = {y})",
        "snowflake": f"ENDSWITH({x}, {y})",
        "spark": f"ENDSWITH({x}, {y})",
    }[call.database]


def _own(function: str) -> Mapping[str, str | Write]:
    """Return the form of a function that BigQuery alone has in our meaning; its constants are strings."""

    def write(call: Call) -> str | None:
        if None in [value for value, text in zip(call.values, call.texts, strict=True) if not text]:
            return None
        given = zip(call.values, call.texts, strict=True)
        return f"{function}({', '.join(text or call.literal(value, 'string') for value, text in given)})"

    return _each(bigquery=write)


def _infix(operator: str) -> str:
    return f"({{0}} {operator} {{1}})"


FORMS: dict[str, Form] = {
    "add": _infix("+"),
    "subtract": _infix("-"),
    "multiply": _infix("*"),
    "divide": _infix("/"),
    "safe_divide": "({0} / NULLIF({1}, 0))",
    "mod": "MOD({0}, {1})",
    "div": _each(
        bigquery="DIV({0}, {1})", postgres="({0} / {1})", snowflake="(({0} - MOD({0}, {1})) / {1})",
        spark="({0} DIV {1})",
    ),
    "negate": "(-{0})",
    "abs": "ABS({0})",
    "eq": _infix("="),
    "ne": _infix("<>"),
    "lt": _infix("<"),
    "le": _infix("<="),
    "gt": _infix(">"),
    "ge": _infix(">="),
    "in": _in,
    "is_null": "({0} IS NULL)",
    "is_not_null": "({0} IS NOT NULL)",
    "and": _infix("AND"),
    "or": _infix("OR"),
    "not": "(NOT {0})",
    "is_true": "COALESCE({0}, FALSE)",
    "is_false": "COALESCE(NOT {0}, FALSE)",
    "if_else": "CASE WHEN {0} THEN {1} ELSE {2} END",
    "coalesce": lambda call: f"COALESCE({', '.join(call.texts)})",
    "nullif": "NULLIF({0}, {1})",
    "greatest": _no_null("GREATEST"),
    "least": _no_null("LEAST"),
    "cast": _cast,
    "ln": "LN({0})",
    "log10": _each(bigquery="LOG10({0})", postgres="LOG({0})", snowflake="LOG(10, {0})", spark="LOG10({0})"),
    "log1p": _each(bigquery="LN(1 + {0})", postgres="LN(1 + {0})", snowflake="LN(1 + {0})", spark="LN(1 + {0})"),
    "exp": _each(  # PostgreSQL raises where the result is too small to be told from 0
        bigquery="EXP({0})", postgres="CASE WHEN {0} < -745 THEN 0 ELSE EXP({0}) END", snowflake="EXP({0})",
        spark="EXP({0})",
    ),
    "sqrt": "SQRT({0})",
    "cbrt": "CBRT({0})",
    "sin": "SIN({0})",
    "cos": "COS({0})",
    "tan": "TAN({0})",
    "asin": "ASIN({0})",
    "acos": "ACOS({0})",
    "atan": "ATAN({0})",
    "tanh": "TANH({0})",
    "pow": "POWER({0}, {1})",
    "atan2": "ATAN2({0}, {1})",
    "floor": "FLOOR({0})",
    "ceil": "CEIL({0})",
    "trunc": _each(bigquery=_trunc, postgres=_trunc, snowflake=_trunc),
    "round": _each(bigquery=_round, postgres=_round, snowflake=_round),
    "length": "CHAR_LENGTH({0})",
    "byte_length": _each(
        bigquery="BYTE_LENGTH({0})", postgres="OCTET_LENGTH({0})", snowflake="OCTET_LENGTH({0})",
        spark="OCTET_LENGTH({0})",
    ),
    "lower": "LOWER({0})",
    "upper": "UPPER({0})",
    "trim": _trimmed("BTRIM", "BOTH"),
    "ltrim": _trimmed("LTRIM", "LEADING"),
    "rtrim": _trimmed("RTRIM", "TRAILING"),
    "substr": _substr,
    "concat": lambda call: f"({' || '.join(call.texts)})" if {*call.types} == {"string"} else None,
    "replace": "REPLACE({0}, {1}, {2})",
    "starts_with": _each(
        bigquery="STARTS_WITH({0}, {1})", postgres="STARTS_WITH({0}, {1})", snowflake="STARTSWITH({0}, {1})",
        spark="STARTSWITH({0}, {1})",
    ),
    "ends_with": _ends_with,
    "strpos": _each(
        bigquery="STRPOS({0}, {1})", postgres="STRPOS({0}, {1})", snowflake="POSITION({1}, {0})",
        spark="INSTR({0}, {1})",
    ),
    "left": _counted("LEFT"),
    "right": _counted("RIGHT"),
    "reverse": _each(bigquery="REVERSE({0})", snowflake="REVERSE({0})", spark="REVERSE({0})"),
    "like": _like,
    "year": _part("YEAR"),
    "quarter": _part("QUARTER"),
    "month": _part("MONTH"),
    "day": _part("DAY"),
    "day_of_week": _part(
        "CAST(EXTRACT(DOW FROM {}) + 1 AS BIGINT)", "MOD(DAYOFWEEKISO({}), 7) + 1", "CAST(DAYOFWEEK({}) AS BIGINT)",
        "EXTRACT(DAYOFWEEK FROM {})",
    ),
    "day_of_year": _part("DOY", "DAYOFYEAR({})", "CAST(DAYOFYEAR({}) AS BIGINT)", "EXTRACT(DAYOFYEAR FROM {})"),
    "isoweek": _part("WEEK", "WEEKISO({})", "CAST(WEEKOFYEAR({}) AS BIGINT)", "EXTRACT(ISOWEEK FROM {})"),
    "isoyear": _part("ISOYEAR", "YEAROFWEEKISO({})", "CAST(EXTRACT(YEAROFWEEK FROM {}) AS BIGINT)"),
    "hour": _part("HOUR"),
    "minute": _part("MINUTE"),
    "second": _part("SECOND"),
    "date": lambda call: f"CAST({_local(call, 1)} AS DATE)",
    "date_add": _date_add,
    "date_diff": _date_diff,
    "date_trunc": _date_trunc,
    "unix_seconds": _each(
        bigquery="UNIX_SECONDS({0})", postgres="CAST(FLOOR(EXTRACT(EPOCH FROM {0})) AS BIGINT)",
        snowflake="DATE_PART(EPOCH_SECOND, {0})", spark="UNIX_SECONDS({0})",
    ),
    "standardize": _standardize,
    "scale_min_max": _min_max,
    "bucketize": _bucketize,
    "lookup_index": _vocabulary,
    # Other databases refuse a text that is not valid JSON, write numbers anew, and take the last of two equal keys.
    **{name: _own(name.upper()) for name in ("json_query", "json_value", "json_query_array", "json_value_array")},
    **{name: _own(name.upper()) for name in ("json_extract", "json_extract_scalar", "json_extract_array")},
    "json_extract_string_array": _own("JSON_EXTRACT_STRING_ARRAY"),
    "format": _own("FORMAT"),
    "contains_substr": _own("CONTAINS_SUBSTR"),
    "sha512": _own("SHA512"),
}  # fmt: skip
"""Operation -> its form. What is not here cannot be exported; where a form gives None, this call of it cannot."""
