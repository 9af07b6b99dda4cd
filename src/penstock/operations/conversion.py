"""Conversion: what CAST and SAFE_CAST mean between scalar types, as BigQuery has it (times are UTC)."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.core.schema import SCALAR_TYPES
from penstock.errors import ExpressionError
from penstock.operations import readings
from penstock.operations.occasions import SUNDAY, at
from penstock.operations.writings import text_of_datetime, text_of_float, text_of_time, text_of_timestamp


@dataclass(frozen=True, slots=True)
class Conversion:
    """One way from a type to another. Both forms give NULL where the value has no counterpart, if it `can_fail`."""

    sql: str
    row: str
    names: Mapping[str, object] = field(default_factory=dict)
    can_fail: bool = False


def half_away(x: float) -> int | None:
    """Return the nearest int64, halves away from zero; None for NaN and what does not fit."""
    if not -9223372036854775808.0 <= x < 9223372036854775808.0:
        return None
    whole = int(x)
    fraction = x - whole
    return whole + 1 if fraction >= 0.5 else whole - 1 if fraction <= -0.5 else whole


def decoded(x: bytes) -> str | None:
    """Return the UTF-8 text, or None if it is none."""
    try:
        return x.decode()
    except UnicodeDecodeError:
        return None


def needed(value: Any, x: object, type: str) -> Any:
    """Return the converted value; raise if there is none."""
    if value is None:
        raise ExpressionError(f"{x!r} cannot be cast to {type}; safe_cast gives NULL instead")
    return value


def _function(sql: str, function: Callable[[Any], Any], *, can_fail: bool = False) -> Conversion:
    return Conversion(sql, f"{function.__name__}({{0}})", {function.__name__: function}, can_fail)


_UTC = datetime.UTC
_MIDNIGHT = datetime.time()
# DuckDB's own casts of TIMESTAMPTZ go through a time zone library; counting microseconds is exact and faster.
_NAIVE = "make_timestamp(epoch_us({0}))"
_CLOCK = (
    "CASE WHEN microsecond({0}) % 1000000 = 0 THEN '' "
    "WHEN microsecond({0}) % 1000 = 0 THEN printf('.%03d', microsecond({0}) % 1000000 // 1000) "
    "ELSE printf('.%06d', microsecond({0}) % 1000000) END"
)
_STAMP = "(strftime({0}, '%Y-%m-%d %H:%M:%S') || " + _CLOCK + ")"

CONVERSIONS: dict[tuple[str, str], Conversion] = {
    ("bool", "int64"): Conversion("CAST({0} AS BIGINT)", "({0} + 0)"),
    ("bool", "string"): Conversion("CAST({0} AS VARCHAR)", "('true' if {0} else 'false')"),
    ("int64", "bool"): Conversion("({0} <> 0)", "({0} != 0)"),
    ("int64", "float64"): Conversion("CAST({0} AS DOUBLE)", "({0} + 0.0)"),
    ("int64", "string"): Conversion("CAST({0} AS VARCHAR)", "str({0})"),
    ("float64", "int64"): _function("TRY_CAST(round({0}) AS BIGINT)", half_away, can_fail=True),
    ("float64", "string"): _function(
        "CASE WHEN {0} = 0 THEN '0' WHEN isnan({0}) THEN 'NaN' "
        "ELSE regexp_replace(CAST({0} AS VARCHAR), '\\.0$', '') END",
        text_of_float,
    ),
    ("string", "bool"): Conversion(
        "CASE lower({0}) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END",
        "truths.get({0}.lower())",
        {"truths": {"true": True, "false": False}},
        can_fail=True,
    ),
    ("string", "int64"): _function(readings.sql("int64"), readings.read_int64, can_fail=True),
    ("string", "float64"): _function(readings.sql("float64"), readings.read_float64, can_fail=True),
    ("string", "date"): _function(readings.sql("date"), readings.read_date, can_fail=True),
    ("string", "time"): _function(readings.sql("time"), readings.read_time, can_fail=True),
    ("string", "datetime"): _function(readings.sql("datetime"), readings.read_datetime, can_fail=True),
    ("string", "timestamp"): _function(readings.sql("timestamp"), readings.read_timestamp, can_fail=True),
    ("string", "bytes"): Conversion("encode({0})", "{0}.encode()"),
    ("bytes", "string"): _function("TRY(decode({0}))", decoded, can_fail=True),
    ("date", "string"): Conversion("strftime({0}, '%Y-%m-%d')", "{0}.isoformat()"),
    ("date", "datetime"): Conversion(
        "CAST({0} AS TIMESTAMP)",
        "combine({0}, midnight)",
        {"combine": datetime.datetime.combine, "midnight": _MIDNIGHT},
    ),
    ("date", "timestamp"): Conversion(
        "make_timestamptz(epoch_us({0}))",
        "combine({0}, midnight, utc)",
        {"combine": datetime.datetime.combine, "midnight": _MIDNIGHT, "utc": _UTC},
    ),
    ("time", "string"): _function("(strftime(DATE '2000-01-01' + {0}, '%H:%M:%S') || " + _CLOCK + ")", text_of_time),
    ("datetime", "string"): _function(_STAMP, text_of_datetime),
    ("datetime", "date"): Conversion("CAST({0} AS DATE)", "{0}.date()"),
    ("datetime", "time"): Conversion("CAST({0} AS TIME)", "{0}.time()"),
    ("datetime", "timestamp"): Conversion("make_timestamptz(epoch_us({0}))", "{0}.replace(tzinfo=utc)", {"utc": _UTC}),
    ("timestamp", "string"): _function(_STAMP.replace("{0}", _NAIVE)[:-1] + " || '+00')", text_of_timestamp),
    ("timestamp", "date"): Conversion(f"CAST({_NAIVE} AS DATE)", "{0}.date()"),
    ("timestamp", "time"): Conversion(f"CAST({_NAIVE} AS TIME)", "{0}.time()"),
    ("timestamp", "datetime"): Conversion(_NAIVE, "{0}.replace(tzinfo=None)"),
}
"""(from, to) -> how. A type converts to itself; what is not here cannot be converted."""


def conversion(source: str, target: str) -> Conversion:
    """Return how values of one type become another's; raises `ExpressionError` if they cannot."""
    if source == target:
        return Conversion("{0}", "{0}")
    if (source, target) not in CONVERSIONS:
        ways = ", ".join(to for at, to in CONVERSIONS if at == source) or "nothing"
        raise ExpressionError(f"{source} cannot be cast to {target}; it casts to {ways}")
    return CONVERSIONS[source, target]


def _cast_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, target = arguments
    how = conversion(types[0], target)
    text = how.sql.format(x)
    if not how.can_fail:
        return text
    shown = x if types[0] == "string" else f"CAST({x} AS VARCHAR)"
    failed = f"error('cannot cast to {target}: ' || {shown})"
    return f"CASE WHEN {x} IS NOT NULL THEN coalesce({text}, {failed}) END"


def _cast_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, target = arguments
    how = conversion(types[0], target)
    source = how.row.format(x)
    return f"needed({source}, {x}, {target!r})" if how.can_fail else source


def _target(types: Sequence[Any]) -> str:
    conversion(types[0], types[1])
    return str(types[1])


_NAMES = {name: value for how in CONVERSIONS.values() for name, value in how.names.items()} | {"needed": needed}
_PARAMETERS = (
    Parameter(name="x", types=("scalar",)),
    Parameter(name="to", types=("string",), constant=True, choices=tuple(SCALAR_TYPES)),
)


OPERATIONS = (
    Operation(
        name="cast",
        meaning="The value as another type; raises where it has no counterpart. Floats round, halves away from zero; "
        "a float's text is the shortest that reads back equal, without '.0'; an instant's parts are in UTC.",
        parameters=_PARAMETERS,
        result=_target,
        sql=_cast_sql,
        row=_cast_row,
        names=_NAMES,
        examples=(
            *golden((2.5, "int64", 3), (-2.5, "int64", -3), (0.49999999999999994, "int64", 0), (1.4, "int64", 1),
                    (None, "int64", None), (math.nan, "int64", Raises), (9.3e18, "int64", Raises),
                    (-(2.0**63), "int64", -(2**63)), (4503599627370497.0, "int64", 4503599627370497),
                    (1.0, "string", "1"), (1.5, "string", "1.5"), (-0.0, "string", "0"), (1e20, "string", "1e+20"),
                    (0.1, "string", "0.1"), (1e-7, "string", "1e-07"), (10.0, "string", "10"),
                    (math.nan, "string", "NaN"), (-math.inf, "string", "-inf"), types="float64; string"),
            *golden((True, "string", "true"), (False, "string", "false"), (True, "int64", 1), (None, "string", None),
                    types="bool; string"),
            *golden((0, "bool", False), (-3, "bool", True), (5, "string", "5"), (-(2**63), "string", str(-(2**63))),
                    (2**53 + 1, "float64", 2.0**53), (7, "int64", 7), types="int64; string"),
            *golden(("5", "int64", 5), ("-0", "int64", 0), ("+5", "int64", 5), ("5.5", "int64", Raises),
                    ("", "int64", Raises), ("9223372036854775808", "int64", Raises), ("1_000", "int64", Raises),
                    ("1.5", "float64", 1.5), ("1e3", "float64", 1000.0), (".5", "float64", 0.5),
                    ("-inf", "float64", -math.inf),
                    ("NaN", "float64", math.nan), ("x", "float64", Raises), ("", "float64", Raises),
                    ("TRUE", "bool", True), ("false", "bool", False), ("1", "bool", Raises),
                    ("é", "bytes", "é".encode()), (None, "date", None),
                    ("2024-05-05", "date", SUNDAY), ("2024-5-5", "date", SUNDAY), ("2023-02-29", "date", Raises),
                    ("2024-05-05 12:30:00", "datetime", datetime.datetime(2024, 5, 5, 12, 30)),
                    ("12:30:00.5", "time", datetime.time(12, 30, 0, 500000)),
                    ("2024-05-05 12:30:00+02", "timestamp", at(2024, 5, 5, 10, 30)),
                    ("2024-05-05T12:30:00Z", "timestamp", at(2024, 5, 5, 12, 30)),
                    ("2024-05-05", "timestamp", at(2024, 5, 5)), types="string; string"),
            *golden((b"\xc3\xa9", "string", "é"), (b"\xff", "string", Raises), (b"", "string", ""),
                types="bytes; string"),
            *golden((SUNDAY, "string", "2024-05-05"), (datetime.date(1, 1, 1), "string", "0001-01-01"),
                    (SUNDAY, "datetime", datetime.datetime(2024, 5, 5)), (SUNDAY, "timestamp", at(2024, 5, 5)),
                    types="date; string"),
            *golden((datetime.time(1, 2, 3), "string", "01:02:03"), (datetime.time(1, 2, 3, 4000), "string",
                "01:02:03.004"),
                    types="time; string"),
            *golden((datetime.datetime(2024, 5, 5, 1), "string", "2024-05-05 01:00:00"),
                    (datetime.datetime(2024, 5, 5, 1, 0, 0, 1), "string", "2024-05-05 01:00:00.000001"),
                    (datetime.datetime(2024, 5, 5, 1), "date", SUNDAY),
                    (datetime.datetime(2024, 5, 5, 1), "time", datetime.time(1)),
                    (datetime.datetime(2024, 5, 5, 1), "timestamp", at(2024, 5, 5, 1)), types="datetime; string"),
            *golden((at(2024, 5, 5, 18), "string", "2024-05-05 18:00:00+00"),
                    (at(1969, 12, 31, 23, 59, 59, 120000), "string", "1969-12-31 23:59:59.120+00"),
                    (at(2024, 5, 5, 18), "date", SUNDAY), (at(2024, 5, 5, 18), "time", datetime.time(18)),
                    (at(2024, 5, 5, 18), "datetime", datetime.datetime(2024, 5, 5, 18)), (None, "date", None),
                    types="timestamp; string"),
        ),
    ),
    Operation(
        name="safe_cast",
        meaning="As cast, but NULL where the value has no counterpart.",
        parameters=_PARAMETERS,
        result=_target,
        sql=lambda a, t: conversion(t[0], a[1]).sql.format(a[0]),
        row=lambda a, t: conversion(t[0], a[1]).row.format(a[0]),
        nulls="makes",
        names=_NAMES,
        examples=(
            *golden(("apple", "int64", None), ("", "float64", None), ("-7", "int64", -7), (None, "int64", None),
                    ("2024-02-30", "date", None), ("2024-05-05", "date", SUNDAY), ("yes", "bool", None),
                    ("25:00:00", "time", None), ("2024-05-05 18:00:00", "timestamp", at(2024, 5, 5, 18)),
                    types="string; string"),
            *golden((math.inf, "int64", None), (-2.5, "int64", -3), types="float64; string"),
            *golden((b"\xff", "string", None), types="bytes; string"),
        ),
    ),
)  # fmt: skip
