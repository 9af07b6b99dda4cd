"""Parts of dates and times, as EXTRACT gives them. A timestamp is read in UTC or in a given zone."""

from __future__ import annotations

import datetime

from penstock.core.operation import Example, Operation, Parameter, Raises, golden
from penstock.operations.occasions import FIRST, KOLKATA, LAST, LATE, NEW_YORK, OLD, SUNDAY, at, on
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


_T, _D = "timestamp; string", "date"


def _week(day: str, start: int, example: int) -> Operation:
    """Return the week of the year whose weeks begin on a day, counted from Monday."""
    return _part(
        f"week_{day}",
        f"The week of the year, 0 to 53: weeks begin on {day.title()}, days before the first one are week 0.",
        f"((dayofyear({{0}}) + 6 - (isodow({{0}}) + {6 - start}) % 7) // 7)",
        f"(({{0}}.timetuple().tm_yday + 6 - ({{0}}.weekday() - {start}) % 7) // 7)",
        golden((SUNDAY, example), (FIRST, int(start == 0)), (on(2024, 12, 31), 53 if start in (0, 1) else 52),
               (None, None), types=_D),
    )  # fmt: skip


OPERATIONS = (
    _part("year", "The year.", "year({0})", "{0}.year", (
        *golden((SUNDAY, 2024), (FIRST, 1), (LAST, 9999), (None, None), types=_D),
        *golden((at(2024, 1, 1, 2), "UTC", 2024), (at(2024, 1, 1, 2), NEW_YORK, 2023), types=_T))),
    _part("quarter", "The quarter, 1 to 4.", "quarter({0})", "(({0}.month + 2) // 3)", golden(
        (SUNDAY, 2), (on(2024, 12, 31), 4), (FIRST, 1), (None, None), types=_D)),
    _part("month", "The month, 1 to 12.", "month({0})", "{0}.month", golden(
        (SUNDAY, 5), (LAST, 12), (None, None), types=_D)),
    _part("week", "The week of the year, 0 to 53: weeks begin on Sunday, days before the first Sunday are week 0.",
          "((dayofyear({0}) + 6 - dayofweek({0})) // 7)",
          "(({0}.timetuple().tm_yday + 6 - {0}.isoweekday() % 7) // 7)", golden(
        (SUNDAY, 18), (on(2024, 1, 1), 0), (on(2024, 1, 7), 1), (on(2023, 1, 1), 1), (FIRST, 0),
        (LAST, 52), (None, None), types=_D)),
    *(_week(day, start, 18) for start, day in enumerate(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday"))),
    _part("isoweek", "The ISO 8601 week, 1 to 53: weeks begin on Monday.", "week({0})", "{0}.isocalendar()[1]", golden(
        (SUNDAY, 18), (on(2021, 1, 1), 53), (on(2024, 12, 30), 1), (None, None), types=_D)),
    _part("isoyear", "The year of the ISO 8601 week.", "isoyear({0})", "{0}.isocalendar()[0]", golden(
        (SUNDAY, 2024), (on(2021, 1, 1), 2020), (on(2024, 12, 30), 2025), (None, None), types=_D)),
    _part("day", "The day of the month, 1 to 31.", "day({0})", "{0}.day", (
        *golden((SUNDAY, 5), (LAST, 31), (None, None), types=_D),
        *golden((at(2024, 5, 5, 20), KOLKATA, 6), types=_T))),
    _part("day_of_week", "The day of the week: 1 Sunday to 7 Saturday.", "(dayofweek({0}) + 1)",
        "({0}.isoweekday() % 7 + 1)", (
        *golden((SUNDAY, 1), (on(2024, 5, 4), 7), (on(2024, 5, 6), 2), (FIRST, 2), (LAST, 6), (None, None),
            types=_D),
        *golden((LATE, "UTC", 1), (at(2024, 5, 5, 20), KOLKATA, 2), (OLD, "UTC", 4), types=_T))),
    _part("day_of_year", "The day of the year, 1 to 366.", "dayofyear({0})", "{0}.timetuple().tm_yday", golden(
        (SUNDAY, 126), (on(2024, 12, 31), 366), (FIRST, 1), (None, None), types=_D)),
    _part("date", "The date.", "CAST({0} AS DATE)", "{0}.date()", golden(
        (LATE, "UTC", SUNDAY), (at(2024, 5, 5, 20), KOLKATA, on(2024, 5, 6)), (OLD, "UTC", on(1969, 12, 31)),
        (None, "UTC", None), types=_T), _CLOCK, "date"),
    _part("time", "The time of day.", "CAST({0} AS TIME)", "{0}.time()", (
        *golden((LATE, "UTC", datetime.time(18)), (at(2024, 5, 5, 20), KOLKATA, datetime.time(1, 30)),
            (OLD, "UTC", datetime.time(23, 59, 59, 999_999)), (None, "UTC", None), types=_T),
        *golden((datetime.datetime(2024, 5, 5, 7), datetime.time(7)), types="datetime")), _CLOCK, "time"),
    _part("hour", "The hour, 0 to 23.", "hour({0})", "{0}.hour", (
        *golden((LATE, "UTC", 18), (LATE, NEW_YORK, 14), (LATE, KOLKATA, 23), (at(2024, 1, 5, 18), NEW_YORK, 13),
                (OLD, "UTC", 23), (None, "UTC", None), (at(9999, 12, 31, 23), KOLKATA, Raises), types=_T),
        *golden((datetime.datetime(2024, 5, 5, 7), 7), types="datetime"),
            *golden((datetime.time(3, 4), 3), types="time")), _TIMED),
    _part("minute", "The minute, 0 to 59.", "minute({0})", "{0}.minute", golden(
        (at(2024, 5, 5, 18, 30), "UTC", 30), (LATE, KOLKATA, 30), (OLD, "UTC", 59), (None, "UTC", None), types=_T),
        _TIMED),
    _part("second", "The whole second, 0 to 59.", "second({0})", "{0}.second", golden(
        (OLD, "UTC", 59), (LATE, "UTC", 0), (None, "UTC", None), types=_T), _TIMED),
    _part("millisecond", "The thousandths of the second, 0 to 999.", "(microsecond({0}) % 1000000 // 1000)",
          "({0}.microsecond // 1000)", golden((OLD, "UTC", 999), (LATE, "UTC", 0), (None, "UTC", None), types=_T),
              _TIMED),
    _part("microsecond", "The millionths of the second, 0 to 999999.", "(microsecond({0}) % 1000000)",
        "{0}.microsecond", golden(
        (OLD, "UTC", 999_999), (LATE, "UTC", 0), (None, "UTC", None), types=_T), _TIMED),
)  # fmt: skip
