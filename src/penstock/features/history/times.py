"""Times as people write them, as microseconds since 1970."""

from __future__ import annotations

import datetime
from typing import Any

from penstock.errors import DataError

Moment = int | datetime.datetime
"""An instant: microseconds since 1970, or a time with a zone."""

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def microseconds(moment: Moment, name: str) -> int:
    """Return a moment as microseconds since 1970. Raises `DataError` for a time without a zone; `name` is for that."""
    return moment if isinstance(moment, int) else (zoned(moment, name) - _EPOCH) // _MICROSECOND


def zoned(moment: Any, name: str) -> datetime.datetime:
    """Return a time; raises `DataError` where it has no zone, or is none."""
    if not isinstance(moment, datetime.datetime) or moment.tzinfo is None:
        odd = "has no zone" if isinstance(moment, datetime.datetime) else "is no time"
        raise DataError(f"{name}={moment} {odd}; write it as in datetime(2026, 1, 1, tzinfo=UTC)", field=name)
    return moment
