"""What windows have to be, worked out event by event in plain Python: fractions, sorted lists, nothing shared."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from feature_oracle import START, Event

EPOCH_OFFSET = int(START.timestamp()) * 1_000_000


def window_value(
    events: Sequence[Event],
    key: tuple[Any, ...],
    at: int,
    function: str,
    *,
    length: int,
    hop: int,
    n: int = 0,
    known: int | None = None,
) -> Any:
    """Return the aggregate at an instant (microseconds after `START`); events stand in the order of their ingestion."""
    if None in key:
        return None
    instant = at + EPOCH_OFFSET
    if hop == length:
        high = instant // length * length
        low = high - length
    else:
        low, high = (instant - length) // hop * hop, instant
    inside = sorted(
        (event.event, event.created, position)
        for position, event in enumerate(events)
        if event.key == key
        and low <= event.event + EPOCH_OFFSET < high
        and event.value is not None
        and (known is None or event.created <= known)
    )
    return _aggregate([events[position].value for _, _, position in inside], function, n)


def _aggregate(values: list[Any], function: str, n: int) -> Any:
    match function:
        case "count":
            return len(values)
        case "count_distinct":
            return len({"nan" if value != value else value for value in values})
        case "last_n":
            return values[::-1][:n]
    if not values:
        return None
    nan = any(value != value for value in values)
    match function:
        case "first":
            return values[0]
        case "last":
            return values[-1]
        case "min":
            return math.nan if nan else min(values, key=_size)
        case "max":
            return math.nan if nan else max(values, key=_size)
        case "sum":
            return _sum(values) if isinstance(values[0], float) else _fitting(sum(values))
        case "mean":
            return _sum(values) / len(values)
        case "stddev":
            return _deviation(values)
    raise ValueError(function)


def _size(value: Any) -> Any:
    return (value, math.copysign(1, value)) if isinstance(value, float) else value


def _fitting(value: int) -> int | None:
    return value if -(2**63) <= value < 2**63 else None


def _sum(values: list[Any]) -> float:
    odd = {value for value in values if math.isinf(value)}
    if any(value != value for value in values) or len(odd) == 2:
        return math.nan
    return odd.pop() if odd else _nearest(sum(map(Fraction, values), Fraction(0)))


def _deviation(values: list[Any]) -> float | None:
    if len(values) < 2:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    variance = sum(((each - mean) ** 2 for each in exact), Fraction(0)) / (len(exact) - 1)
    return math.sqrt(_nearest(variance))


def _nearest(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def bits(value: Any) -> Any:
    """Return what is equal only for the same value of the same type, NaN and -0.0 included."""
    if isinstance(value, float):
        return struct.pack("<d", math.nan if value != value else value)
    if isinstance(value, list | tuple):
        return [bits(item) for item in value]
    return type(value).__name__, value
