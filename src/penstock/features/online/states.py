"""What is kept of many values of an input so that windows over them can be told exactly: states, which merge.

A state is the same whatever order the values came in, and however they were cut into parts that were merged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from penstock.features.declared.windows import Window, Windows
from penstock.features.index.folding import deviation, different, extreme, finish, float_parts, power_sums

Aged = tuple[int, int, int, Any]
"""A value with its age: event time, created, sequence number."""


class State(msgspec.Struct, array_like=True):
    """A state; what no window needs stays as it is here. Great integers are bytes."""

    count: int = 0
    sums: list[float] | bytes = b""  # floats with the same sum
    powers: tuple[bytes, bytes, int] = (b"", b"", 0)  # see `power_sums`: of finite values
    odd: bool = False  # whether any is infinite or NaN
    least: Any = None
    greatest: Any = None
    first: Aged | None = None
    last: list[Aged] = []  # newest first; msgspec copies it
    different: list[Any] = []


@dataclass(frozen=True, slots=True)
class Needs:
    """Which parts of the state of an input the windows of a set need."""

    is_float: bool
    sums: bool
    powers: bool
    extremes: bool
    first: bool
    last: int
    different: bool


def needs_of(plan: Windows) -> list[Needs]:
    """Return what is needed of each input of a set's windows."""
    made = []
    for field in plan.input_schema:
        windows = [window for window in plan.windows if window.input == field.name]
        functions = {window.function for window in windows}
        made.append(
            Needs(
                is_float=field.type == "float64",
                sums=bool(functions & {"sum", "mean"}),
                powers="stddev" in functions,
                extremes=bool(functions & {"min", "max"}),
                first="first" in functions,
                last=max([window.n for window in windows] + [int("last" in functions)]),
                different="count_distinct" in functions,
            )
        )
    return made


def state_of(needs: Needs, values: Sequence[Aged]) -> State:
    """Return the state of values, which stand in the order of their ages."""
    state = State(count=len(values))
    if not values:
        return state
    plain = [value[3] for value in values]
    if needs.sums:
        state.sums = float_parts(plain) if needs.is_float else _bytes(sum(plain))
    if needs.powers:
        finite = [value for value in plain if math.isfinite(value)]
        total, squares, power = power_sums(finite)
        state.powers, state.odd = (_bytes(total), _bytes(squares), power), len(finite) < len(plain)
    if needs.extremes:
        state.least = extreme(plain, min, is_float=needs.is_float)
        state.greatest = extreme(plain, max, is_float=needs.is_float)
    if needs.first:
        state.first = values[0]
    if needs.last:
        state.last = list(values[: -needs.last - 1 : -1])
    if needs.different:
        state.different = different(plain)
    return state


def merged(needs: Needs, one: State, other: State) -> State:
    """Return the state of both's values together."""
    if not one.count or not other.count:
        return one if one.count else other
    state = State(count=one.count + other.count, odd=one.odd or other.odd)
    if needs.sums:
        state.sums = (
            float_parts([*_floats(one), *_floats(other)])
            if needs.is_float
            else _bytes(_integer(one.sums) + _integer(other.sums))
        )
    if needs.powers:
        total, squares, power = _together([one, other])
        state.powers = (_bytes(total), _bytes(squares), power)
    if needs.extremes:
        state.least = extreme([one.least, other.least], min, is_float=needs.is_float)
        state.greatest = extreme([one.greatest, other.greatest], max, is_float=needs.is_float)
    if needs.first:
        state.first = min([each.first for each in (one, other) if each.first], key=_age)
    if needs.last:
        state.last = sorted([*one.last, *other.last], key=_age, reverse=True)[: needs.last]
    if needs.different:
        state.different = different([*one.different, *other.different])
    return state


def window_value(window: Window, parts: Sequence[State | Sequence[Any]]) -> Any:
    """Return a window's value from states and plain values, which stand in the order of time."""
    if window.function == "stddev":
        return _deviation(parts)
    values: list[Any] = []
    count = 0
    for part in parts:
        if isinstance(part, State):
            count += part.count
            values += _standing_for(window, part)
        else:
            count += len(part)
            values += part
    return finish(window, values, count)


def _standing_for(window: Window, state: State) -> Sequence[Any]:
    """Return what stands for the values of a state in a window's function; see `finish`."""
    match window.function:
        case "sum" | "mean":
            return _floats(state) if window.input_type == "float64" else [_integer(state.sums)]
        case "min":
            return [state.least]
        case "max":
            return [state.greatest]
        case "first":
            return [] if state.first is None else [state.first[3]]
        case "last" | "last_n":
            return [value[3] for value in reversed(state.last)]
        case "count_distinct":
            return state.different
    return []


def _deviation(parts: Sequence[State | Sequence[Any]]) -> float | None:
    values = [value for part in parts if not isinstance(part, State) for value in part]
    states = [part for part in parts if isinstance(part, State) and part.count]
    count = len(values) + sum([state.count for state in states])
    if count > 1 and (any(state.odd for state in states) or not all(map(math.isfinite, values))):
        return math.nan
    return deviation(count, *_together(states, values)) if count > 1 else None


def _together(states: Sequence[State], values: Sequence[Any] = ()) -> tuple[int, int, int]:
    """Return the power sums of states and values together."""
    sums = [(_integer(total), _integer(squares), power) for total, squares, power in (s.powers for s in states)]
    if values:
        sums.append(power_sums(values))
    least = min([power for _, _, power in sums], default=0)
    return (
        sum([total << (power - least) for total, _, power in sums]),
        sum([squares << (2 * (power - least)) for _, squares, power in sums]),
        least,
    )


def _age(value: Aged) -> tuple[int, int, int]:
    return value[:3]


def _floats(state: State) -> list[float]:
    return state.sums if isinstance(state.sums, list) else []


def _bytes(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _integer(value: Any) -> int:
    return int.from_bytes(value, "little", signed=True)
