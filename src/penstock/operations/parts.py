"""Parts of dates and times, as EXTRACT gives them. A timestamp is read in UTC or in a given zone."""

from __future__ import annotations

import datetime

from penstock.core.operation import Example, Operation, Parameter, Raises, golden
from penstock.operations.zones import ZONE, at_zone, local_row, local_sql

_UTC = datetime.UTC
_DAYS, _CLOCK = ("date", "datetime", "timestamp"), ("datetime", "timestamp")
_TIMED = ("time", "datetime", "timestamp")


def _part(
    name: str,
    meaning: str,
    sql: str,
    row: str,
    examples: tuple[Example, ...],
    types: tuple[str, ...] = _DAYS,
    result: str = "int64",
) -> Operation:
    """Return an operation that reads one part of the wall clock, `{0}` in both templates."""
    return Operation(
        name=name,
        meaning=meaning,
        parameters=(Parameter(name="x", types=types), ZONE),
        result=result,
        sql=lambda a, t: sql.format(local_sql(a[0], t[0], a[1])),
        row=lambda a, t: row.format(local_row(a[0], t[0], a[1])),
        names={"at_zone": at_zone},
        examples=examples,
    )


def _date(year: int, month: int, day: int) -> datetime.date:
    return datetime.date(year, month, day)


def _at(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, part: int = 0
) -> datetime.datetime:
    return datetime.datetime(year, month, day, hour, minute, second, part, tzinfo=_UTC)


_SUNDAY = _date(2024, 5, 5)
_LATE = _at(2024, 5, 5, 18, 0, 0)
_OLD = _at(1969, 12, 31, 23, 59, 59, 999_999)
_FIRST, _LAST = _date(1, 1, 1), _date(9999, 12, 31)
_T, _D = "timestamp; string", "date"
_NEW_YORK, _KOLKATA = "America/New_York", "Asia/Kolkata"


def _week(day: str, start: int, example: int) -> Operation:
    """Return the week of the year whose weeks begin on a day, counted from Monday."""
    return _part(
        f"week_{day}",
        f"The week of the year, 0 to 53: weeks begin on {day.title()}, days before the first one are week 0.",
        f"((dayofyear({{0}}) + 6 - (isodow({{0}}) + {6 - start}) % 7) // 7)",
        f"(({{0}}.timetuple().tm_yday + 6 - ({{0}}.weekday() - {start}) % 7) // 7)",
        golden((_SUNDAY, example), (_FIRST, int(start == 0)), (_date(2024, 12, 31), 53 if start in (0, 1) else 52),
               (None, None), types=_D),
    )  # fmt: skip


OPERATIONS = (
    _part("year", "The year.", "year({0})", "{0}.year", (
        *golden((_SUNDAY, 2024), (_FIRST, 1), (_LAST, 9999), (None, None), types=_D),
        *golden((_at(2024, 1, 1, 2), "UTC", 2024), (_at(2024, 1, 1, 2), _NEW_YORK, 2023), types=_T))),
    _part("quarter", "The quarter, 1 to 4.", "quarter({0})", "(({0}.month + 2) // 3)", golden(
        (_SUNDAY, 2), (_date(2024, 12, 31), 4), (_FIRST, 1), (None, None), types=_D)),
    _part("month", "The month, 1 to 12.", "month({0})", "{0}.month", golden(
        (_SUNDAY, 5), (_LAST, 12), (None, None), types=_D)),
    _part("week", "The week of the year, 0 to 53: weeks begin on Sunday, days before the first Sunday are week 0.",
          "((dayofyear({0}) + 6 - dayofweek({0})) // 7)",
          "(({0}.timetuple().tm_yday + 6 - {0}.isoweekday() % 7) // 7)", golden(
        (_SUNDAY, 18), (_date(2024, 1, 1), 0), (_date(2024, 1, 7), 1), (_date(2023, 1, 1), 1), (_FIRST, 0),
        (_LAST, 52), (None, None), types=_D)),
    *(_week(day, start, 18) for start, day in enumerate(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday"))),
    _part("isoweek", "The ISO 8601 week, 1 to 53: weeks begin on Monday.", "week({0})", "{0}.isocalendar()[1]", golden(
        (_SUNDAY, 18), (_date(2021, 1, 1), 53), (_date(2024, 12, 30), 1), (None, None), types=_D)),
    _part("isoyear", "The year of the ISO 8601 week.", "isoyear({0})", "{0}.isocalendar()[0]", golden(
        (_SUNDAY, 2024), (_date(2021, 1, 1), 2020), (_date(2024, 12, 30), 2025), (None, None), types=_D)),
    _part("day", "The day of the month, 1 to 31.", "day({0})", "{0}.day", (
        *golden((_SUNDAY, 5), (_LAST, 31), (None, None), types=_D),
        *golden((_at(2024, 5, 5, 20), _KOLKATA, 6), types=_T))),
    _part("day_of_week", "The day of the week: 1 Sunday to 7 Saturday.", "(dayofweek({0}) + 1)",
        "({0}.isoweekday() % 7 + 1)", (
        *golden((_SUNDAY, 1), (_date(2024, 5, 4), 7), (_date(2024, 5, 6), 2), (_FIRST, 2), (_LAST, 6), (None, None),
            types=_D),
        *golden((_LATE, "UTC", 1), (_at(2024, 5, 5, 20), _KOLKATA, 2), (_OLD, "UTC", 4), types=_T))),
    _part("day_of_year", "The day of the year, 1 to 366.", "dayofyear({0})", "{0}.timetuple().tm_yday", golden(
        (_SUNDAY, 126), (_date(2024, 12, 31), 366), (_FIRST, 1), (None, None), types=_D)),
    _part("date", "The date.", "CAST({0} AS DATE)", "{0}.date()", golden(
        (_LATE, "UTC", _SUNDAY), (_at(2024, 5, 5, 20), _KOLKATA, _date(2024, 5, 6)), (_OLD, "UTC", _date(1969, 12, 31)),
        (None, "UTC", None), types=_T), _CLOCK, "date"),
    _part("time", "The time of day.", "CAST({0} AS TIME)", "{0}.time()", (
        *golden((_LATE, "UTC", datetime.time(18)), (_at(2024, 5, 5, 20), _KOLKATA, datetime.time(1, 30)),
            (_OLD, "UTC", datetime.time(23, 59, 59, 999_999)), (None, "UTC", None), types=_T),
        *golden((datetime.datetime(2024, 5, 5, 7), datetime.time(7)), types="datetime")), _CLOCK, "time"),
    _part("hour", "The hour, 0 to 23.", "hour({0})", "{0}.hour", (
        *golden((_LATE, "UTC", 18), (_LATE, _NEW_YORK, 14), (_LATE, _KOLKATA, 23), (_at(2024, 1, 5, 18), _NEW_YORK, 13),
                (_OLD, "UTC", 23), (None, "UTC", None), (_at(9999, 12, 31, 23), _KOLKATA, Raises), types=_T),
        *golden((datetime.datetime(2024, 5, 5, 7), 7), types="datetime"),
            *golden((datetime.time(3, 4), 3), types="time")), _TIMED),
    _part("minute", "The minute, 0 to 59.", "minute({0})", "{0}.minute", golden(
        (_at(2024, 5, 5, 18, 30), "UTC", 30), (_LATE, _KOLKATA, 30), (_OLD, "UTC", 59), (None, "UTC", None), types=_T),
        _TIMED),
    _part("second", "The whole second, 0 to 59.", "second({0})", "{0}.second", golden(
        (_OLD, "UTC", 59), (_LATE, "UTC", 0), (None, "UTC", None), types=_T), _TIMED),
    _part("millisecond", "The thousandths of the second, 0 to 999.", "(microsecond({0}) % 1000000 // 1000)",
          "({0}.microsecond // 1000)", golden((_OLD, "UTC", 999), (_LATE, "UTC", 0), (None, "UTC", None), types=_T),
              _TIMED),
    _part("microsecond", "The millionths of the second, 0 to 999999.", "(microsecond({0}) % 1000000)",
        "{0}.microsecond", golden(
        (_OLD, "UTC", 999_999), (_LATE, "UTC", 0), (None, "UTC", None), types=_T), _TIMED),
)  # fmt: skip
