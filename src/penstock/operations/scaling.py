"""Scaling: what learned scalers freeze into, and arrays brought to length 1."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, golden
from penstock.core.schema import element_type
from penstock.errors import ExpressionError
from penstock.operations.literals import let, sql_literal

_X = Parameter(name="x", types=("float64",))
_WHOLE, _NORM, _ITEM, _SUM = '"(array)"', '"(norm)"', '"(item)"', '"(sum)"'  # names inside the SQL form


def _constant(name: str) -> Parameter:
    return Parameter(name=name, types=("float64",), constant=True)


def _min_max_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, low, high = arguments
    return f"(0.0 if (w := ({x} - {low!r}) / {high - low or 1.0!r}) <= 0.0 else w if w <= 1.0 else 1.0)"


def _min_max_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, low, high = arguments
    scaled = f"({x} - {sql_literal(low, 'float64')}) / {sql_literal(high - low or 1.0, 'float64')}"
    return f"CASE WHEN {x} IS NOT NULL THEN least(1e0, greatest(0e0, {scaled})) END"  # they leave NULL out


def _power(x: float, p: float) -> float:
    """Raise a number that is not negative to a power, as DuckDB does: too large is infinity."""
    try:
        return math.pow(x, p)
    except OverflowError:
        return math.inf


def _norm(x: list[float], p: float) -> float:
    """Return the p-norm; items are added from the first to the last, as the SQL form does."""
    sizes = [abs(item) for item in x]
    if p == 0:
        return float(sum(size != 0 for size in sizes))
    if p == math.inf:
        return functools.reduce(lambda one, other: other if other > one or other != other else one, sizes, 0.0)
    powers = sizes if p == 1 else [size * size for size in sizes] if p == 2 else [_power(size, p) for size in sizes]
    total = functools.reduce(lambda one, other: one + other, powers, 0.0)  # since 3.12 sum() rounds otherwise
    return total if p == 1 else math.sqrt(total) if p == 2 else _power(total, 1 / p)


def normalized(x: list[float | None], p: float) -> list[float | None]:
    """Return the items divided by their p-norm; NULL stays, and so does an array of zeros."""
    divisor = _norm([float(item) for item in x if item is not None], p) or 1.0
    return [None if item is None else item / divisor for item in x]


def _normalized_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, p = f"CAST({arguments[0]} AS DOUBLE[])", float(arguments[1])
    exponent = sql_literal(p, "float64")
    size = {1.0: f"abs({_ITEM})", 2.0: f"{_ITEM} * {_ITEM}", math.inf: f"abs({_ITEM})"}.get(
        p, f"pow(abs({_ITEM}), {exponent})"
    )
    added = f"greatest({_SUM}, {_ITEM})" if p == math.inf else f"{_SUM} + {_ITEM}"
    known = f"list_filter({_WHOLE}, lambda {_ITEM}: {_ITEM} IS NOT NULL)"
    total = f"list_reduce(list_transform({known}, lambda {_ITEM}: {size}), lambda {_SUM}, {_ITEM}: {added}, 0e0)"
    roots = {1.0: total, math.inf: total, 2.0: f"sqrt({total})"}
    norm = roots.get(p) or f"pow({total}, {sql_literal(1 / p, 'float64') if p else 1})"
    if p == 0:
        norm = f"CAST(len(list_filter({_WHOLE}, lambda {_ITEM}: {_ITEM} <> 0)) AS DOUBLE)"
    divisor = f"CASE WHEN {_NORM} = 0 THEN 1e0 ELSE {_NORM} END"
    body = let(_NORM, norm, f"list_transform({_WHOLE}, lambda {_ITEM}: {_ITEM} / ({divisor}))")
    return let(_WHOLE, x, body)


def _numbers_type(types: Sequence[Any]) -> str:
    if element_type(types[0]) not in ("int64", "float64", "null"):
        raise ExpressionError(f"normalizer takes an array of numbers, but it was given {types[0]}")
    return "array<float64>"


def _checked_degree(p: float) -> None:
    if p != 0 and not p >= 1:
        raise ValueError("p is 0, at least 1, or infinity")


_FLOATS = "float64; float64; float64"
_INF = math.inf
_WORDS = {"inf": math.inf, "nan": math.nan}  # how Python writes them is no literal

OPERATIONS = (
    Operation(
        name="standardize",
        meaning="(x - mean) / deviation; a deviation of 0 counts as 1.",
        parameters=(_X, _constant("mean"), _constant("deviation")),
        result="float64",
        sql=lambda a, t: f"(({a[0]} - {sql_literal(a[1], 'float64')}) / {sql_literal(a[2] or 1.0, 'float64')})",
        row=lambda a, t: f"(({a[0]} - {a[1]!r}) / {a[2] or 1.0!r})",
        names=_WORDS,
        examples=golden((5.0, 3.0, 2.0, 1.0), (3.0, 3.0, 0.0, 0.0), (-1.0, 3.0, 0.5, -8.0), (None, 3.0, 2.0, None),
            (1.0, None, None, None), (1.0, _INF, math.nan, math.nan), types=_FLOATS),
    ),
    Operation(
        name="scale_min_max",
        meaning="(x - min) / (max - min), held between 0 and 1; where max = min the divisor is 1.",
        parameters=(_X, _constant("min"), _constant("max")),
        result="float64",
        sql=_min_max_sql,
        row=_min_max_row,
        names=_WORDS,
        examples=golden((5.0, 0.0, 10.0, 0.5), (-5.0, 0.0, 10.0, 0.0), (50.0, 0.0, 10.0, 1.0), (3.0, 3.0, 3.0, 0.0),
            (_INF, 0.0, 1.0, 1.0), (7.0, 0.0, _INF, 0.0), (_INF, -_INF, _INF, 1.0),
                        (None, 0.0, 1.0, None), types=_FLOATS),
    ),
    Operation(
        name="normalizer",
        meaning="The numbers of an array divided by their p-norm: p is 0 (how many are not 0), at least 1, or infinity "
        "(the greatest absolute value). NULL items stay and do not count; zeros alone stay zeros.",
        parameters=(Parameter(name="x", types=("array",)),
            Parameter(name="p", types=("float64",), default=2.0, constant=True, prepare=_checked_degree)),
        result=_numbers_type,
        sql=_normalized_sql,
        row=lambda a, t: f"normalized({a[0]}, {'inf' if a[1] == math.inf else repr(a[1])})",
        names={"normalized": normalized, "inf": math.inf},
        bigquery="ML.NORMALIZER",
        examples=(
            *golden(([4.0, 1.0, 2.0, 2.0, 0.0], 2.0, [0.8, 0.2, 0.4, 0.4, 0.0]), ([3.0, -1.0], 1.0, [0.75, -0.25]),
                ([3.0, 0.0, -1.0], 0.0, [1.5, 0.0, -0.5]), ([3.0, -4.0], _INF, [0.75, -1.0]), ([], 2.0, []),
                ([2.0, 2.0], 3.0, [2.0 / 16.0 ** (1 / 3)] * 2), ([3.0, None], 2.0, [1.0, None]),
                ([0.0, -0.0], 2.0, [0.0, -0.0]), ([1e300, 0.0], 2.0, [0.0, 0.0]), ([1e300], 7.5, [0.0]),
                ([_INF], _INF, [math.nan]), ([math.nan, 1.0], _INF, [math.nan] * 2), (None, 2.0, None),
                types="array<float64>; float64"),
            *golden(([4, None, 3], 2.0, [0.8, None, 0.6]), types="array<int64>; float64"),
        ),
    ),
)  # fmt: skip
