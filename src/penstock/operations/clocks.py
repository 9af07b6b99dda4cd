"""Times of day and wall clocks: making them, adding, cutting and counting their parts; days since 1970."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.operations import calendar
from penstock.operations.literals import fails
from penstock.operations.templates import plain

_DAY = calendar.CLOCK_PARTS["day"]
_TIME_PARTS = {part: size for part, size in calendar.CLOCK_PARTS.items() if part != "day"}
_ADDED = {**calendar.CLOCK_PARTS, "week": _DAY * 7}
_MONTHS = {part: size for part, (size, months) in calendar.DATE_PARTS.items() if months}
_X = Parameter(name="x", types=("datetime",))
_TIME = Parameter(name="x", types=("time",))
_NUMBER = Parameter(name="number", types=("int64",))
_EPOCH_DAYS = 719_163  # date(1970, 1, 1).toordinal()


def _part(choices: Sequence[str]) -> Parameter:
    return Parameter(name="part", types=("string",), constant=True, choices=tuple(choices))


def microseconds(x: datetime.time) -> int:
    """Return the microseconds since midnight."""
    return ((x.hour * 60 + x.minute) * 60 + x.second) * 1_000_000 + x.microsecond


def time_of(number: int) -> datetime.time:
    """Return the time of day so many microseconds after midnight, whatever the day."""
    seconds, rest = divmod(number % _DAY, 1_000_000)
    return datetime.time(seconds // 3600, seconds // 60 % 60, seconds % 60, rest)


def datetime_add(x: datetime.datetime, number: int, part: str) -> datetime.datetime:
    """Return the wall clock so many parts later, its day cut to the length of the month."""
    if part in _MONTHS:
        return datetime.datetime.combine(calendar.date_add(x.date(), number, part), x.time())
    return x + datetime.timedelta(microseconds=number * _ADDED[part])


def date_of_unix(number: int) -> datetime.date:
    """Return the date so many days after 1970-01-01."""
    return datetime.date.fromordinal(number + _EPOCH_DAYS)


def make_datetime(year: int, month: int, day: int, hour: int, minute: int, second: int) -> datetime.datetime:
    """Return the wall clock of six numbers; raises where there is none."""
    return datetime.datetime(year, month, day, hour, minute, second)


def _datetime_add_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, number, part = arguments
    refused = fails("datetime_add: outside the years 1 to 9999")
    if part not in _MONTHS:
        moved, size = f"(epoch_us({x}) + {number} * {_ADDED[part]})", _ADDED[part]
        most = (calendar.LAST_MICROSECOND - calendar.FIRST_MICROSECOND) // size
        return (
            f"CASE WHEN {x} IS NULL THEN NULL WHEN NOT {number} BETWEEN {-most} AND {most} "
            f"OR NOT {moved} BETWEEN {calendar.FIRST_MICROSECOND} AND {calendar.LAST_MICROSECOND} "
            f"THEN {refused} ELSE make_timestamp({moved}) END"
        )
    most = 120_000 // _MONTHS[part]
    moved = f"({x} + to_months(CAST({number} * {_MONTHS[part]} AS INTEGER)))"
    return (
        f"CASE WHEN {x} IS NULL THEN NULL WHEN NOT {number} BETWEEN {-most} AND {most} "
        f"OR NOT year({moved}) BETWEEN 1 AND 9999 THEN {refused} ELSE {moved} END"
    )


def _datetime_diff(arguments: Sequence[Any], form: int) -> str:
    """Return either form of counting boundaries: 0 is SQL, 1 Python."""
    x, y, part = arguments
    if part in calendar.DIFFERENCES:
        days = ("CAST({} AS DATE)", "{}.date()")[form]
        return calendar.DIFFERENCES[part][form].format(days.format(x), days.format(y))
    since = (f"(epoch_us({{}}) - {calendar.FIRST_MICROSECOND}) // {_ADDED[part]}", f"(({{}} - first) // one_{part})")[
        form
    ]
    return f"({since.format(x)} - {since.format(y)})"


_TIME_US = "epoch_us(DATE '1970-01-01' + {})"
_MOMENT = datetime.datetime(2008, 12, 25, 15, 30)
_LAST = datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999)
_FIRST = datetime.datetime(1, 1, 1)
_INSIDE = "{0} BETWEEN 0 AND 23 AND {1} BETWEEN 0 AND 59 AND {2} BETWEEN 0 AND 59"


def _known(count: int) -> str:
    return " AND ".join(f"{{{place}}} IS NOT NULL" for place in range(count))


def _numbers(*names: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name=name, types=("int64",)) for name in names)


_MADE_DAY = (
    "CASE WHEN {0} BETWEEN 1 AND 9999 AND {1} BETWEEN 1 AND 12 AND {2} BETWEEN 1 AND 31 AND {3} BETWEEN 0 AND 23 "
    "AND {4} BETWEEN 0 AND 59 AND {5} BETWEEN 0 AND 59 THEN TRY_CAST(printf('%04d-%02d-%02d %02d:%02d:%02d', "
    "{0}, {1}, {2}, {3}, {4}, {5}) AS TIMESTAMP) END"
)
_DATETIME_TYPES = "datetime; datetime; string"

OPERATIONS = (
    plain("make_time", "The time of an hour (x), a minute and a second; raises where there is none.",
        f"CASE WHEN {_known(3)} THEN CASE WHEN {_INSIDE} THEN make_time({{0}}, {{1}}, CAST({{2}} AS DOUBLE)) "
        f"ELSE {fails('make_time: there is no such time')} END END", "make_time({0}, {1}, {2})", golden(
            (15, 30, 0, datetime.time(15, 30)), (0, 0, 0, datetime.time()), (23, 59, 59, datetime.time(23, 59, 59)),
            (24, 0, 0, Raises), (0, 60, 0, Raises), (0, 0, -1, Raises), (2**40, 0, 0, Raises), (None, 99, 0, None),
            (1, None, 0, None), types="int64; int64; int64"),
        *_numbers("x", "minute", "second"), result="time", bigquery="TIME", names={"make_time": datetime.time}),
    plain("make_datetime", "The wall clock of a year (x), month, day, hour, minute and second; raises where there is "
        "none.", f"CASE WHEN {_known(6)} THEN coalesce({_MADE_DAY}, {fails('there is no such time')}) END",
        "make_datetime({0}, {1}, {2}, {3}, {4}, {5})", golden(
            (2008, 12, 25, 5, 30, 0, datetime.datetime(2008, 12, 25, 5, 30)), (1, 1, 1, 0, 0, 0, _FIRST),
            (2023, 2, 29, 0, 0, 0, Raises), (2024, 1, 1, 24, 0, 0, Raises), (0, 1, 1, 0, 0, 0, Raises),
            (2024, 1, 1, 0, 0, 60, Raises), (None, 13, 1, 0, 0, 0, None), (2024, 1, 1, 0, 0, None, None),
            types="int64; int64; int64; int64; int64; int64"),
        *_numbers("x", "month", "day", "hour", "minute", "second"), result="datetime", bigquery="DATETIME",
        names={"make_datetime": make_datetime}),
    plain("date_and_time", "The wall clock of a date and a time.", "({0} + {1})", "combine({0}, {1})", golden(
            (datetime.date(2008, 12, 25), datetime.time(5, 30), datetime.datetime(2008, 12, 25, 5, 30)),
            (datetime.date(1, 1, 1), datetime.time(), _FIRST), (_LAST.date(), _LAST.time(), _LAST),
            (None, datetime.time(), None), (datetime.date(1, 1, 1), None, None), types="date; time"),
        Parameter(name="x", types=("date",)), Parameter(name="time", types=("time",)), result="datetime",
        bigquery="", names={"combine": datetime.datetime.combine}),
    Operation(
        name="time_add",
        meaning="The time of day so many parts later; it goes on after midnight.",
        parameters=(_TIME, _NUMBER, _part(tuple(_TIME_PARTS))),
        result="time",
        sql=lambda a, t: (
            f"CASE WHEN {a[0]} IS NOT NULL THEN CAST(make_timestamp(({_TIME_US.format(a[0])} + "
            f"{a[1]} % {_DAY // _TIME_PARTS[a[2]]} * {_TIME_PARTS[a[2]]} + {_DAY}) % {_DAY}) AS TIME) END"
        ),
        row=lambda a, t: f"time_of(microseconds({a[0]}) + {a[1]} * {_TIME_PARTS[a[2]]})",
        names={"time_of": time_of, "microseconds": microseconds},
        examples=golden((datetime.time(15, 30), 10, "minute", datetime.time(15, 40)),
            (datetime.time(15, 30), -10, "minute", datetime.time(15, 20)),
            (datetime.time(23), 2, "hour", datetime.time(1)),
            (datetime.time(1), -2, "hour", datetime.time(23)), (datetime.time(), -1, "microsecond", _LAST.time()),
            (datetime.time(), 2**63 - 1, "hour", datetime.time(7)), (None, 1, "hour", None),
            (datetime.time(), None, "hour", None), types="time; int64; string"),
    ),
    Operation(
        name="time_diff",
        meaning="How many part boundaries lie from y to x.",
        parameters=(_TIME, Parameter(name="y", types=("time",)), _part(tuple(_TIME_PARTS))),
        result="int64",
        sql=lambda a, t: "({} // {size} - {} // {size})".format(
            _TIME_US.format(a[0]), _TIME_US.format(a[1]), size=_TIME_PARTS[a[2]]),
        row=lambda a, t: "(microseconds({}) // {size} - microseconds({}) // {size})".format(
            a[0], a[1], size=_TIME_PARTS[a[2]]),
        names={"microseconds": microseconds},
        bigquery="TIME_DIFF",
        examples=golden((datetime.time(15, 30), datetime.time(14, 35), "minute", 55),
            (datetime.time(15, 30), datetime.time(14, 35), "hour", 1),
            (datetime.time(), _LAST.time(), "second", -86399),
            (None, datetime.time(), "hour", None), (datetime.time(), None, "hour", None), types="time; time; string"),
    ),
    Operation(
        name="time_trunc",
        meaning="The start of the part.",
        parameters=(_TIME, _part(tuple(_TIME_PARTS))),
        result="time",
        sql=lambda a, t: "CAST(make_timestamp({0} - {0} % {1}) AS TIME)".format(
            _TIME_US.format(a[0]), _TIME_PARTS[a[1]]),
        row=lambda a, t: f"time_of((w := microseconds({a[0]})) - w % {_TIME_PARTS[a[1]]})",
        names={"time_of": time_of, "microseconds": microseconds},
        bigquery="TIME_TRUNC",
        examples=golden((datetime.time(15, 30), "hour", datetime.time(15)),
            (_LAST.time(), "millisecond", datetime.time(23, 59, 59, 999_000)),
            (_LAST.time(), "microsecond", _LAST.time()), (None, "hour", None), types="time; string"),
    ),
    Operation(
        name="datetime_add",
        meaning="The wall clock so many parts later, its day cut to the month's length; raises outside the years 1 to "
        "9999.",
        parameters=(_X, _NUMBER, _part((*_ADDED, *_MONTHS))),
        result="datetime",
        sql=_datetime_add_sql,
        row=lambda a, t: f"datetime_add({a[0]}, {a[1]}, {a[2]!r})",
        names={"datetime_add": datetime_add},
        examples=golden((_MOMENT, 10, "minute", datetime.datetime(2008, 12, 25, 15, 40)),
            (datetime.datetime(2024, 1, 31, 5), 1, "month", datetime.datetime(2024, 2, 29, 5)),
            (datetime.datetime(2024, 2, 29, 5), -1, "year", datetime.datetime(2023, 2, 28, 5)),
            (_MOMENT, 1, "week", datetime.datetime(2009, 1, 1, 15, 30)), (_MOMENT, -1, "quarter",
            datetime.datetime(2008, 9, 25, 15, 30)), (_LAST, 1, "microsecond", Raises), (_FIRST, -1, "month", Raises),
            (_MOMENT, 2**62, "year", Raises), (_MOMENT, 2**62, "hour", Raises), (None, 2**62, "year", None),
            (_MOMENT, None, "day", None), types="datetime; int64; string"),
    ),
    Operation(
        name="datetime_diff",
        meaning="How many part boundaries lie from y to x: weeks begin on Sunday, isoweeks on Monday.",
        parameters=(_X, Parameter(name="y", types=("datetime",)),
            _part((*(part for part in _TIME_PARTS), *calendar.DIFFERENCES))),
        result="int64",
        sql=lambda a, t: _datetime_diff(a, 0),
        row=lambda a, t: _datetime_diff(a, 1),
        names={"first": _FIRST, **{f"one_{part}": datetime.timedelta(microseconds=size)
            for part, size in _TIME_PARTS.items()}},
        bigquery="DATETIME_DIFF",
        examples=golden((datetime.datetime(2010, 7, 7, 10, 20), _MOMENT, "day", 559),
            (datetime.datetime(2017, 10, 15), datetime.datetime(2017, 10, 14), "day", 1),
            (datetime.datetime(2017, 10, 15), datetime.datetime(2017, 10, 14), "week", 1),
            (datetime.datetime(2017, 12, 30), datetime.datetime(2014, 12, 30), "isoyear", 2),
            (datetime.datetime(2017, 12, 18), datetime.datetime(2017, 12, 17), "isoweek", 1),
            (datetime.datetime(2017, 12, 18), datetime.datetime(2017, 12, 17), "week", 0),
            (datetime.datetime(2024, 1, 1, 1), datetime.datetime(2024, 1, 1, 0, 59, 59), "hour", 1),
            (_FIRST, _LAST, "microsecond", -315537897599999999), (None, _MOMENT, "day", None),
            (_MOMENT, None, "hour", None), types=_DATETIME_TYPES),
    ),
    plain("unix_date", "How many days since 1970-01-01.", "CAST({0} - DATE '1970-01-01' AS BIGINT)",
        f"({{0}}.toordinal() - {_EPOCH_DAYS})", golden(
            (datetime.date(2008, 12, 25), 14238), (datetime.date(1969, 12, 31), -1), (datetime.date(1, 1, 1), -719162),
            (None, None), types="date"),
        Parameter(name="x", types=("date",)), result="int64"),
    plain("date_from_unix_date", "The date so many days after 1970-01-01; raises outside the years 1 to 9999.",
        f"CASE WHEN NOT {{0}} BETWEEN -719162 AND 2932896 THEN {fails('date_from_unix_date: no such date')} "
        "ELSE DATE '1970-01-01' + CAST({0} AS INTEGER) END", "date_of_unix({0})", golden(
            (14238, datetime.date(2008, 12, 25)), (-719162, datetime.date(1, 1, 1)), (2932896, _LAST.date()),
            (2932897, Raises), (-719163, Raises), (2**63 - 1, Raises), (None, None), types="int64"),
        Parameter(name="x", types=("int64",)), result="date", names={"date_of_unix": date_of_unix}),
)  # fmt: skip
