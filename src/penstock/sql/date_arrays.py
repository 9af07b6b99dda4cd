"""GENERATE_DATE_ARRAY and GENERATE_TIMESTAMP_ARRAY: the steps from one date to another, both of them in."""

from __future__ import annotations

from sqlglot import exp

from penstock.errors import SqlError
from penstock.sql.dialect import Dialect, place

_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
_DAYS = {"DAY": 1, "WEEK": 7}
_MICROSECONDS = {
    "MICROSECOND": 1,
    "MILLISECOND": 1_000,
    "SECOND": 1_000_000,
    "MINUTE": 60_000_000,
    "HOUR": 3_600_000_000,
    "DAY": 86_400_000_000,
}


def date_array(start: str, end: str, node: exp.GenerateDateArray) -> str:
    """Return the dates of a step of days or months as DuckDB text; a step of months keeps the day where it can."""
    step, unit = _step(node, {**_DAYS, **_MONTHS})
    part, size = ("day", step * _DAYS[unit]) if unit in _DAYS else ("month", step * _MONTHS[unit])
    count = f"generate_series(0, abs(date_diff('{part}', p.s, p.e)) // {abs(size)})"
    days = f"p.s + CAST(i * {size} AS INTEGER)"
    each = days if part == "day" else f"CAST(p.s + to_months(CAST(i * {size} AS INTEGER)) AS DATE)"
    dates = f"list_filter(list_transform({count}, lambda i: {each}), lambda d: d {'<=' if size > 0 else '>='} p.e)"
    # the edges stand outside of the functions over them, in which there may be no subqueries
    return f"(list_transform([struct_pack(s := {start}, e := {end})], lambda p: {dates})[1])"


def timestamp_array(start: str, end: str, node: exp.GenerateTimestampArray) -> str:
    """Return the instants of a step of at most days as DuckDB text."""
    step, unit = _step(node, _MICROSECONDS)
    series = f"generate_series(epoch_us({start}), epoch_us({end}), {step * _MICROSECONDS[unit]})"
    return f"list_transform({series}, lambda i: make_timestamptz(i))"


def _step(node: exp.GenerateDateArray | exp.GenerateTimestampArray, units: dict[str, int]) -> tuple[int, str]:
    interval = node.args.get("step")
    number, unit = (interval.this, interval.text("unit").upper()) if isinstance(interval, exp.Interval) else (None, "")
    sign = 1
    if isinstance(number, exp.Neg):
        number, sign = number.this, -1
    text = number.name if isinstance(number, exp.Literal) else ""
    try:
        step = sign * int(text)
    except ValueError:
        step = 0
    if unit not in units or step == 0:
        raise SqlError(f"the step of {node.sql(Dialect)}{place(node)} is INTERVAL number {'|'.join(units)}, and not 0")
    return step, unit
