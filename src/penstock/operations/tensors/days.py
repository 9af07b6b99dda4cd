"""The calendar as integer arithmetic: years, months and weeks of the number of a day, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from penstock.operations.calendar import DATE_PARTS, WEEKS
from penstock.operations.tensors.recording import Recorder

Operator: TypeAlias = Callable[[str, "str | int"], str]

FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31, in days since 1970-01-01."""
_TO_MARCH, _CYCLE = 719_468, 146_097  # days from 0000-03-01 to 1970-01-01, and in 400 years


@dataclass(frozen=True, slots=True)
class Civil:
    """A day of the calendar: tensors of its parts."""

    year: str
    month: str
    day: str
    day_of_year: str


def civil(t: Recorder, days: str) -> Civil:
    """Return the parts of days, counted in years that begin in March, so that a leap day is a year's last.

    It is the arithmetic of Howard Hinnant's `civil_from_days`.
    """
    div, sub, add, mul = _operators(t)
    of_cycle = t.remainder(add(days, _TO_MARCH), _CYCLE)
    cycle = div(sub(add(days, _TO_MARCH), of_cycle), _CYCLE)
    whole = sub(add(sub(of_cycle, div(of_cycle, 1460)), div(of_cycle, 36_524)), div(of_cycle, 146_096))
    year = div(whole, 365)
    since_march = sub(of_cycle, sub(add(mul(year, 365), div(year, 4)), div(year, 100)))
    place = div(add(mul(since_march, 5), 2), 153)
    day = add(sub(since_march, div(add(mul(place, 153), 2), 5)), 1)
    late = t.node("GreaterOrEqual", place, t.integer(10))
    month = t.node("Where", late, sub(place, 9), add(place, 3))
    after_march = add(since_march, add(t.to("int64", _leap(t, year)), 60))
    day_of_year = t.node("Where", late, sub(since_march, 305), after_march)
    return Civil(add(add(year, mul(cycle, 400)), t.to("int64", late)), month, day, day_of_year)


def days_of(t: Recorder, year: str, month: str, day: str) -> str:
    """Return the number of a day of the calendar."""
    div, sub, add, mul = _operators(t)
    year = sub(year, t.to("int64", t.node("LessOrEqual", month, t.integer(2))))
    of_cycle = t.remainder(year, 400)
    cycle = div(sub(year, of_cycle), 400)
    since_march = add(div(add(mul(t.remainder(add(month, 9), 12), 153), 2), 5), sub(day, 1))
    whole = add(sub(add(mul(of_cycle, 365), div(of_cycle, 4)), div(of_cycle, 100)), since_march)
    return sub(add(mul(cycle, _CYCLE), whole), _TO_MARCH)


def _operators(t: Recorder) -> tuple[Operator, Operator, Operator, Operator]:
    """Return division, difference, sum and product of integers, of which the second may be a plain one."""

    def operator(name: str) -> Operator:
        return lambda x, y: t.node(name, x, t.integer(y) if isinstance(y, int) else y)

    return operator("Div"), operator("Sub"), operator("Add"), operator("Mul")


def _leap(t: Recorder, year: str) -> str:
    """Return whether a year has a leap day."""
    zero = t.integer(0)
    fourth, hundredth, cycle = (t.node("Equal", t.remainder(year, count), zero) for count in (4, 100, 400))
    return t.node("And", fourth, t.node("Or", t.node("Not", hundredth), cycle))


def weekday(t: Recorder, days: str, start: int = 0) -> str:
    """Return the days since the week's first, a day counted from Monday; 1970-01-01 is a Thursday."""
    return t.remainder(t.node("Add", days, t.integer((3 - start) % 7)), 7)


def week(t: Recorder, days: str, start: int) -> str:
    """Return the week of the year, days before the first that begins there in week 0."""
    since = t.node("Sub", t.node("Add", civil(t, days).day_of_year, t.integer(6)), weekday(t, days, start))
    return t.node("Div", since, t.integer(7))


def thursday(t: Recorder, days: str) -> str:
    """Return the Thursday of the ISO week, which is in the year that the week counts to."""
    return t.node("Add", t.node("Sub", days, weekday(t, days)), t.integer(3))


def isoweek(t: Recorder, days: str) -> str:
    """Return the ISO week."""
    before = t.node("Sub", civil(t, thursday(t, days)).day_of_year, t.integer(1))
    return t.node("Add", t.node("Div", before, t.integer(7)), t.integer(1))


def isoyear(t: Recorder, days: str) -> str:
    """Return the year of the ISO week."""
    return civil(t, thursday(t, days)).year


def quarter(t: Recorder, days: str) -> str:
    """Return the quarter."""
    return t.node("Div", t.node("Add", civil(t, days).month, t.integer(2)), t.integer(3))


def start_of(t: Recorder, days: str, part: str) -> str:
    """Return the first day of a part."""
    if part == "day":
        return days
    if part in WEEKS:
        return t.node("Sub", days, weekday(t, days, WEEKS[part]))
    one, here = t.integer(1), civil(t, days)
    match part:
        case "month":
            return t.node("Sub", days, t.node("Sub", here.day, one))
        case "quarter":
            first = t.node("Add", t.node("Mul", t.node("Sub", quarter(t, days), one), t.integer(3)), one)
            return days_of(t, here.year, first, one)
        case "year":
            return t.node("Sub", days, t.node("Sub", here.day_of_year, one))
    return _first_of_isoyear(t, isoyear(t, days))


def end_of(t: Recorder, days: str, part: str) -> str:
    """Return the last day of a part."""
    one, here = t.integer(1), civil(t, days)
    if part in WEEKS:
        return t.node("Add", start_of(t, days, part), t.integer(6))
    match part:
        case "isoyear":
            return t.node("Sub", _first_of_isoyear(t, t.node("Add", isoyear(t, days), one)), one)
        case "year":
            return t.node("Sub", days_of(t, t.node("Add", here.year, one), one, one), one)
        case "quarter":
            last = t.node("Mul", quarter(t, days), t.integer(3))
            return t.node("Sub", _first_of_month(t, _months(t, here.year, last), 1), one)
    return t.node("Sub", _first_of_month(t, _months(t, here.year, here.month), 1), one)


def moved(t: Recorder, days: str, number: str, part: str) -> tuple[str, str]:
    """Return the day so many parts later, its day cut to the month's length, and where there is none such."""
    size, months = DATE_PARTS[part]
    most = (120_000 if months else 3_660_000) // size
    held = t.node("Max", t.node("Min", number, t.integer(most)), t.integer(-most))
    count = t.node("Mul", held, t.integer(size))
    if months:
        here = civil(t, days)
        month = t.node("Add", _months(t, here.year, here.month), count)
        first, length = _first_of_month(t, month), _length(t, month)
        found = t.node("Add", first, t.node("Sub", t.node("Min", here.day, length), t.integer(1)))
    else:
        found = t.node("Add", days, count)
    return found, t.node("Or", outside(t, found), t.node("Not", t.node("Equal", held, number)))


def outside(t: Recorder, days: str) -> str:
    """Return whether a day lies outside the years 1 to 9999."""
    before, after = t.node("Less", days, t.integer(FIRST_DAY)), t.node("Greater", days, t.integer(LAST_DAY))
    return t.node("Or", before, after)


def exists(t: Recorder, year: str, month: str, day: str) -> str:
    """Return whether there is such a day."""
    length = _length(t, _months(t, year, month))
    within = [
        t.node("And", t.node("GreaterOrEqual", number, t.integer(1)), t.node("LessOrEqual", number, most))
        for number, most in ((year, t.integer(9999)), (month, t.integer(12)), (day, length))
    ]
    return t.node("And", t.node("And", within[0], within[1]), within[2])


def counted(t: Recorder, days: str, part: str) -> str:
    """Return a number that goes up by one at each boundary of the part."""
    here = civil(t, days)
    match part:
        case "day":
            return days
        case "month":
            return _months(t, here.year, here.month)
        case "quarter":
            return t.node("Add", t.node("Mul", here.year, t.integer(4)), quarter(t, days))
        case "year":
            return here.year
        case "isoyear":
            return isoyear(t, days)
    return t.quotient(t.node("Add", days, t.integer(719_163 + 6 - WEEKS[part])), 7)


def _months(t: Recorder, year: str, month: str) -> str:
    """Return the number of a month, 0 for January of the year 0."""
    return t.node("Sub", t.node("Add", t.node("Mul", year, t.integer(12)), month), t.integer(1))


def _first_of_month(t: Recorder, months: str, later: int = 0) -> str:
    months = t.node("Add", months, t.integer(later)) if later else months
    month = t.node("Add", t.remainder(months, 12), t.integer(1))
    return days_of(t, t.quotient(months, 12), month, t.integer(1))


def _length(t: Recorder, months: str) -> str:
    return t.node("Sub", _first_of_month(t, months, 1), _first_of_month(t, months))


def _first_of_isoyear(t: Recorder, year: str) -> str:
    """Return the Monday of the week of January 4, the first week of an ISO year."""
    fourth = days_of(t, year, t.integer(1), t.integer(4))
    return t.node("Sub", fourth, weekday(t, fourth))
