"""The dates and instants that golden examples are made of."""

from __future__ import annotations

import datetime


def on(year: int, month: int, number: int) -> datetime.date:
    """Return a date."""
    return datetime.date(year, month, number)


def at(
    year: int, month: int, number: int, hour: int = 0, minute: int = 0, second: int = 0, part: int = 0
) -> datetime.datetime:
    """Return an instant by its wall clock in UTC; `part` counts microseconds."""
    return datetime.datetime(year, month, number, hour, minute, second, part, tzinfo=datetime.UTC)


SUNDAY = on(2024, 5, 5)
LATE = at(2024, 5, 5, 18)
OLD = at(1969, 12, 31, 23, 59, 59, 999_999)
FIRST, LAST = on(1, 1, 1), on(9999, 12, 31)
NEW_YORK, KOLKATA = "America/New_York", "Asia/Kolkata"
