"""Arithmetic, and bits: integers say where a result would not fit; ONNX lets them wrap around."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.operations.arithmetic import LEAST, MOST
from penstock.operations.tensors.flags import either, unless
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.values import Handling, Result, Scalar, Strict

Bounds = tuple[int, int]


def bounds_of(value: Scalar) -> Bounds:
    """Return what an integer lies between."""
    return value.bounds or (LEAST, MOST)


def _within(bounds: Bounds) -> Bounds | None:
    """Return the bounds, if int64 holds all of them."""
    return bounds if bounds[0] >= LEAST and bounds[1] <= MOST else None


def _negative(t: Recorder, number: str) -> str:
    return t.node("Less", number, t.integer(0))


def _add(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result:
    data = t.node("Add", x.data, y.data)
    if types[0] == "float64":
        return Result(data=data)
    (low, high), (least, most) = bounds_of(x), bounds_of(y)
    bounds = _within((low + least, high + most))
    if bounds:
        return Result(data=data, bounds=bounds)
    turned = t.node("BitwiseAnd", t.node("BitwiseXor", x.data, data), t.node("BitwiseXor", y.data, data))
    return Result(data=data, refused=_negative(t, turned))


def _subtract(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result:
    data = t.node("Sub", x.data, y.data)
    if types[0] == "float64":
        return Result(data=data)
    (low, high), (least, most) = bounds_of(x), bounds_of(y)
    bounds = _within((low - most, high - least))
    if bounds:
        return Result(data=data, bounds=bounds)
    turned = t.node("BitwiseAnd", t.node("BitwiseXor", x.data, y.data), t.node("BitwiseXor", x.data, data))
    return Result(data=data, refused=_negative(t, turned))


def _multiply(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result:
    data = t.node("Mul", x.data, y.data)
    if types[0] == "float64":
        return Result(data=data)
    products = [one * other for one in bounds_of(x) for other in bounds_of(y)]
    bounds = _within((min(products), max(products)))
    if bounds:
        return Result(data=data, bounds=bounds)
    # It fits where dividing gives the factor back; 0 always does, and -1 must not divide the least integer.
    minus, zero = t.node("Equal", x.data, t.integer(-1)), t.node("Equal", x.data, t.integer(0))
    divisor = t.node("Where", t.node("Or", minus, zero), t.integer(1), x.data)
    apart = t.node("Not", t.node("Equal", t.node("Div", data, divisor), y.data))
    apart = unless(t, apart, t.node("Or", minus, zero)) or apart
    least = t.node("And", minus, t.node("Equal", y.data, t.integer(LEAST)))
    return Result(data=data, refused=t.node("Or", apart, least))


def _divide(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result:
    return Result(data=t.node("Div", x.data, y.data), refused=_zero(t, y))


def _safe_divide(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result:
    return Result(data=t.node("Div", x.data, y.data), null=_zero(t, y))


def _ieee_divide(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result:
    return Result(data=t.node("Div", x.data, y.data))


def _zero(t: Recorder, y: Scalar) -> str | None:
    """Return where a divisor is 0; a literal that is not 0 never is."""
    if y.literal and y.literal[0] != 0:
        return None
    zero = t.integer(0) if y.type == "int64" else t.number(0.0)
    return t.node("Equal", y.data, zero)


def _divisor(t: Recorder, y: Scalar) -> str:
    """Return an integer that may divide any other: the processor stops at 0, and at -1 for the least integer."""
    if y.literal and y.literal[0] not in (0, -1):
        return y.data
    odd = t.node("Or", t.node("Equal", y.data, t.integer(0)), t.node("Equal", y.data, t.integer(-1)))
    return t.node("Where", odd, t.integer(1), y.data)


def _mod(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result:
    data = t.node("Mod", x.data, _divisor(t, y), fmod=1)
    low, high = bounds_of(x)
    most = max(map(abs, bounds_of(y))) - 1
    bounds = (0 if low >= 0 else max(-most, low), 0 if high <= 0 else min(most, high))
    return Result(data=data, refused=_zero(t, y), bounds=bounds)


def _div(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result:
    data = t.node("Div", x.data, _divisor(t, y))
    if y.literal and y.literal[0] > 0:
        low, high = bounds_of(x)
        by = y.literal[0]
        return Result(
            data=data, bounds=(-(-low // by) if low < 0 else low // by, high // by if high > 0 else -(-high // by))
        )
    minus = t.node("Equal", y.data, t.integer(-1))
    data = t.node("Where", minus, t.node("Neg", x.data), data)
    least = t.node("And", minus, t.node("Equal", x.data, t.integer(LEAST)))
    return Result(data=data, refused=either(t, _zero(t, y), least))


def _negate(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    data = t.node("Neg", x.data)
    if types[0] == "float64":
        return Result(data=data)
    low, high = bounds_of(x)
    return Result(data=data, bounds=_within((-high, -low)), refused=_least(t, x))


def _abs(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    data = t.node("Abs", x.data)
    if types[0] == "float64":
        return Result(data=data)
    low, high = bounds_of(x)
    bounds = _within((0 if low <= 0 <= high else min(abs(low), abs(high)), max(abs(low), abs(high))))
    return Result(data=data, bounds=bounds, refused=_least(t, x))


def _least(t: Recorder, x: Scalar) -> str | None:
    return None if bounds_of(x)[0] > LEAST else t.node("Equal", x.data, t.integer(LEAST))


def _sign(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    data = t.node("Sign", x.data)
    if types[0] == "int64":
        return Result(data=data, bounds=(-1, 1))
    return Result(data=t.node("Where", t.node("IsNaN", x.data), x.data, data))


def _bitwise(operator: str) -> Callable[..., Result]:
    return lambda t, types, *given: Result(data=t.node(operator, *(value.data for value in given)))


STRICT: dict[str, Strict] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "safe_divide": _safe_divide,
    "ieee_divide": _ieee_divide,
    "mod": _mod,
    "div": _div,
    "negate": _negate,
    "abs": _abs,
    "sign": _sign,
    "bit_and": _bitwise("BitwiseAnd"),
    "bit_or": _bitwise("BitwiseOr"),
    "bit_xor": _bitwise("BitwiseXor"),
    "bit_not": _bitwise("BitwiseNot"),
}
HANDLING: dict[str, Handling] = {}
