"""Mathematics on float64. Where Python's `math` raises, SQL raises too: outside the domain, or a result too large."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.operations.literals import fails
from penstock.operations.unary import X, unary

_INF, _NAN = math.inf, math.nan


def round_half_away(x: float) -> float:
    """Return the nearest integral float, halves away from zero."""
    fraction, whole = math.modf(x)
    return whole + math.copysign(1.0, x) if abs(fraction) >= 0.5 else whole


def round_to(x: float, digits: int) -> float:
    """Round to that many decimals (negative: to tens, hundreds), halves away from zero."""
    factor = 10.0 ** abs(digits)
    if digits < 0:
        return round_half_away(x / factor) * factor
    scaled = x * factor
    return round_half_away(scaled) / factor if math.isfinite(scaled) else x


def trunc_to(x: float, digits: int) -> float:
    """Cut to that many decimals (negative: to tens, hundreds)."""
    factor = 10.0 ** abs(digits)
    if digits < 0:
        return math.modf(x / factor)[1] * factor
    scaled = x * factor
    return math.modf(scaled)[1] / factor if math.isfinite(scaled) else x


def _two(function: str, x: str, y: str) -> str:
    """Return text that raises where `math` would: NaN from numbers, or infinite from finite ones."""
    value = f"{function}({x}, {y})"
    wrong = (
        f"(isnan({value}) AND NOT isnan({x}) AND NOT isnan({y})) "
        f"OR (isinf({value}) AND isfinite({x}) AND isfinite({y}))"
    )
    return f"CASE WHEN {wrong} THEN {fails(f'{function}: outside its domain')} ELSE {value} END"


def log1p(x: float) -> float:
    """Return ln(1 + x), computed so."""
    return math.log(1.0 + x)


def log(x: float, base: float) -> float:
    """Return ln(x) / ln(base); NaN for x of minus infinity and an infinite base."""
    return math.nan if x == -math.inf or base == math.inf else math.log(x) / math.log(base)


def _log_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, base = arguments
    return (
        f"CASE WHEN {x} IS NULL OR {base} IS NULL THEN NULL WHEN {x} = CAST('-inf' AS DOUBLE) "
        f"OR {base} = CAST('inf' AS DOUBLE) THEN CAST('nan' AS DOUBLE) WHEN {x} <= 0 OR {base} <= 0 OR {base} = 1 "
        f"THEN {fails('log: outside its domain')} ELSE ln({x}) / ln({base}) END"
    )


def _to_digits(function: str) -> Callable[[Sequence[Any], Sequence[Any]], str]:
    """Return the SQL form of `round` or `trunc` to a number of decimals."""

    def sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
        x, digits = arguments
        if digits == 0:
            return f"{function}({x})"
        factor = f"1e{abs(digits)}"
        if digits < 0:
            return f"({function}({x} / {factor}) * {factor})"
        return f"CASE WHEN isfinite({x} * {factor}) THEN {function}({x} * {factor}) / {factor} ELSE {x} END"

    return sql


_E, _ONE = math.e, "float64"

OPERATIONS = (
    unary("ln", "The natural logarithm; raises for x <= 0.", math.log, golden(
        (1.0, 0.0), (_E, 1.0), (0.0, Raises), (-1.0, Raises), (None, None), (_INF, _INF), (_NAN, _NAN), types=_ONE),
        fails_where="{0} <= 0"),
    Operation(
        name="log10",
        meaning="The logarithm to base 10; raises for x <= 0, NaN for minus infinity.",
        parameters=X,
        result="float64",
        sql=lambda a, t: (
            f"CASE WHEN {a[0]} = CAST('-inf' AS DOUBLE) THEN CAST('nan' AS DOUBLE) "
            f"WHEN {a[0]} <= 0 THEN {fails('log10: outside its domain')} ELSE log10({a[0]}) END"
        ),
        row=lambda a, t: f"(nan if {a[0]} == -inf else log10({a[0]}))",
        names={"log10": math.log10, "inf": _INF, "nan": _NAN},
        bigquery="LOG10",
        examples=golden((100.0, 2.0), (0.0, Raises), (-1.0, Raises), (-_INF, _NAN), (_INF, _INF), (None, None),
            types=_ONE),
    ),
    unary("log1p", "ln(1 + x), computed so; raises for x <= -1.", log1p, golden(
        (0.0, 0.0), (_E - 1, 1.0), (-1.0, Raises), (-2.0, Raises), (None, None), (_INF, _INF), (1e-20, 0.0),
        types=_ONE),
        sql="ln(1e0 + {0})", fails_where="1e0 + {0} <= 0", bigquery=""),
    unary("exp", "e to the power x; raises where that is too large.", math.exp, golden(
        (0.0, 1.0), (1.0, _E), (-_INF, 0.0), (_INF, _INF), (710.0, Raises), (-800.0, 0.0), (None, None), types=_ONE),
        fails_where="isinf(exp({0})) AND NOT isinf({0})"),
    unary("sqrt", "The square root; raises for x < 0.", math.sqrt, golden(
        (25.0, 5.0), (0.0, 0.0), (-0.0, -0.0), (-25.0, Raises), (_INF, _INF), (None, None), types=_ONE),
        fails_where="{0} < 0"),
    unary("cbrt", "The cube root.", math.cbrt, golden(
        (8.0, 2.0), (-1.0, -1.0), (0.0, 0.0), (-_INF, -_INF), (None, None), types=_ONE)),
    Operation(
        name="log",
        meaning="The logarithm of x to a base, ln(x) / ln(base); raises for x <= 0, base <= 0 and base = 1, NaN for x "
        "of minus infinity and an infinite base.",
        parameters=(*X, Parameter(name="base", types=("float64",))),
        result="float64",
        sql=_log_sql,
        row=lambda a, t: f"log({a[0]}, {a[1]})",
        names={"log": log},
        bigquery="LOG",
        examples=golden((8.0, 2.0, 3.0), (100.0, 10.0, 2.0), (0.0, 2.0, Raises), (2.0, 1.0, Raises),
            (2.0, -1.0, Raises), (-_INF, 2.0, _NAN), (2.0, _INF, _NAN), (_INF, 0.5, -_INF), (_INF, 2.0, _INF),
            (None, 0.0, None), (0.0, None, None), (_NAN, 2.0, _NAN), types="float64; float64"),
    ),
    Operation(
        name="pow",
        meaning="x to the power y; raises where that is no real number, or too large.",
        parameters=(*X, Parameter(name="y", types=("float64",))),
        result="float64",
        sql=lambda a, t: _two("pow", a[0], a[1]),
        row=lambda a, t: f"pow({a[0]}, {a[1]})",
        names={"pow": math.pow},
        bigquery="POW",
        examples=golden((2.0, 3.0, 8.0), (-2.0, 3.0, -8.0), (1.0, _NAN, 1.0), (_NAN, 0.0, 1.0), (-1.0, _INF, 1.0),
                        (-8.0, 0.5, Raises), (0.0, -1.0, Raises), (10.0, 400.0, Raises), (None, 2.0, None),
                        (2.0, None, None),
                        types="float64; float64"),
    ),
    Operation(
        name="floor",
        meaning="The greatest integral float that is at most x.",
        parameters=X,
        result="float64",
        sql=lambda a, t: f"floor({a[0]})",
        row=lambda a, t: f"(w if (w := {a[0]} // 1.0) == w else {a[0]})",
        bigquery="FLOOR",
        examples=golden((2.7, 2.0), (-2.3, -3.0), (-0.0, -0.0), (_INF, _INF), (_NAN, _NAN), (None, None), types=_ONE),
    ),
    Operation(
        name="ceil",
        meaning="The least integral float that is at least x.",
        parameters=X,
        result="float64",
        sql=lambda a, t: f"ceil({a[0]})",
        row=lambda a, t: f"(-w if (w := -{a[0]} // 1.0) == w else {a[0]})",
        bigquery="CEIL",
        examples=golden((2.1, 3.0), (-2.3, -2.0), (-0.5, -0.0), (-_INF, -_INF), (_NAN, _NAN), (None, None), types=_ONE),
    ),
    Operation(
        name="trunc",
        meaning="x cut to that many decimals (negative: tens, hundreds), towards zero.",
        parameters=(*X, Parameter(name="digits", types=("int64",), default=0, constant=True)),
        result="float64",
        sql=_to_digits("trunc"),
        row=lambda a, t: f"trunc_to({a[0]}, {a[1]})" if a[1] else f"modf({a[0]})[1]",
        names={"trunc_to": trunc_to, "modf": math.modf},
        bigquery="TRUNC",
        examples=golden((2.9, 0, 2.0), (-2.9, 0, -2.0), (-0.5, 0, -0.0), (123.456, 2, 123.45), (-129.9, -1, -120.0),
            (1.7e308, 2, 1.7e308), (_INF, 0, _INF), (_NAN, 1, _NAN), (None, 0, None), types="float64; int64"),
    ),
    Operation(
        name="round",
        meaning="x rounded to that many decimals (negative: tens, hundreds), halves away from zero.",
        parameters=(*X, Parameter(name="digits", types=("int64",), default=0, constant=True)),
        result="float64",
        sql=_to_digits("round"),
        row=lambda a, t: f"round_to({a[0]}, {a[1]})" if a[1] else f"round_half_away({a[0]})",
        names={"round_to": round_to, "round_half_away": round_half_away},
        bigquery="ROUND",
        examples=golden((2.0, 0, 2.0), (2.5, 0, 3.0), (-2.5, 0, -3.0), (0.49999999999999994, 0, 0.0), (-0.4, 0, -0.0),
                        (1.235, 2, 1.24), (123.7, -1, 120.0), (1.7e308, 2, 1.7e308), (_INF, 1, _INF), (_NAN, 0, _NAN),
                        (None, 1, None), types="float64; int64"),
    ),
    Operation(
        name="is_nan",
        meaning="Whether x is NaN; NULL for NULL.",
        parameters=X,
        result="bool",
        sql=lambda a, t: f"isnan({a[0]})",
        row=lambda a, t: f"({a[0]} != {a[0]})",
        bigquery="IS_NAN",
        examples=golden((_NAN, True), (1.0, False), (_INF, False), (None, None), types=_ONE),
    ),
    Operation(
        name="is_inf",
        meaning="Whether x is infinite, of either sign; NULL for NULL.",
        parameters=X,
        result="bool",
        sql=lambda a, t: f"isinf({a[0]})",
        row=lambda a, t: f"isinf({a[0]})",
        names={"isinf": math.isinf},
        bigquery="IS_INF",
        examples=golden((-_INF, True), (1e308, False), (_NAN, False), (None, None), types=_ONE),
    ),
)  # fmt: skip
