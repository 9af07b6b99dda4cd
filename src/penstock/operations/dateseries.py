"""Series of dates and instants, and what an INTERVAL is added to."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations import calendar, clocks
from penstock.operations.conversion import conversion
from penstock.operations.dates import OPERATIONS as DATES
from penstock.operations.literals import fails
from penstock.operations.occasions import FIRST, LAST, SUNDAY, at, on
from penstock.operations.templates import bound

_MOST = 2**20
_NO_STEP, _TOO_MANY = "a step of 0", f"more than {_MOST} items"
_CLAMP = 4_000_000  # days (and months): a step beyond every date


def date_series(x: datetime.date, last: datetime.date, step: int, part: str) -> list[datetime.date]:
    """Return the dates from x to the last one, each so many steps after x; none lie before x for a step forwards."""
    size, months = calendar.DATE_PARTS[part]
    step = max(min(step, _CLAMP), -_CLAMP)
    span = (last.year - x.year) * 12 + last.month - x.month if months else (last - x).days
    made = [calendar.date_add(x, place * step, part) for place in _places(x, last, span, step, size)]
    return [date for date in made if (date <= last if step > 0 else date >= last)]


def timestamp_series(x: datetime.datetime, last: datetime.datetime, step: int, part: str) -> list[datetime.datetime]:
    """Return the instants from x to the last one, each so many steps after x."""
    size = calendar.CLOCK_PARTS[part]
    span = (last - x) // datetime.timedelta(microseconds=1)
    return [x + datetime.timedelta(microseconds=place * step * size) for place in _places(x, last, span, step, size)]


def _places(x: Any, last: Any, span: int, step: int, size: int) -> range:
    if step == 0:
        raise ExpressionError(f"an array of dates: {_NO_STEP}")
    if x != last and (x < last) != (step > 0):
        return range(0)
    number = span // (step * size) + 1
    if number > _MOST:
        raise ExpressionError(f"an array of dates: {_TOO_MANY}")
    return range(number)


def _series(name: str, size: int, span: str, item: str, kept: str, arguments: Sequence[Any]) -> str:
    """Return DuckDB text of a series from s.a to s.b by s.c (a step of so many units), in `span` units."""
    x, last, step = arguments[:3]
    if name == "generate_date_array":  # a step may be beyond what a date can be moved by
        step = f"CASE WHEN {step} > {_CLAMP} THEN {_CLAMP} WHEN {step} < {-_CLAMP} THEN {-_CLAMP} ELSE {step} END"
    number = f"({span}) // (CAST(s.c AS HUGEINT) * {size})"
    made = f"list_transform(range(0, CAST({number} AS BIGINT) + 1), lambda i: {item})"
    return bound(
        f"CASE WHEN s.c = 0 THEN {fails(f'{name}: {_NO_STEP}')} "
        "WHEN (s.b < s.a AND s.c > 0) OR (s.b > s.a AND s.c < 0) THEN [] "
        f"WHEN {number} >= {_MOST} THEN {fails(f'{name}: {_TOO_MANY}')} "
        f"ELSE {f'list_filter({made}, lambda d: {kept})' if kept else made} END",
        a=x, b=last, c=step,
    )  # fmt: skip


def _date_series_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    size, months = calendar.DATE_PARTS[arguments[3]]
    moved = f"CAST(i * s.c * {size} AS INTEGER)"
    if not months:
        return _series("generate_date_array", size, "s.b - s.a", f"s.a + {moved}", "", arguments)
    span = "(year(s.b) - year(s.a)) * 12 + month(s.b) - month(s.a)"
    kept = "CASE WHEN s.c > 0 THEN d <= s.b ELSE d >= s.b END"
    return _series("generate_date_array", size, span, f"CAST(s.a + to_months({moved}) AS DATE)", kept, arguments)


def _timestamp_series_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    size = calendar.CLOCK_PARTS[arguments[3]]
    item = f"make_timestamptz(epoch_us(s.a) + i * s.c * {size})"
    # One instant needs no step: i is 0 where the step is beyond all of them, and nothing overflows.
    item = f"CASE WHEN i = 0 THEN s.a ELSE {item} END"
    return _series("generate_timestamp_array", size, "epoch_us(s.b) - epoch_us(s.a)", item, "", arguments)


_ADDING = {operation.name: operation for operation in (*DATES, *clocks.OPERATIONS)}
_TO_DATETIME = conversion("date", "datetime")
_INTERVAL_PARTS = (*calendar.CLOCK_PARTS, "month")


def _moved_type(types: Sequence[Any]) -> str:
    kind, _, part = types
    if kind == "timestamp" and part not in calendar.CLOCK_PARTS:
        raise ExpressionError("a timestamp takes no INTERVAL of months, for their length varies; add it to a datetime")
    return "datetime" if kind == "date" else str(kind)


def _moved(form: str, arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, number, part = arguments
    kind = "datetime" if types[0] == "date" else types[0]
    x = getattr(_TO_DATETIME, form).format(x) if types[0] == "date" else x
    write = getattr(_ADDING[f"{kind}_add"], form)
    return str(write([x, number, part], [kind, "int64", part]))


def _step(choices: Iterable[str]) -> tuple[Parameter, Parameter]:
    part = Parameter(name="part", types=("string",), default="day", constant=True, choices=tuple(choices))
    return Parameter(name="step", types=("int64",), default=1), part


_OCTOBER = [on(2016, 10, day) for day in range(5, 9)]
_NOON = datetime.datetime(2024, 1, 31, 12)
_INSTANTS = "timestamp; timestamp; int64; string"

OPERATIONS = (
    Operation(
        name="generate_date_array",
        meaning="The dates from x to `last`, each so many steps (a number and a part) after x; raises for a step of 0 "
        "and above a million items.",
        parameters=(Parameter(name="x", types=("date",)), Parameter(name="last", types=("date",)),
            *_step(calendar.DATE_PARTS)),
        result="array<date>",
        sql=_date_series_sql,
        row=lambda a, t: f"date_series({a[0]}, {a[1]}, {a[2]}, {a[3]!r})",
        names={"date_series": date_series},
        examples=golden(
            (on(2016, 10, 5), on(2016, 10, 8), 1, "day", _OCTOBER),
            (on(2016, 10, 5), on(2016, 10, 9), 2, "day", [on(2016, 10, 5), on(2016, 10, 7), on(2016, 10, 9)]),
            (on(2016, 10, 5), on(2016, 10, 1), -3, "day", [on(2016, 10, 5), on(2016, 10, 2)]),
            (on(2016, 10, 5), on(2016, 10, 5), 8, "day", [on(2016, 10, 5)]),
            (on(2016, 10, 10), on(2016, 10, 1), 1, "day", []), (on(2016, 10, 5), None, 1, "day", None),
            (on(2016, 1, 1), on(2016, 12, 31), 2, "month", [on(2016, month, 1) for month in (1, 3, 5, 7, 9, 11)]),
            (on(2016, 1, 31), on(2016, 4, 29), 1, "month", [on(2016, 1, 31), on(2016, 2, 29), on(2016, 3, 31)]),
            (on(2016, 3, 31), on(2016, 1, 31), -1, "month", [on(2016, 3, 31), on(2016, 2, 29), on(2016, 1, 31)]),
            (on(2016, 1, 1), on(2016, 2, 1), 2, "week", [on(2016, 1, 1), on(2016, 1, 15), on(2016, 1, 29)]),
            (on(2020, 2, 29), on(2022, 2, 27), 1, "year", [on(2020, 2, 29), on(2021, 2, 28)]),
            (on(2016, 1, 1), on(2016, 12, 31), 1, "quarter", [on(2016, month, 1) for month in (1, 4, 7, 10)]),
            (SUNDAY, LAST, 2**62, "day", [SUNDAY]), (FIRST, LAST, 5000, "year", [FIRST, on(5001, 1, 1)]),
            (SUNDAY, SUNDAY, 0, "day", Raises), (FIRST, LAST, 1, "day", Raises), (None, SUNDAY, 0, "day", None),
            (SUNDAY, LAST, None, "day", None), types="date; date; int64; string"),
    ),
    Operation(
        name="generate_timestamp_array",
        meaning="The instants from x to `last`, each so many steps (a number and a part, up to days of 24 hours) after "
        "x; raises for a step of 0 and above a million items.",
        parameters=(Parameter(name="x", types=("timestamp",)), Parameter(name="last", types=("timestamp",)),
            *_step(calendar.CLOCK_PARTS)),
        result="array<timestamp>",
        sql=_timestamp_series_sql,
        row=lambda a, t: f"timestamp_series({a[0]}, {a[1]}, {a[2]}, {a[3]!r})",
        names={"timestamp_series": timestamp_series},
        examples=golden(
            (at(2016, 10, 5), at(2016, 10, 7), 1, "day", [at(2016, 10, day) for day in (5, 6, 7)]),
            (at(2016, 10, 5), at(2016, 10, 5, 0, 0, 2), 1, "second", [at(2016, 10, 5, 0, 0, s) for s in range(3)]),
            (at(2016, 10, 6), at(2016, 10, 1), -2, "day", [at(2016, 10, day) for day in (6, 4, 2)]),
            (at(2016, 10, 5), at(2016, 10, 5), 1, "hour", [at(2016, 10, 5)]),
            (at(2016, 10, 6), at(2016, 10, 5), 1, "hour", []), (at(2016, 10, 5), None, 1, "hour", None),
            (at(2016, 10, 5), at(2016, 10, 6), 2**62, "day", [at(2016, 10, 5)]),
            (at(2016, 10, 5), at(2016, 10, 6), 0, "hour", Raises),
            (at(2016, 10, 5), at(2016, 10, 6), 1, "microsecond", Raises), (None, at(2016, 10, 6), 0, "hour", None),
            types=_INSTANTS),
    ),
    Operation(
        name="add_interval",
        meaning="x and an INTERVAL of so many parts, as + adds it: a date becomes a datetime, the day is cut to the "
        "month's length; an instant takes parts up to days of 24 hours. Raises outside the years 1 to 9999.",
        parameters=(Parameter(name="x", types=("date", "datetime", "timestamp")),
            Parameter(name="number", types=("int64",)),
            Parameter(name="part", types=("string",), constant=True, choices=_INTERVAL_PARTS)),
        result=_moved_type,
        sql=lambda a, t: _moved("sql", a, t),
        row=lambda a, t: _moved("row", a, t),
        names={name: value for operation in ("datetime_add", "timestamp_add")
            for name, value in _ADDING[operation].names.items()} | dict(_TO_DATETIME.names),
        examples=(
            *golden((on(2021, 5, 20), 10, "hour", datetime.datetime(2021, 5, 20, 10)),
                (on(2024, 1, 31), 1, "month", datetime.datetime(2024, 2, 29)), (LAST, 1, "day", Raises),
                (None, 1, "day", None), (SUNDAY, None, "day", None), types="date; int64; string"),
            *golden((_NOON, 1, "month", datetime.datetime(2024, 2, 29, 12)),
                (_NOON, -90, "minute", datetime.datetime(2024, 1, 31, 10, 30)), (_NOON, 2**62, "month", Raises),
                types="datetime; int64; string"),
            *golden((at(2021, 5, 2, 12), 25, "hour", at(2021, 5, 3, 13)), (at(2021, 5, 2), -1, "day", at(2021, 5, 1)),
                (None, 1, "second", None), types="timestamp; int64; string"),
        ),
    ),
)  # fmt: skip
