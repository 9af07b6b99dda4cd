"""Mathematics and trigonometry in double precision: of what ONNX Runtime has for doubles, the rest is put together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from penstock.operations.tensors.flags import either, unless
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.values import Handling, Result, Scalar, Strict


def _plain(operator: str) -> Callable[..., Result]:
    return lambda t, types, x: Result(data=t.node(operator, x.data))


def _at_most(t: Recorder, x: str, bound: float) -> str:
    return t.node("LessOrEqual", x, t.number(bound))


def _infinite(t: Recorder, x: str) -> str:
    return t.node("IsInf", x)


def _ln(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    return Result(data=t.node("Log", x.data), refused=_at_most(t, x.data, 0.0))


def _log10(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    refused = unless(t, _at_most(t, x.data, 0.0), _infinite(t, x.data))
    return Result(data=t.node("Div", t.node("Log", x.data), t.number(math.log(10.0))), refused=refused)


def _log1p(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    one_more = t.node("Add", t.number(1.0), x.data)
    return Result(data=t.node("Log", one_more), refused=_at_most(t, one_more, 0.0))


def _log(t: Recorder, types: Sequence[Any], x: Scalar, base: Scalar) -> Result:
    odd = t.node(
        "Or",
        t.node("Equal", x.data, t.number(-math.inf)),
        t.node("Equal", base.data, t.number(math.inf)),
    )
    outside = t.node("Or", _at_most(t, x.data, 0.0), _at_most(t, base.data, 0.0))
    outside = t.node("Or", outside, t.node("Equal", base.data, t.number(1.0)))
    data = t.node("Div", t.node("Log", x.data), t.node("Log", base.data))
    return Result(data=t.node("Where", odd, t.number(math.nan), data), refused=unless(t, outside, odd))


def _exp(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    data = t.node("Exp", x.data)
    return Result(data=data, refused=unless(t, _infinite(t, data), _infinite(t, x.data)))


def _sqrt(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    return Result(data=t.node("Sqrt", x.data), refused=t.node("Less", x.data, t.number(0.0)))


def _cbrt(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    root = t.node("Pow", t.node("Abs", x.data), t.number(1.0 / 3.0))
    return Result(data=t.node("Where", t.node("Less", x.data, t.number(0.0)), t.node("Neg", root), root))


def _pow(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result:
    data = t.node("Pow", x.data, y.data)
    given_nan = t.node("Or", t.node("IsNaN", x.data), t.node("IsNaN", y.data))
    given_infinite = t.node("Or", _infinite(t, x.data), _infinite(t, y.data))
    refused = either(
        t,
        unless(t, t.node("IsNaN", data), given_nan),
        unless(t, _infinite(t, data), t.node("Or", given_nan, given_infinite)),
    )
    return Result(data=data, refused=refused)


def truncated(t: Recorder, x: str) -> str:
    """Return a float without its fraction."""
    return t.node("Where", t.node("Less", x, t.number(0.0)), t.node("Ceil", x), t.node("Floor", x))


def rounded(t: Recorder, x: str) -> str:
    """Return the nearest integral float, halves away from zero; ONNX rounds them to the even one."""
    whole = truncated(t, x)
    far = t.node("GreaterOrEqual", t.node("Abs", t.node("Sub", x, whole)), t.number(0.5))
    return t.node("Where", far, t.node("Add", whole, t.node("Sign", x)), whole)


def _to_digits(cut: Callable[[Recorder, str], str]) -> Callable[..., Result]:
    """Cut or round to a number of decimals, as the other forms do."""

    def lower(t: Recorder, types: Sequence[Any], x: Scalar, digits: int) -> Result:
        if digits == 0:
            return Result(data=cut(t, x.data))
        factor = t.number(10.0 ** abs(digits))
        if digits < 0:
            return Result(data=t.node("Mul", cut(t, t.node("Div", x.data, factor)), factor))
        scaled = t.node("Mul", x.data, factor)
        odd = t.node("Or", _infinite(t, scaled), t.node("IsNaN", scaled))
        return Result(data=t.node("Where", odd, x.data, t.node("Div", cut(t, scaled), factor)))

    return lower


def _angle(compute: Callable[[Recorder, str], str], *, refuses_zero: bool = False) -> Callable[..., Result]:
    """Return a function of an angle, NaN for infinity."""

    def lower(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
        data = t.node("Where", _infinite(t, x.data), t.number(math.nan), compute(t, x.data))
        return Result(data=data, refused=t.node("Equal", x.data, t.number(0.0)) if refuses_zero else None)

    return lower


def _sin(t: Recorder, x: str) -> str:
    return t.node("Sin", x)


def _cos(t: Recorder, x: str) -> str:
    return t.node("Cos", x)


def _tan(t: Recorder, x: str) -> str:
    return t.node("Div", _sin(t, x), _cos(t, x))


def _inverse(compute: Callable[[Recorder, str], str]) -> Callable[[Recorder, str], str]:
    return lambda t, x: t.node("Div", t.number(1.0), compute(t, x))


def _near(t: Recorder, operator: str, x: str) -> str:
    """Return what ONNX Runtime has for 32 bits alone, in 64: to be corrected by the sine of its error."""
    return t.to("float64", t.node(operator, t.to("float32", x)))


def _rest(t: Recorder, x: str) -> str:
    """Return the other side of a right triangle whose longest one is 1."""
    one = t.number(1.0)
    return t.node("Sqrt", t.node("Mul", t.node("Sub", one, x), t.node("Add", one, x)))


def _turned(t: Recorder, near: str, x: str, rest: str) -> str:
    """Return the angle with the sine x and the cosine `rest`, given one near it."""
    error = t.node("Sub", t.node("Mul", _sin(t, near), rest), t.node("Mul", _cos(t, near), x))
    return t.node("Sub", near, error)


def _arc(t: Recorder, types: Sequence[Any], x: Scalar, operator: str) -> Result:
    size = t.node("Abs", x.data)
    far, infinite = t.node("Greater", size, t.number(1.0)), _infinite(t, x.data)
    held = t.node("Where", far, t.number(0.0), x.data)
    near, rest = _near(t, operator, held), _rest(t, held)
    angle = _turned(t, near, held, rest) if operator == "Asin" else _turned(t, near, rest, held)
    data = t.node("Where", infinite, t.number(math.nan), angle)
    return Result(data=data, refused=unless(t, far, infinite))


def asin(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    """Return the arc sine."""
    return _arc(t, types, x, "Asin")


def _acos(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    return _arc(t, types, x, "Acos")


def _angle_of(t: Recorder, x: str) -> str:
    """Return the arc tangent: of numbers above 1 by that of their inverse."""
    size, one = t.node("Abs", x), t.number(1.0)
    far = t.node("Greater", size, one)
    held = t.node("Where", far, t.node("Div", one, size), size)
    length = t.node("Sqrt", t.node("Add", one, t.node("Mul", held, held)))
    angle = _turned(t, _near(t, "Atan", held), t.node("Div", held, length), t.node("Div", one, length))
    angle = t.node("Where", far, t.node("Sub", t.number(math.pi / 2), angle), angle)
    return t.node("Where", t.node("Less", x, t.number(0.0)), t.node("Neg", angle), angle)


def _atan(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    return Result(data=_angle_of(t, x.data))


def _cosh_of(t: Recorder, x: str) -> str:
    return t.node("Mul", t.node("Add", t.node("Exp", x), t.node("Exp", t.node("Neg", x))), t.number(0.5))


def _cosh(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    data = _cosh_of(t, x.data)
    return Result(data=data, refused=unless(t, _infinite(t, data), _infinite(t, x.data)))


def _sech(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    return Result(data=_inverse(_cosh_of)(t, x.data))


def _coth(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    data = t.node("Div", t.number(1.0), t.node("Tanh", x.data))
    return Result(data=data, refused=t.node("Equal", x.data, t.number(0.0)))


def _sinh_of(t: Recorder, x: str) -> str:
    """Return the hyperbolic sine: by the tangent near 0, where a difference of powers has few digits."""
    near = t.node("Mul", t.node("Tanh", x), _cosh_of(t, x))
    powers = t.node("Sub", t.node("Exp", x), t.node("Exp", t.node("Neg", x)))
    far = t.node("Greater", t.node("Abs", x), t.number(1.0))
    return t.node("Where", far, t.node("Mul", powers, t.number(0.5)), near)


def _sinh(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    data = _sinh_of(t, x.data)
    return Result(data=data, refused=unless(t, _infinite(t, data), _infinite(t, x.data)))


def _csch(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    return Result(data=_inverse(_sinh_of)(t, x.data), refused=t.node("Equal", x.data, t.number(0.0)))


STRICT: dict[str, Strict] = {
    "ln": _ln,
    "log10": _log10,
    "log1p": _log1p,
    "log": _log,
    "exp": _exp,
    "sqrt": _sqrt,
    "cbrt": _cbrt,
    "pow": _pow,
    "floor": _plain("Floor"),
    "ceil": _plain("Ceil"),
    "trunc": _to_digits(truncated),
    "round": _to_digits(rounded),
    "is_nan": _plain("IsNaN"),
    "is_inf": _plain("IsInf"),
    "sin": _angle(_sin),
    "cos": _angle(_cos),
    "tan": _angle(_tan),
    "cot": _angle(_inverse(_tan), refuses_zero=True),
    "sec": _angle(_inverse(_cos)),
    "csc": _angle(_inverse(_sin), refuses_zero=True),
    "asin": asin,
    "acos": _acos,
    "atan": _atan,
    "sinh": _sinh,
    "csch": _csch,
    "cosh": _cosh,
    "tanh": _plain("Tanh"),
    "coth": _coth,
    "sech": _sech,
}
HANDLING: dict[str, Handling] = {}
