"""Dates and instants: adding, cutting and counting their parts, as in BigQuery."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Example, Operation, Parameter, Raises, golden
from penstock.operations import calendar
from penstock.operations.literals import fails
from penstock.operations.occasions import FIRST, KOLKATA, LAST, LATE, NEW_YORK, OLD, SUNDAY, at, on
from penstock.operations.zones import ZONE, instant_sql, local_sql, timestamp_trunc_at

_UTC = datetime.UTC
_CLOCK = ("datetime", "timestamp")


def _date_add_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    """Add days or months; raise outside the years 1 to 9999, which other systems cannot hold."""
    x, number, part = arguments
    size, months = calendar.DATE_PARTS[part]
    most = (120_000 if months else 3_660_000) // size  # what every move inside the calendar is below
    count = f"CAST({number} * {size} AS INTEGER)"
    moved = f"CAST({x} + to_months({count}) AS DATE)" if months else f"({x} + {count})"
    return (
        f"CASE WHEN {x} IS NULL THEN NULL WHEN NOT {number} BETWEEN {-most} AND {most} "
        f"OR NOT {moved} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' "
        f"THEN {fails('date_add: outside the years 1 to 9999')} ELSE {moved} END"
    )


def _part_parameter(choices: Sequence[str]) -> Parameter:
    return Parameter(name="part", types=("string",), constant=True, choices=tuple(choices))


_INSTANT = Parameter(name="x", types=_CLOCK)
_SECONDS_TO_1970 = 62_135_596_800  # from year 1: makes the count positive, so that DuckDB's // rounds down


def _unix(name: str, unit: int, examples: tuple[Example, ...]) -> Operation:
    shift = _SECONDS_TO_1970 * 1_000_000 // unit
    return Operation(
        name=name,
        meaning=f"How many whole {name.removeprefix('unix_')} since 1970-01-01 00:00 UTC, rounded down.",
        parameters=(Parameter(name="x", types=("timestamp",)),),
        result="int64",
        sql=lambda a, t: (
            f"((epoch_us({a[0]}) + {shift * unit}) // {unit} - {shift})" if unit > 1 else f"epoch_us({a[0]})"
        ),
        row=lambda a, t: f"(({a[0]} - epoch) // microseconds{unit})",
        names={"epoch": calendar.EPOCH, f"microseconds{unit}": datetime.timedelta(microseconds=unit)},
        bigquery=name.upper(),
        examples=examples,
    )


def _from_unix(name: str, unit: int, examples: tuple[Example, ...]) -> Operation:
    first, last = calendar.FIRST_MICROSECOND // unit, calendar.LAST_MICROSECOND // unit
    return Operation(
        name=name,
        meaning=f"The instant that many {name.removeprefix('timestamp_')} after 1970-01-01 00:00 UTC.",
        parameters=(Parameter(name="x", types=("int64",)),),
        result="timestamp",
        sql=lambda a, t: (
            f"CASE WHEN NOT {a[0]} BETWEEN {first} AND {last} THEN {fails(f'{name}: outside the years 1 to 9999')} "
            f"ELSE make_timestamptz({a[0]} * {unit}) END"
        ),
        row=lambda a, t: f"(epoch + {a[0]} * microseconds{unit})",
        names={"epoch": calendar.EPOCH, f"microseconds{unit}": datetime.timedelta(microseconds=unit)},
        bigquery=name.upper(),
        examples=examples,
    )


def _timestamp_add_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, number, part = arguments
    size = calendar.CLOCK_PARTS[part]
    most = (calendar.LAST_MICROSECOND - calendar.FIRST_MICROSECOND) // size
    moved = f"(epoch_us({x}) + {number} * {size})"
    make = "make_timestamptz" if types[0] == "timestamp" else "make_timestamp"
    return (
        f"CASE WHEN {x} IS NULL THEN NULL WHEN NOT {number} BETWEEN {-most} AND {most} "
        f"OR NOT {moved} BETWEEN {calendar.FIRST_MICROSECOND} AND {calendar.LAST_MICROSECOND} "
        f"THEN {fails('timestamp_add: outside the years 1 to 9999')} ELSE {make}({moved}) END"
    )


_NO_WEEK = fails("the week begins before the year 1")


def _trunc_sql(day: str, part: str) -> str:
    """Return DuckDB text of the first day of a week or an ISO year, of a DATE or a TIMESTAMP at midnight."""
    if part == "isoyear":
        return f"date_trunc('week', make_date(isoyear({day}), 1, 4))"
    start = calendar.WEEKS[part]
    first = f"DATE '0001-01-{start + 1:02}'"
    return f"CASE WHEN {day} < {first} THEN {_NO_WEEK} ELSE {day} - to_days({_since(day, start)}) END"


def _since(day: str, start: int) -> str:
    """Return DuckDB text of the number of days since the week began."""
    return f"CAST((isodow({day}) + {6 - start}) % 7 AS INTEGER)"


def _date_trunc_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, part = arguments
    if part in calendar.WEEKS or part == "isoyear":
        return f"CAST({_trunc_sql(x, part)} AS DATE)"
    return f"CAST(date_trunc('{part}', {x}) AS DATE)"


def _timestamp_trunc_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    """Cut the wall clock; below a day the instant loses what the clock loses, so that an hour shown twice stays two."""
    x, part, zone = arguments
    wall = local_sql(x, types[0], zone)
    if part in calendar.WEEKS or part == "isoyear":
        day = f"date_trunc('day', {wall})"
        cut = f"CAST({_trunc_sql(day, part)} AS TIMESTAMP)"
    else:
        cut = f"date_trunc('{part}', {wall})"
    if types[0] != "timestamp":
        return cut
    if zone == "UTC" or part not in calendar.CLOCK_PARTS or part == "day":
        return instant_sql(cut, zone)
    return f"make_timestamptz(epoch_us({x}) - epoch_us({wall}) + epoch_us({cut}))"


def _timestamp_trunc_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, part, zone = arguments
    if types[0] != "timestamp" or zone == "UTC":
        return f"timestamp_trunc({x}, {part!r})"
    return f"timestamp_trunc_at({x}, {part!r}, {zone})"


_LAST_DAYS = {
    "month": "last_day({0})",
    "quarter": "last_day(CAST(date_trunc('quarter', {0}) + INTERVAL 2 MONTH AS DATE))",
    "year": "last_day(CAST(date_trunc('year', {0}) + INTERVAL 11 MONTH AS DATE))",
}


def _last_day_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, part = f"CAST({arguments[0]} AS DATE)", arguments[1]
    if part in _LAST_DAYS:
        return _LAST_DAYS[part].format(x)
    last = f"({x} + (6 - {_since(x, calendar.WEEKS.get(part, 0))}))"
    if part == "isoyear":
        last = f"(CAST(date_trunc('week', make_date(isoyear({x}) + 1, 1, 4)) AS DATE) - 1)"
    refused = fails("last_day: outside the years 1 to 9999")
    return f"CASE WHEN {last} > DATE '9999-12-31' THEN {refused} ELSE {last} END"


def _make_date_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    year, month, day = arguments
    inside = f"{year} BETWEEN 1 AND 9999 AND {month} BETWEEN 1 AND 12 AND {day} BETWEEN 1 AND 31"
    made = f"CASE WHEN {inside} THEN TRY_CAST(printf('%04d-%02d-%02d', {year}, {month}, {day}) AS DATE) END"
    known = " AND ".join(f"{argument} IS NOT NULL" for argument in arguments)
    return f"CASE WHEN {known} THEN coalesce({made}, {fails('make_date: there is no such day')}) END"


OPERATIONS = (
    Operation(
        name="date_add",
        meaning="The date so many parts later, its day cut to the month's length; raises outside the years 1 to 9999.",
        parameters=(Parameter(name="x", types=("date",)), Parameter(name="number", types=("int64",)),
                    _part_parameter(tuple(calendar.DATE_PARTS))),
        result="date",
        sql=_date_add_sql,
        row=lambda a, t: f"date_add({a[0]}, {a[1]}, {a[2]!r})",
        names={"date_add": calendar.date_add},
        examples=golden((SUNDAY, 5, "day", on(2024, 5, 10)), (on(2024, 1, 31), 1, "month", on(2024, 2, 29)),
                        (on(2024, 2, 29), -1, "year", on(2023, 2, 28)), (SUNDAY, -1, "week", on(2024, 4, 28)),
                        (on(2024, 11, 30), 1, "quarter", on(2025, 2, 28)), (LAST, 1, "day", Raises),
                        (FIRST, -1, "month", Raises),
                        (SUNDAY, 2**40, "day", Raises), (None, 1, "day", None), (SUNDAY, None, "month", None),
                        (None, 2**62, "month", None), types="date; int64; string"),
    ),
    Operation(
        name="date_diff",
        meaning="How many part boundaries lie from y to x: weeks begin on Sunday, isoweeks on Monday.",
        parameters=(Parameter(name="x", types=("date",)), Parameter(name="y", types=("date",)),
            _part_parameter(tuple(calendar.DIFFERENCES))),
        result="int64",
        sql=lambda a, t: calendar.DIFFERENCES[a[2]][0].format(*a),
        row=lambda a, t: calendar.DIFFERENCES[a[2]][1].format(*a),
        bigquery="DATE_DIFF",
        examples=golden((on(2010, 7, 7), on(2008, 12, 25), "day", 559),
            (on(2017, 10, 15), on(2017, 10, 14), "week", 1),
                        (on(2017, 10, 15), on(2017, 10, 14), "isoweek", 0),
                        (on(2017, 12, 30), on(2014, 12, 30), "year", 3),
                        (on(2024, 1, 1), on(2023, 12, 31), "month", 1),
                        (on(2023, 12, 31), on(2024, 1, 1), "quarter", -1),
                        (on(2017, 12, 18), on(2017, 12, 17), "week", 0),
                        (on(2017, 12, 18), on(2017, 12, 17), "isoweek", 1),
                        (on(2017, 12, 19), on(2017, 12, 18), "week(tuesday)", 1),
                        (on(2017, 12, 30), on(2014, 12, 30), "isoyear", 2),
                        (LAST, FIRST, "week", 521722), (None, SUNDAY, "day", None), types="date; date; string"),
    ),
    Operation(
        name="date_trunc",
        meaning="The first day of the part: weeks begin on Sunday, isoweeks on Monday.",
        parameters=(Parameter(name="x",
            types=("date",)), _part_parameter(calendar.DATE_TRUNCATIONS)),
        result="date",
        sql=_date_trunc_sql,
        row=lambda a, t: f"date_trunc({a[0]}, {a[1]!r})",
        names={"date_trunc": calendar.date_trunc},
        bigquery="DATE_TRUNC",
        examples=golden((on(2008, 12, 25), "month", on(2008, 12, 1)), (SUNDAY, "week", SUNDAY),
            (SUNDAY, "isoweek", on(2024, 4, 29)),
                        (SUNDAY, "quarter", on(2024, 4, 1)), (LAST, "year", on(9999, 1, 1)),
                        (SUNDAY, "day", SUNDAY), (on(2015, 6, 15), "isoyear", on(2014, 12, 29)),
                        (on(2017, 11, 5), "isoweek", on(2017, 10, 30)),
                        (SUNDAY, "week(saturday)", on(2024, 5, 4)),
                        (FIRST, "isoyear", FIRST), (on(1, 1, 6), "week", Raises), (FIRST, "isoweek", FIRST),
                        (on(1, 1, 7), "week", on(1, 1, 7)), (None, "day", None), types="date; string"),
    ),
    Operation(
        name="last_day",
        meaning="The last day of the part: weeks end on Saturday, isoweeks on Sunday.",
        parameters=(Parameter(name="x", types=("date", "datetime")),
            Parameter(name="part", types=("string",), default="month", constant=True,
                choices=calendar.DATE_TRUNCATIONS[1:])),
        result="date",
        sql=_last_day_sql,
        row=lambda a, t: f"last_day({a[0]}{'.date()' if t[0] == 'datetime' else ''}, {a[1]!r})",
        names={"last_day": calendar.last_day},
        bigquery="LAST_DAY",
        examples=(
            *golden((on(2008, 11, 25), "month", on(2008, 11, 30)),
                (on(2008, 11, 25), "year", on(2008, 12, 31)),
                (on(2008, 11, 10), "week", on(2008, 11, 15)),
                (on(2008, 11, 10), "isoweek", on(2008, 11, 16)),
                (SUNDAY, "week", on(2024, 5, 11)), (SUNDAY, "isoweek", SUNDAY),
                (SUNDAY, "quarter", on(2024, 6, 30)), (SUNDAY, "week(friday)", on(2024, 5, 9)),
                (on(2015, 6, 15), "isoyear", on(2016, 1, 3)), (LAST, "isoyear", Raises),
                (on(1900, 2, 1), "month", on(1900, 2, 28)), (LAST, "month", LAST), (LAST, "week", Raises),
                (None, "month", None), types="date; string"),
            *golden((datetime.datetime(2024, 2, 3, 4), "month", on(2024, 2, 29)), types="datetime; string"),
        ),
    ),
    Operation(
        name="make_date",
        meaning="The date of a year (x), a month and a day; raises where there is none.",
        parameters=tuple(Parameter(name=name, types=("int64",)) for name in ("x", "month", "day")),
        result="date",
        sql=_make_date_sql,
        row=lambda a, t: f"make_date({a[0]}, {a[1]}, {a[2]})",
        names={"make_date": datetime.date},
        bigquery="DATE",
        examples=golden((2016, 12, 25, on(2016, 12, 25)), (2023, 2, 29, Raises), (2024, 2, 29, on(2024, 2, 29)),
            (0, 1, 1, Raises), (10000, 1, 1, Raises), (2024, 0, 1, Raises), (2024, 1, 2**40, Raises), (1, 1, 1, FIRST),
            (None, 0, 1, None), (2024, None, 1, None), (2024, 1, None, None), types="int64; int64; int64"),
    ),
    Operation(
        name="timestamp_add",
        meaning="The instant so many parts later; days have 24 hours. Outside the years 1 to 9999 raises.",
        parameters=(_INSTANT, Parameter(name="number", types=("int64",)), _part_parameter(tuple(calendar.CLOCK_PARTS))),
        result=lambda types: str(types[0]),
        sql=_timestamp_add_sql,
        row=lambda a, t: f"({a[0]} + {a[1]} * one_{a[2]})",
        names={f"one_{part}": datetime.timedelta(microseconds=size) for part, size in calendar.CLOCK_PARTS.items()},
        examples=golden((LATE, 10, "minute", at(2024, 5, 5, 18, 10)), (LATE, -1, "day", at(2024, 5, 4, 18)),
                        (OLD, 1, "microsecond", at(1970, 1, 1)), (at(9999, 12, 31), 1, "day", Raises),
                        (LATE, 2**62, "hour", Raises),
                        (None, 1, "day", None), (LATE, None, "day", None), (None, 2**62, "day", None),
                        types="timestamp; int64; string"),
    ),
    Operation(
        name="timestamp_diff",
        meaning="How many whole parts lie between y and x, negative if x is earlier.",
        parameters=(Parameter(name="x", types=_CLOCK, alike=True), Parameter(name="y", types=_CLOCK, alike=True),
                    _part_parameter(tuple(calendar.CLOCK_PARTS))),
        result="int64",
        sql=lambda a, t: f"((epoch_us({a[0]}) - epoch_us({a[1]})) // {calendar.CLOCK_PARTS[a[2]]})",
        row=lambda a,
            t: f"(({a[0]} - {a[1]}) // one_{a[2]} if {a[0]} >= {a[1]} else -(({a[1]} - {a[0]}) // one_{a[2]}))",
        names={f"one_{part}": datetime.timedelta(microseconds=size) for part, size in calendar.CLOCK_PARTS.items()},
        bigquery="TIMESTAMP_DIFF",
        examples=golden((at(2010, 7, 7, 10, 20), at(2008, 12, 25, 15, 30), "hour", 13410),
            (at(2018, 8, 14), at(2018, 10, 14), "day", -61),
                        (at(2001, 2, 1, 1), at(2001, 2, 1, 0, 0, 1), "hour", 0),
                        (at(1, 1, 1), at(9999, 12, 31), "microsecond", -315537811200000000),
                        (LATE, None, "day", None), types="timestamp; timestamp; string"),
    ),
    Operation(
        name="timestamp_trunc",
        meaning="The start of the part at the zone: weeks begin on Sunday, isoweeks on Monday.",
        parameters=(_INSTANT, _part_parameter(calendar.TRUNCATIONS), ZONE),
        result=lambda types: str(types[0]),
        sql=_timestamp_trunc_sql,
        row=_timestamp_trunc_row,
        names={"timestamp_trunc": calendar.timestamp_trunc, "timestamp_trunc_at": timestamp_trunc_at},
        bigquery="TIMESTAMP_TRUNC",
        examples=golden((at(2008, 12, 25, 15, 30), "day", at(2008, 12, 25)), (LATE, "week", at(2024, 5, 5)),
            (LATE, "isoweek", at(2024, 4, 29)),
                        (OLD, "hour", at(1969, 12, 31, 23)), (OLD, "millisecond",
                        at(1969, 12, 31, 23, 59, 59, 999000)),
                        (at(2024, 5, 5, 1, 2, 3, 4), "second", at(2024, 5, 5, 1, 2, 3)),
                        (LATE, "year", at(2024, 1, 1)), (LATE, "isoyear", at(2024, 1, 1)),
                        (LATE, "week(tuesday)", at(2024, 4, 30)), (at(1, 1, 6, 23), "week", Raises),
                        (None, "day", None), types="timestamp; string") + golden(
            (at(2024, 5, 5, 2), "day", NEW_YORK, at(2024, 5, 4, 4)),
            (LATE, "hour", KOLKATA, at(2024, 5, 5, 17, 30)),
            (at(2024, 11, 3, 6, 45), "hour", NEW_YORK, at(2024, 11, 3, 6)),  # the second 1 o'clock of that night
            (LATE, "week", KOLKATA, at(2024, 5, 4, 18, 30)), (at(1, 1, 1), "day", KOLKATA, Raises),
            (at(1, 2, 1), "year", KOLKATA, Raises), (None, "day", KOLKATA, None), types="timestamp; string; string"),
    ),
    _unix("unix_seconds", 1_000_000, golden((at(2008, 12, 25, 15, 30), 1230219000), (OLD, -1),
        (at(1, 1, 1), -62135596800), (None, None), types="timestamp")),
    _unix("unix_millis", 1_000, golden((at(2008, 12, 25, 15, 30), 1230219000000), (OLD, -1), (None, None),
        types="timestamp")),
    _unix("unix_micros", 1, golden((at(2008, 12, 25, 15, 30), 1230219000000000), (OLD, -1), (None, None),
        types="timestamp")),
    _from_unix("timestamp_seconds", 1_000_000, golden((1230219000, at(2008, 12, 25, 15, 30)),
        (-1, at(1969, 12, 31, 23, 59, 59)), (2**40, Raises), (None, None), types="int64")),
    _from_unix("timestamp_millis", 1_000, golden((1230219000000, at(2008, 12, 25, 15, 30)), (2**62, Raises),
        (None, None), types="int64")),
    _from_unix("timestamp_micros", 1, golden((1230219000000000, at(2008, 12, 25, 15, 30)), (-1, OLD),
        (-(2**63), Raises), (None, None), types="int64")),
)  # fmt: skip
