"""Times as columns that can be counted: as numbers on a line, and by the hour and the weekday, which come again."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

TIMES = ("timestamp", "datetime", "date", "time")
"""The types that are times."""
HOUR, WEEKDAY = ".hour", ".weekday"
"""What stands behind the name of a column that has the hour (0 to 23, in UTC) or the weekday (1 Sunday to 7) of it."""
DAY_SECONDS = 86400.0

_SUNDAY = 7  # as Arrow counts on which day a week begins


def flattened(rows: pa.Table) -> pa.Table:
    """Return rows in which the fields of structs are columns: `place.at`."""
    while any(pa.types.is_struct(each.type) for each in rows.schema):
        rows = rows.flatten()
    return rows


def clock_columns(rows: pa.Table) -> pa.Table:
    """Return what can be counted of the times among the columns of rows, and among the fields of their structs.

    Of `at` that is `at` in seconds since 1970 (not of a time of day), `at.hour` (not of a date) and `at.weekday` (not
    of a time of day), the last two as texts.
    """
    found: dict[str, Any] = {}
    rows = flattened(rows)
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        if not is_time(column.type):
            continue
        has_day, has_hour = not pa.types.is_time(column.type), not pa.types.is_date(column.type)
        if has_day:
            microseconds = column.cast(pa.timestamp("us", getattr(column.type, "tz", None))).cast(pa.int64())
            found[name] = pc.divide(microseconds.cast(pa.float64(), safe=False), 1e6)
        if has_hour:
            found[name + HOUR] = pc.hour(column).cast(pa.string())
        if has_day:
            weekday = pc.day_of_week(column, count_from_zero=False, week_start=_SUNDAY)
            found[name + WEEKDAY] = weekday.cast(pa.string())
    return pa.table(found)


def is_time(type: pa.DataType) -> bool:
    """Tell whether values of a type are times."""
    return bool(pa.types.is_timestamp(type) or pa.types.is_date(type) or pa.types.is_time(type))


def range_edges(least: float, most: float) -> list[float]:
    """Return the edges of the cell that times from the least to the greatest lie in, by whole days: they tell the time
    of no row."""
    first, last = math.floor(least / DAY_SECONDS), math.floor(most / DAY_SECONDS)
    return [first * DAY_SECONDS, (last + 1) * DAY_SECONDS]
