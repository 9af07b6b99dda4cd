"""Dates and times as text by a constant format: each code is a table of a part of the date or of the clock."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from penstock.operations.fluent import Expression, col, lit
from penstock.operations.formats import CLOCK_CODES, DATE_CODES, pieces
from penstock.operations.tensors.values import Lowers, Value, Whole

_LEAP, _LONG_ISO = datetime.date(2024, 1, 1), datetime.date(2019, 12, 30)  # of 366 days, of 53 weeks

_Part = Callable[[Callable[[str], Expression]], Expression]
"""(name of a part -> the part) -> text."""


def _call(name: str, *arguments: Any) -> Expression:
    return Expression(name, tuple(each if isinstance(each, Expression) else lit(each) for each in arguments))


def _date(code: str, *given: Any) -> Expression:
    """Return what a code writes of a day that shares the part with the day in question."""
    return _call("format_date", _call("make_date", *given), f"%{code}")


def _clock(code: str, *given: Any) -> Expression:
    return _call("format_time", _call("make_time", *given), f"%{code}")


def _three(number: Expression) -> Expression:
    return _call("lpad", number.cast("string"), 3, "0")


def _two(number: Expression) -> Expression:
    """Return two digits of a number below 100: those of a year."""
    return _date("y", number + 2000, 1, 1)


def _since(code: str, first: datetime.date, days: Expression) -> Expression:
    return _call("format_date", _call("date_add", lit(first), days, "day"), f"%{code}")


def _of_date(code: str, name: str, first: tuple[Any, ...], last: tuple[Any, ...] = ()) -> _Part:
    """Return the text of a part of the date: of days that differ in it alone."""

    def write(part: Callable[[str], Expression]) -> Expression:
        return _date(code, *first, part(name), *last)

    return write


_PARTS: dict[str, _Part] = {
    "Y": lambda part: part("year").cast("string"),
    "E4Y": lambda part: _two(_call("div", part("year"), 100)).concat(_two(_call("mod", part("year"), 100))),
    "y": lambda part: _two(_call("mod", part("year"), 100)),
    **{code: _of_date(code, "month", (2000,), (1,)) for code in "QmBbh"},
    **{code: _of_date(code, "day", (2000, 1)) for code in "de"},
    "j": lambda part: _since("j", _LEAP, part("day_of_year") - 1),
    **{code: _of_date(code, "day_of_week", (2023, 1)) for code in "Aauw"},
    "G": lambda part: part("isoyear").cast("string"),
    "V": lambda part: _since("V", _LONG_ISO, (part("isoweek") - 1) * 7),
    "H": lambda part: _clock("H", part("hour"), 0, 0),
    "I": lambda part: _clock("I", part("hour"), 0, 0),
    "p": lambda part: _clock("p", part("hour"), 0, 0),
    "M": lambda part: _clock("M", 0, part("minute"), 0),
    "S": lambda part: _clock("S", 0, 0, part("second")),
    "E3S": lambda part: _clock("S", 0, 0, part("second")).concat(".", _three(part("millisecond"))),
    "E6S": lambda part: _clock("S", 0, 0, part("second")).concat(
        ".", _three(part("millisecond")), _three(_call("mod", part("microsecond"), 1000))
    ),
}
"""Code -> its text; 2023-01-01 is a Sunday, as is day 1 of a week."""


def _format(codes: Sequence[str]) -> Whole:
    def lower(lowering: Lowers, types: Sequence[Any], x: Value, format: str, zone: str = "UTC") -> Value:
        def part(name: str) -> Expression:
            return _call(name, col("x"), zone) if types[0] == "timestamp" else _call(name, col("x"))

        texts = [_PARTS[code](part) if code else lit(text) for code, text in pieces(format, codes)]
        first, *rest = texts or [lit("")]
        made = first.concat(*rest) if rest else first
        known = _call("if_else", _call("is_null", col("x")), lit(None, type="string"), made)
        return lowering.within({"x": x}).value(known if all(not code for code, _ in pieces(format, codes)) else made)

    return lower


WHOLE: dict[str, Whole] = {
    "format_date": _format(tuple(DATE_CODES)),
    "format_datetime": _format((*DATE_CODES, *CLOCK_CODES)),
    "format_timestamp": _format((*DATE_CODES, *CLOCK_CODES)),
    "format_time": _format(tuple(CLOCK_CODES)),
}
