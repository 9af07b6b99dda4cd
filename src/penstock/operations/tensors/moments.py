"""Parts of dates and instants, adding and counting them, as integer arithmetic on days and microseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.operations.calendar import CLOCK_PARTS, FIRST_MICROSECOND, LAST_MICROSECOND
from penstock.operations.tensors import days as calendar
from penstock.operations.tensors.flags import either
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.values import Handling, Result, Scalar, Strict
from penstock.operations.tensors.zones import instant, wall_clock

DAY = 86_400_000_000
_SPAN = LAST_MICROSECOND - FIRST_MICROSECOND


def _wall(t: Recorder, x: Scalar, zone: str) -> tuple[str, str | None]:
    """Return the wall clock that parts are read from, and where it cannot be told."""
    return wall_clock(t, x.data, zone) if x.type == "timestamp" else (x.data, None)


def _of_day(read: Callable[[Recorder, str], str], low: int, high: int) -> Strict:
    """Read a part of the date."""

    def lower(t: Recorder, types: Sequence[Any], x: Scalar, zone: str = "UTC") -> Result:
        wall, unable = _wall(t, x, zone)
        days = wall if x.type == "date" else t.quotient(wall, DAY)
        return Result(data=read(t, days), unable=unable, bounds=(low, high))

    return lower


def _of_clock(size: int, most: int) -> Strict:
    """Read a part of the time of day."""

    def lower(t: Recorder, types: Sequence[Any], x: Scalar, zone: str = "UTC") -> Result:
        wall, unable = _wall(t, x, zone)
        if most == 23:
            data = t.node("Div", t.remainder(wall, DAY), t.integer(size))
        else:
            within = t.remainder(wall, size * (most + 1))
            data = within if size == 1 else t.node("Div", within, t.integer(size))
        return Result(data=data, unable=unable, bounds=(0, most))

    return lower


def _whole(read: Callable[[Recorder, str], str]) -> Strict:
    """Read the date or the time of day."""

    def lower(t: Recorder, types: Sequence[Any], x: Scalar, zone: str = "UTC") -> Result:
        wall, unable = _wall(t, x, zone)
        return Result(data=read(t, wall), unable=unable)

    return lower


def _day_of_week(t: Recorder, days: str) -> str:
    return t.node("Add", calendar.weekday(t, days, 6), t.integer(1))


def _year(t: Recorder, days: str) -> str:
    return _held(t, calendar.civil(t, days).year)


def _isoyear(t: Recorder, days: str) -> str:
    return _held(t, calendar.isoyear(t, days))


def _held(t: Recorder, year: str) -> str:
    """Return a year within the calendar: an input may hold any number, and a table is read by it."""
    return t.node("Max", t.node("Min", year, t.integer(9999)), t.integer(1))


def _week(start: int) -> Strict:
    return _of_day(lambda t, days: calendar.week(t, days, start), 0, 53)


def _date_add(t: Recorder, types: Sequence[Any], x: Scalar, number: Scalar, part: str) -> Result:
    data, refused = calendar.moved(t, x.data, number.data, part)
    return Result(data=data, refused=refused)


def _date_diff(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar, part: str) -> Result:
    return Result(data=t.node("Sub", calendar.counted(t, x.data, part), calendar.counted(t, y.data, part)))


def _date_trunc(t: Recorder, types: Sequence[Any], x: Scalar, part: str) -> Result:
    data = calendar.start_of(t, x.data, part)
    return Result(data=data, refused=t.node("Less", data, t.integer(calendar.FIRST_DAY)))


def _last_day(t: Recorder, types: Sequence[Any], x: Scalar, part: str = "month") -> Result:
    days = x.data if x.type == "date" else t.quotient(x.data, DAY)
    data = calendar.end_of(t, days, part)
    return Result(data=data, refused=t.node("Greater", data, t.integer(calendar.LAST_DAY)))


def _make_date(t: Recorder, types: Sequence[Any], year: Scalar, month: Scalar, day: Scalar) -> Result:
    given = year.data, month.data, day.data
    return Result(data=calendar.days_of(t, *given), refused=t.node("Not", calendar.exists(t, *given)))


def _add(t: Recorder, types: Sequence[Any], x: Scalar, number: Scalar, part: str) -> Result:
    """Add parts of a clock."""
    size = 7 * DAY if part == "week" else CLOCK_PARTS[part]
    most = _SPAN // size
    held = t.node("Max", t.node("Min", number.data, t.integer(most)), t.integer(-most))
    data = t.node("Add", x.data, t.node("Mul", held, t.integer(size)))
    return Result(data=data, refused=either(t, _outside(t, data), t.node("Not", t.node("Equal", held, number.data))))


def _outside(t: Recorder, moment: str) -> str:
    before = t.node("Less", moment, t.integer(FIRST_MICROSECOND))
    return t.node("Or", before, t.node("Greater", moment, t.integer(LAST_MICROSECOND)))


def _datetime_add(t: Recorder, types: Sequence[Any], x: Scalar, number: Scalar, part: str) -> Result:
    if part not in ("month", "quarter", "year"):
        return _add(t, types, x, number, part)
    days, refused = calendar.moved(t, t.quotient(x.data, DAY), number.data, part)
    data = t.node("Add", t.node("Mul", days, t.integer(DAY)), t.remainder(x.data, DAY))
    return Result(data=data, refused=refused)


def _timestamp_diff(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar, part: str) -> Result:
    return Result(data=t.node("Div", t.node("Sub", x.data, y.data), t.integer(CLOCK_PARTS[part])))


def _datetime_diff(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar, part: str) -> Result:
    if part in CLOCK_PARTS and part != "day":
        return _boundaries(t, x, y, CLOCK_PARTS[part])
    one, other = (calendar.counted(t, t.quotient(moment.data, DAY), part) for moment in (x, y))
    return Result(data=t.node("Sub", one, other))


def _boundaries(t: Recorder, x: Scalar, y: Scalar, size: int) -> Result:
    return Result(data=t.node("Sub", t.quotient(x.data, size), t.quotient(y.data, size)))


def _timestamp_trunc(t: Recorder, types: Sequence[Any], x: Scalar, part: str, zone: str = "UTC") -> Result:
    wall, unable = _wall(t, x, zone)
    if part in CLOCK_PARTS and part != "day":
        return Result(data=t.node("Sub", x.data, t.remainder(wall, CLOCK_PARTS[part])), unable=unable)
    days = calendar.start_of(t, t.quotient(wall, DAY), part)
    refused = t.node("Less", days, t.integer(calendar.FIRST_DAY))
    data = t.node("Mul", days, t.integer(DAY))
    if x.type == "timestamp":
        data, beyond = instant(t, data, zone)
        unable = either(t, unable, beyond)
    return Result(data=data, refused=refused, unable=unable)


def _unix(size: int) -> Strict:
    return lambda t, types, x: Result(data=t.quotient(x.data, size) if size > 1 else x.data)


def _from_unix(size: int) -> Strict:
    first, last = FIRST_MICROSECOND // size, LAST_MICROSECOND // size

    def lower(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
        before = t.node("Less", x.data, t.integer(first))
        refused = t.node("Or", before, t.node("Greater", x.data, t.integer(last)))
        return Result(data=t.node("Mul", x.data, t.integer(size)), refused=refused)

    return lower


def _datetime(t: Recorder, types: Sequence[Any], x: Scalar, zone: str) -> Result:
    data, unable = wall_clock(t, x.data, zone)
    return Result(data=data, unable=unable)


def _timestamp(t: Recorder, types: Sequence[Any], x: Scalar, zone: str) -> Result:
    data, unable = instant(t, x.data, zone)
    return Result(data=data, unable=unable)


def _clock(t: Recorder, hour: str, minute: str, second: str) -> tuple[str, str]:
    """Return the microseconds of a time of day, and where there is none such."""
    total, odd = t.integer(0), None
    for number, size, most in ((hour, 3_600_000_000, 23), (minute, 60_000_000, 59), (second, 1_000_000, 59)):
        total = t.node("Add", total, t.node("Mul", number, t.integer(size)))
        below, above = t.node("Less", number, t.integer(0)), t.node("Greater", number, t.integer(most))
        odd = either(t, odd, below, above)
    return total, odd or ""


def _make_time(t: Recorder, types: Sequence[Any], hour: Scalar, minute: Scalar, second: Scalar) -> Result:
    data, refused = _clock(t, hour.data, minute.data, second.data)
    return Result(data=data, refused=refused)


def _make_datetime(t: Recorder, types: Sequence[Any], *given: Scalar) -> Result:
    year, month, day, *clock = (value.data for value in given)
    since, odd = _clock(t, *clock)
    missing = t.node("Not", calendar.exists(t, year, month, day))
    midnight = t.node("Mul", calendar.days_of(t, year, month, day), t.integer(DAY))
    return Result(data=t.node("Add", midnight, since), refused=t.node("Or", odd, missing))


def _date_and_time(t: Recorder, types: Sequence[Any], x: Scalar, time: Scalar) -> Result:
    return Result(data=t.node("Add", t.node("Mul", x.data, t.integer(DAY)), time.data))


def _time_add(t: Recorder, types: Sequence[Any], x: Scalar, number: Scalar, part: str) -> Result:
    size = CLOCK_PARTS[part]
    count = t.node("Mul", t.remainder(number.data, DAY // size), t.integer(size))
    return Result(data=t.remainder(t.node("Add", x.data, count), DAY))


def _time_diff(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar, part: str) -> Result:
    return _boundaries(t, x, y, CLOCK_PARTS[part])


def _time_trunc(t: Recorder, types: Sequence[Any], x: Scalar, part: str) -> Result:
    return Result(data=t.node("Sub", x.data, t.remainder(x.data, CLOCK_PARTS[part])))


def _unix_date(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    return Result(data=x.data)


def _date_from_unix_date(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    return Result(data=x.data, refused=calendar.outside(t, x.data))


STRICT: dict[str, Strict] = {
    "year": _of_day(_year, 1, 9999),
    "quarter": _of_day(calendar.quarter, 1, 4),
    "month": _of_day(lambda t, days: calendar.civil(t, days).month, 1, 12),
    "week": _week(6),
    "week_monday": _week(0),
    "week_tuesday": _week(1),
    "week_wednesday": _week(2),
    "week_thursday": _week(3),
    "week_friday": _week(4),
    "week_saturday": _week(5),
    "isoweek": _of_day(calendar.isoweek, 1, 53),
    "isoyear": _of_day(_isoyear, 1, 9999),
    "day": _of_day(lambda t, days: calendar.civil(t, days).day, 1, 31),
    "day_of_week": _of_day(_day_of_week, 1, 7),
    "day_of_year": _of_day(lambda t, days: calendar.civil(t, days).day_of_year, 1, 366),
    "date": _whole(lambda t, wall: t.quotient(wall, DAY)),
    "time": _whole(lambda t, wall: t.remainder(wall, DAY)),
    "hour": _of_clock(3_600_000_000, 23),
    "minute": _of_clock(60_000_000, 59),
    "second": _of_clock(1_000_000, 59),
    "millisecond": _of_clock(1_000, 999),
    "microsecond": _of_clock(1, 999_999),
    "date_add": _date_add,
    "date_diff": _date_diff,
    "date_trunc": _date_trunc,
    "last_day": _last_day,
    "make_date": _make_date,
    "timestamp_add": _add,
    "timestamp_diff": _timestamp_diff,
    "timestamp_trunc": _timestamp_trunc,
    "unix_seconds": _unix(1_000_000),
    "unix_millis": _unix(1_000),
    "unix_micros": _unix(1),
    "timestamp_seconds": _from_unix(1_000_000),
    "timestamp_millis": _from_unix(1_000),
    "timestamp_micros": _from_unix(1),
    "datetime": _datetime,
    "timestamp": _timestamp,
    "make_time": _make_time,
    "make_datetime": _make_datetime,
    "date_and_time": _date_and_time,
    "time_add": _time_add,
    "time_diff": _time_diff,
    "time_trunc": _time_trunc,
    "datetime_add": _datetime_add,
    "datetime_diff": _datetime_diff,
    "unix_date": _unix_date,
    "date_from_unix_date": _date_from_unix_date,
}
HANDLING: dict[str, Handling] = {}
