"""How numbers and times are written as text: what CAST(x AS STRING) gives."""

from __future__ import annotations

import datetime


def text_of_float(x: float) -> str:
    """Write the shortest digits that read back equal; an integral value has no point, zero no sign."""
    if x == 0:
        return "0"
    if x != x:
        return "NaN"
    text = repr(x)
    return text[:-2] if text.endswith(".0") else text


def text_of_time(x: datetime.time | datetime.datetime) -> str:
    """Write `HH:MM:SS`, with three or six decimals if there are any."""
    precision = "seconds" if x.microsecond == 0 else "milliseconds" if x.microsecond % 1000 == 0 else "microseconds"
    return x.isoformat(timespec=precision) if isinstance(x, datetime.time) else x.isoformat(" ", precision)


def text_of_datetime(x: datetime.datetime) -> str:
    """Write `YYYY-MM-DD HH:MM:SS`, with three or six decimals if there are any."""
    return text_of_time(x)


def text_of_timestamp(x: datetime.datetime) -> str:
    """Write the instant in UTC, as a datetime followed by `+00`."""
    return text_of_time(x.replace(tzinfo=None)) + "+00"
