"""The calendar in Python: adding, cutting and counting parts of dates and instants as the SQL forms do."""

from __future__ import annotations

import datetime

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
FIRST_MICROSECOND = -62_135_596_800_000_000  # 0001-01-01 00:00:00
LAST_MICROSECOND = 253_402_300_799_999_999  # 9999-12-31 23:59:59.999999

DATE_PARTS = {"day": (1, False), "week": (7, False), "month": (1, True), "quarter": (3, True), "year": (12, True)}
"""Part of a date -> how many of it, and whether it counts months (else days)."""

CLOCK_PARTS = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
}
"""Part of an instant -> microseconds."""

WEEKS = {
    "week": 6,
    "isoweek": 0,
    "week(tuesday)": 1,
    "week(wednesday)": 2,
    "week(thursday)": 3,
    "week(friday)": 4,
    "week(saturday)": 5,
}
"""A kind of week -> the day that it begins on, counted from Monday."""

DATE_TRUNCATIONS = ("day", *WEEKS, "month", "quarter", "year", "isoyear")
TRUNCATIONS = ("microsecond", "millisecond", "second", "minute", "hour", *DATE_TRUNCATIONS)

DIFFERENCES = {
    "day": ("({0} - {1})", "({0} - {1}).days"),
    # Days since a week's first day, counted from a date before all: 0001-01-01 is a Monday, toordinal() 1.
    **{
        part: (
            f"(({{0}} - DATE '0001-01-01' + {7 - start}) // 7 - ({{1}} - DATE '0001-01-01' + {7 - start}) // 7)",
            f"(({{0}}.toordinal() + {6 - start}) // 7 - ({{1}}.toordinal() + {6 - start}) // 7)",
        )
        for part, start in WEEKS.items()
    },
    "month": (
        "(year({0}) * 12 + month({0}) - year({1}) * 12 - month({1}))",
        "(({0}.year - {1}.year) * 12 + {0}.month - {1}.month)",
    ),
    "quarter": (
        "(year({0}) * 4 + quarter({0}) - year({1}) * 4 - quarter({1}))",
        "(({0}.year - {1}.year) * 4 + ({0}.month + 2) // 3 - ({1}.month + 2) // 3)",
    ),
    "year": ("(year({0}) - year({1}))", "({0}.year - {1}.year)"),
    "isoyear": ("(isoyear({0}) - isoyear({1}))", "({0}.isocalendar()[0] - {1}.isocalendar()[0])"),
}
"""Part of a date -> DuckDB text and Python source that count its boundaries from {1} to {0}."""

_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def date_add(x: datetime.date, number: int, part: str) -> datetime.date:
    """Return the date so many parts later, its day cut to the length of the month."""
    size, months = DATE_PARTS[part]
    if not months:
        return x + datetime.timedelta(days=number * size)
    year, month = divmod(x.year * 12 + x.month - 1 + number * size, 12)
    return datetime.date(year, month + 1, min(x.day, _month_length(year, month + 1)))


def last_day(x: datetime.date, part: str) -> datetime.date:
    """Return the last day of the part."""
    if part in WEEKS:
        return x + datetime.timedelta(days=6 - (x.weekday() - WEEKS[part]) % 7)
    match part:
        case "isoyear":
            return datetime.date.fromisocalendar(x.isocalendar()[0] + 1, 1, 1) - datetime.timedelta(days=1)
        case "quarter" | "year":
            month = 12 if part == "year" else (x.month + 2) // 3 * 3
            return datetime.date(x.year, month, _month_length(x.year, month))
    return x.replace(day=_month_length(x.year, x.month))


def _month_length(year: int, month: int) -> int:
    leap = month == 2 and ((year % 4 == 0 and year % 100 != 0) or year % 400 == 0)
    return _MONTH_LENGTHS[month - 1] + leap


def date_trunc(x: datetime.date, part: str) -> datetime.date:
    """Return the first day of the part."""
    if part in WEEKS:
        return x - datetime.timedelta(days=(x.weekday() - WEEKS[part]) % 7)
    match part:
        case "isoyear":
            return datetime.date.fromisocalendar(x.isocalendar()[0], 1, 1)
        case "month":
            return x.replace(day=1)
        case "quarter":
            return x.replace(month=(x.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            return x.replace(month=1, day=1)
    return x


def timestamp_trunc(x: datetime.datetime, part: str) -> datetime.datetime:
    """Return the start of the part of the wall clock."""
    match part:
        case "microsecond":
            return x
        case "millisecond":
            return x.replace(microsecond=x.microsecond // 1000 * 1000)
        case "second":
            return x.replace(microsecond=0)
        case "minute":
            return x.replace(second=0, microsecond=0)
        case "hour":
            return x.replace(minute=0, second=0, microsecond=0)
    return datetime.datetime.combine(date_trunc(x.date(), part), datetime.time(), x.tzinfo)
