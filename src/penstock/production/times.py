"""The times that came with requests, as what can be held against before: what moves with the clock is no change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.production.joined import Served, asked
from penstock.transforms import DAY_SECONDS, HOUR, WEEKDAY, Cells, clock_columns, flattened, is_time

AGE = ".age"
"""What stands behind the name of a time that says how long before the answer it lies."""

_PERIODS = {HOUR: DAY_SECONDS, WEEKDAY: 7 * DAY_SECONDS}
_MINUTE_SECONDS = 60.0


def comparable(*spans: float) -> tuple[str, ...]:
    """Return which of hour and weekday can be compared over spans of time: those that one of them has whole. An hour
    has one hour of the day, which is no change of it."""
    return tuple(end for end, period in _PERIODS.items() if any(span % period == 0 for span in spans))


def names_of_times(found: Served) -> list[str]:
    """Return the names under which the times that come with requests may be compared."""
    times = [each.name for each in flattened(asked(found)).schema if is_time(each.type)]
    return [name + end for name in times for end in ("", HOUR, WEEKDAY, AGE)]


def asked_against_training(found: Served, learned: Mapping[str, Cells], ends: Collection[str]) -> pa.Table:
    """Return what came with each row; of times the hour and weekday, as far as they can be compared, and the time
    itself, to be held against the range of those learned from.

    Time goes on: what lies after that range, but no further beyond the answer than the range is long, counts as in it.
    """
    rows = flattened(asked(found))
    columns, times = _apart(rows, ends)
    now = _seconds(found)
    for name, values in times.items():
        if name in learned:
            first, last = learned[name]["edges"]
            goes_on = pc.and_(pc.greater_equal(values, last), pc.less_equal(values, pc.add(now, last - first)))
            columns[name] = pc.if_else(pc.fill_null(goes_on, False), first, values)
    return pa.table(columns)


def asked_against_before(found: Served, ends: Collection[str]) -> pa.Table:
    """Return what came with each row; of times the hour and weekday, as far as they can be compared, and how long
    before the answer they lie: in whole minutes, of dates in whole days."""
    rows = flattened(asked(found))
    columns, times = _apart(rows, ends)
    now = _seconds(found)
    for name, values in times.items():
        unit = DAY_SECONDS if pa.types.is_date(rows.schema.field(name).type) else _MINUTE_SECONDS
        columns[name + AGE] = pc.floor(pc.divide(pc.subtract(now, values), unit))
    return pa.table(columns)


def _apart(rows: pa.Table, ends: Collection[str]) -> tuple[dict[str, Any], dict[str, pa.ChunkedArray]]:
    """Return the columns of rows that are no times, and of those that are what comes again; and times in seconds."""
    parts = clock_columns(rows)
    columns = {each.name: rows[each.name] for each in rows.schema if not is_time(each.type)}
    columns |= {name: parts[name] for name in parts.column_names if name.endswith(tuple(ends))} if ends else {}
    return columns, {name: parts[name] for name in parts.column_names if pa.types.is_floating(parts[name].type)}


def _seconds(found: Served) -> pa.ChunkedArray:
    return pc.divide(found.rows["time"].cast(pa.int64()).cast(pa.float64()), 1e6)
