"""Trigonometry: angles in radians, circular and hyperbolic functions and their inverses. Infinity is no angle: NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Example, Operation, Parameter, Raises, golden
from penstock.operations.literals import fails, sql_literal
from penstock.operations.unary import X, unary

_INF, _NAN = math.inf, math.nan
_NO_ANGLE = "isinf({0})"


def csch(x: float) -> float:
    """Return 1 / sinh(x), 0 where sinh(x) is too large; raises `ZeroDivisionError` for 0."""
    try:
        return 1.0 / math.sinh(x)
    except OverflowError:
        return math.copysign(0.0, x)


def sech(x: float) -> float:
    """Return 1 / cosh(x), 0 where cosh(x) is too large."""
    try:
        return 1.0 / math.cosh(x)
    except OverflowError:
        return 0.0


def periodic(x: float, factor: float) -> list[float]:
    """Return the sine and cosine of x times a factor, NaN for infinity."""
    angle = x * factor
    return [math.nan, math.nan] if math.isinf(angle) else [math.sin(angle), math.cos(angle)]


def _checked_period(period: float) -> None:
    if not 0 < period < math.inf:
        raise ValueError("a period is above 0")


def _periodic_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    angle = f"({arguments[0]} * {sql_literal(turn(arguments[1]), 'float64')})"
    either = f"CASE WHEN isinf({angle}) THEN CAST('nan' AS DOUBLE) ELSE "
    return f"CASE WHEN {angle} IS NOT NULL THEN [{either}sin({angle}) END, {either}cos({angle}) END] END"


def turn(period: float) -> float:
    """Return the angle of one unit, where a period is a full turn."""
    return 2 * math.pi / period


def _golden(*rows: tuple[object, ...]) -> tuple[Example, ...]:
    return golden(*rows, (_NAN, _NAN), (None, None), types="float64")


OPERATIONS = (
    unary("sin", "The sine; NaN for infinity.", math.sin, _golden(
        (0.0, 0.0), (-0.0, -0.0), (1.0, math.sin(1.0)), (_INF, _NAN), (-_INF, _NAN)), nan_where=_NO_ANGLE),
    unary("cos", "The cosine; NaN for infinity.", math.cos, _golden(
        (0.0, 1.0), (math.pi, -1.0), (_INF, _NAN), (-_INF, _NAN)), nan_where=_NO_ANGLE),
    unary("tan", "The tangent; NaN for infinity.", math.tan, _golden(
        (0.0, 0.0), (1.0, math.tan(1.0)), (_INF, _NAN), (-_INF, _NAN)), nan_where=_NO_ANGLE),
    unary("cot", "The cotangent, 1 / tan(x); raises for 0, NaN for infinity.", math.tan, _golden(
        (1.0, 0.64209261593433065), (0.0, Raises), (-0.0, Raises), (_INF, _NAN), (-_INF, _NAN)),
        sql="1e0 / tan({0})", row="(1.0 / tan({0}))", fails_where="{0} = 0", nan_where=_NO_ANGLE),
    unary("sec", "The secant, 1 / cos(x); NaN for infinity.", math.cos, _golden(
        (100.0, 1.1596638229046938), (-1.0, 1.8508157176809255), (_INF, _NAN), (-_INF, _NAN)),
        sql="1e0 / cos({0})", row="(1.0 / cos({0}))", nan_where=_NO_ANGLE),
    unary("csc", "The cosecant, 1 / sin(x); raises for 0, NaN for infinity.", math.sin, _golden(
        (100.0, 1 / math.sin(100.0)), (-1.0, -1.1883951057781212), (0.0, Raises), (_INF, _NAN), (-_INF, _NAN)),
        sql="1e0 / sin({0})", row="(1.0 / sin({0}))", fails_where="{0} = 0", nan_where=_NO_ANGLE),
    unary("asin", "The arc sine; raises outside [-1, 1], NaN for infinity.", math.asin, _golden(
        (0.0, 0.0), (1.0, math.pi / 2), (1.5, Raises), (-1.5, Raises), (_INF, _NAN), (-_INF, _NAN)),
        fails_where="abs({0}) > 1 AND NOT isnan({0})", nan_where=_NO_ANGLE),
    unary("acos", "The arc cosine; raises outside [-1, 1], NaN for infinity.", math.acos, _golden(
        (1.0, 0.0), (-1.0, math.pi), (1.5, Raises), (-1.5, Raises), (_INF, _NAN), (-_INF, _NAN)),
        fails_where="abs({0}) > 1 AND NOT isnan({0})", nan_where=_NO_ANGLE),
    unary("atan", "The arc tangent.", math.atan, _golden(
        (0.0, 0.0), (1.0, math.pi / 4), (_INF, math.pi / 2), (-_INF, -math.pi / 2))),
    unary("sinh", "The hyperbolic sine; raises where it is too large.", math.sinh, _golden(
        (0.0, 0.0), (1000.0, Raises), (_INF, _INF), (-_INF, -_INF)),
        fails_where="isinf(sinh({0})) AND NOT isinf({0})"),
    unary("cosh", "The hyperbolic cosine; raises where it is too large.", math.cosh, _golden(
        (0.0, 1.0), (-1000.0, Raises), (_INF, _INF), (-_INF, _INF)),
        fails_where="isinf(cosh({0})) AND NOT isinf({0})"),
    unary("tanh", "The hyperbolic tangent.", math.tanh, _golden(
        (0.0, 0.0), (_INF, 1.0), (-_INF, -1.0), (-1000.0, -1.0))),
    unary("coth", "The hyperbolic cotangent, 1 / tanh(x); raises for 0.", math.tanh, _golden(
        (1.0, 1.3130352854993315), (0.0, Raises), (-0.0, Raises), (_INF, 1.0), (-_INF, -1.0)),
        sql="1e0 / tanh({0})", row="(1.0 / tanh({0}))", fails_where="{0} = 0"),
    unary("sech", "The hyperbolic secant, 1 / cosh(x).", sech, _golden(
        (0.5, 0.886818883970074), (-2.0, 1 / math.cosh(2.0)), (100.0, 7.440151952041671e-44), (1000.0, 0.0),
        (_INF, 0.0), (-_INF, 0.0)), sql="1e0 / cosh({0})"),
    unary("csch", "The hyperbolic cosecant, 1 / sinh(x); raises for 0.", csch, _golden(
        (0.5, 1 / math.sinh(0.5)), (-2.0, -1 / math.sinh(2.0)), (0.0, Raises), (-1000.0, -0.0), (_INF, 0.0),
        (-_INF, -0.0)), sql="1e0 / sinh({0})", fails_where="{0} = 0"),
    unary("asinh", "The inverse hyperbolic sine.", math.asinh, _golden(
        (0.0, 0.0), (-1.0, -0.881373587019543), (_INF, _INF), (-_INF, -_INF))),
    unary("acosh", "The inverse hyperbolic cosine; raises below 1, NaN for minus infinity.", math.acosh, _golden(
        (1.0, 0.0), (2.0, 1.3169578969248166), (0.5, Raises), (-3.0, Raises), (_INF, _INF), (-_INF, _NAN)),
        row="(nan if {0} == -inf else acosh({0}))", sql="CASE WHEN {0} = CAST('-inf' AS DOUBLE) "
        f"THEN CAST('nan' AS DOUBLE) WHEN {{0}} < 1 THEN {fails('acosh: outside its domain')} ELSE acosh({{0}}) END"),
    unary("atanh", "The inverse hyperbolic tangent; raises outside (-1, 1), NaN for infinity.", math.atanh, _golden(
        (0.0, 0.0), (0.5, 0.5493061443340548), (1.0, Raises), (-1.0, Raises), (2.0, Raises), (_INF, _NAN),
        (-_INF, _NAN)), fails_where="abs({0}) >= 1 AND NOT isnan({0})", nan_where=_NO_ANGLE),
    Operation(
        name="atan2",
        meaning="The angle whose tangent is x / y, in the quadrant of the point (y, x).",
        parameters=(*X, Parameter(name="y", types=("float64",))),
        result="float64",
        sql=lambda a, t: f"atan2({a[0]}, {a[1]})",
        row=lambda a, t: f"atan2({a[0]}, {a[1]})",
        names={"atan2": math.atan2},
        bigquery="ATAN2",
        examples=golden((0.0, 1.0, 0.0), (1.0, 1.0, math.pi / 4), (0.0, -0.0, math.pi), (-1.0, 0.0, -math.pi / 2),
            (0.0, 0.0, 0.0), (2.0, -_INF, math.pi), (-2.0, -_INF, -math.pi), (2.0, _INF, 0.0), (_INF, 2.0, math.pi / 2),
            (_INF, -_INF, math.pi * 3 / 4), (-_INF, _INF, -math.pi / 4), (_NAN, 1.0, _NAN), (1.0, _NAN, _NAN),
            (None, 1.0, None), types="float64; float64"),
    ),
    Operation(
        name="periodic",
        meaning="Where x stands in a period, as a point on a circle: [sine, cosine] of 2 pi x / period. Hour 23 is "
        "near hour 0, day 7 near day 1.",
        parameters=(*X, Parameter(name="period", types=("float64",), constant=True, prepare=_checked_period)),
        result="array<float64>",
        sql=_periodic_sql,
        row=lambda a, t: f"periodic({a[0]}, {turn(a[1])!r})",
        names={"periodic": periodic},
        examples=golden((0.0, 24.0, [0.0, 1.0]), (6.0, 24.0, [1.0, math.cos(math.pi / 2)]),
            (-1.0, 2 * math.pi, [math.sin(-1.0), math.cos(-1.0)]), (_INF, 7.0, [_NAN, _NAN]), (_NAN, 7.0, [_NAN, _NAN]),
            (None, 7.0, None), types="float64; float64"),
    ),
)  # fmt: skip
