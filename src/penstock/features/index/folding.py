"""Aggregates over the values of one window, in plain Python: the one-row form of `aggregates`, with the same bits.

Sums of floats are exact and rounded once, so neither the order of the values nor how they were cut into parts is seen
in the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from penstock.features.declared.windows import Window

_INT64 = 1 << 63


def finish(window: Window, values: Sequence[Any], count: int) -> Any:
    """Return a window's value from how many values count, and in the order of their rows either these or others that
    stand for them: parts of their sum for a sum, the least of some for the least, and so on. (`deviation` finishes
    deviations.)"""
    match window.function:
        case "count":
            return count
        case "count_distinct":
            return len(different(values))
        case "last_n":
            return tuple(values[: -window.n - 1 : -1])
    if not count:
        return None
    is_float = window.input_type == "float64"
    match window.function:
        case "sum":
            return float_sum(values) if is_float else fitting(sum(values))
        case "mean":
            return (float_sum(values) if is_float else float(sum(values))) / count
        case "first":
            return values[0]
        case "last":
            return values[-1]
        case "min":
            return extreme(values, min, is_float=is_float)
        case "max":
            return extreme(values, max, is_float=is_float)
    raise NotImplementedError(window.function)


def different(values: Iterable[Any]) -> list[Any]:
    """Return the different values; all NaN are one."""
    found = set(values)
    nan = [value for value in found if value != value]
    return [*found.difference(nan), *nan[:1]]


def fitting(value: int) -> int | None:
    """Return an integer of 64 bits, NULL instead of one of more."""
    return value if -_INT64 <= value < _INT64 else None


def extreme(values: Sequence[Any], better: Callable[..., Any], *, is_float: bool) -> Any:
    """Return the least or the greatest value: NaN if any is, and -0.0 below 0.0."""
    found = better(values)
    if is_float and (found == 0 or not math.isfinite(sum(values))):  # such a sum may have NaN in it
        if any(value != value for value in values):
            return math.nan
        found = better(values, key=lambda value: (value, math.copysign(1, value)))
    return found


def float_sum(values: Sequence[float]) -> float:
    """Return the exact sum, rounded once; infinite beyond the greatest float, NaN with NaN or infinities of both
    signs."""
    try:
        total = math.fsum(values)
    except OverflowError:  # at least on the way
        return _whole_sum(values)
    except ValueError:  # inf - inf
        return math.nan
    return total if total == total else math.nan  # NaN of the one kind that we write


def float_parts(values: list[float]) -> list[float]:
    """Return few floats with exactly the same sum."""
    rest, parts = list(values), []
    try:
        while total := math.fsum(rest):
            if not math.isfinite(total):
                return [total if total == total else math.nan]
            parts.append(total)
            rest.append(-total)
    except OverflowError:
        return list(values)
    except ValueError:
        return [math.nan]
    return parts


def _whole_sum(values: Sequence[float]) -> float:
    odd = [value for value in values if not math.isfinite(value)]
    if odd:
        return float_sum([*odd, 0.0])
    total, _, power = power_sums(values)
    return _divided(total, 0, power)


def power_sums(values: Iterable[Any]) -> tuple[int, int, int]:
    """Return the exact sum and the exact sum of squares of finite numbers, as integers: the first in units of 2**power,
    which is returned too, the second in units of its square."""
    pairs = [value.as_integer_ratio() for value in values]
    unit = max([under for _, under in pairs], default=1)  # powers of two all
    whole = [over * (unit // under) for over, under in pairs]
    return sum(whole), sum([each * each for each in whole]), 1 - unit.bit_length()


def deviation(count: int, total: int, squares: int, power: int) -> float | None:
    """Return the sample standard deviation of `count` numbers with these sums: the root of the exact variance, rounded
    once before it and once after it."""
    if count < 2:
        return None
    variance = _divided(count * squares - total * total, count * (count - 1), 2 * power)
    return math.sqrt(variance)


def _divided(over: int, under: int, power: int) -> float:
    """Return over / under * 2**power, rounded once; `under` 0 stands for 1."""
    under = under or 1
    if power < 0:
        under <<= -power
    else:
        over <<= power
    try:
        return over / under
    except OverflowError:
        return math.inf if over > 0 else -math.inf
