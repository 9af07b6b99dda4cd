"""What features have to be, worked out row by row in plain Python from every event that was ever ingested."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

START = datetime.datetime(2026, 3, 28, 22, tzinfo=datetime.UTC)  # the night in which Europe's clocks change
MICROSECOND = datetime.timedelta(microseconds=1)


@dataclass(frozen=True)
class Event:
    """One row: its key, times in microseconds after `START`, and its value."""

    key: tuple[Any, ...]
    event: int
    created: int
    value: Any


def instant(microseconds: int) -> datetime.datetime:
    return START + microseconds * MICROSECOND


def newest(
    events: Sequence[Event], key: tuple[Any, ...], at: int, *, ttl: int | None = None, known: int | None = None
) -> tuple[Any, str]:
    """Return the value at an instant and its status; events stand in the order in which they were ingested."""
    there = [
        (event.event, event.created, position, event.value)
        for position, event in enumerate(events)
        if event.key == key and event.event <= at and (known is None or event.created <= known)
    ]
    if not there or None in key:
        return None, "NOT_FOUND"
    event, _, _, value = max(there, key=lambda each: each[:3])
    if ttl is not None and at - event > ttl:
        return None, "OUTSIDE_MAX_AGE"
    return value, "NULL_VALUE" if value is None else "PRESENT"
