"""Comparison: =, <>, <, <=, >, >=, IN, IS NULL, as BigQuery has them: NaN is unequal to everything, itself included."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.operation import Example, Operation, Parameter, golden
from penstock.errors import ExpressionError
from penstock.operations.literals import sql_literal

_ALIKE = (
    Parameter(name="x", types=("scalar",), alike=True),
    Parameter(name="y", types=("scalar",), alike=True),
)
_ANY = (Parameter(name="x", types=("any",)),)


def compare_sql(symbol: str) -> Callable[[Sequence[Any], Sequence[Any]], str]:
    """Return the SQL form of a comparison. DuckDB has NaN equal to itself and above all, so floats ask for it first."""
    # `suspect`: the one argument that, being NaN, makes DuckDB wrong; `instead`: the answer, NULL if the other is NULL.
    suspect, instead = {
        "=": (0, "<>"),
        "<>": (0, "="),
        "<": (1, "<>"),
        "<=": (1, "<>"),
        ">": (0, "<>"),
        ">=": (0, "<>"),
    }[symbol]

    def sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
        plain = f"({arguments[0]} {symbol} {arguments[1]})"
        if types[0] != "float64":
            return plain
        other = arguments[1 - suspect]
        return f"CASE WHEN isnan({arguments[suspect]}) THEN {other} {instead} {other} ELSE {plain} END"

    return sql


def _compare(name: str, meaning: str, symbol: str, python: str, examples: tuple[Example, ...]) -> Operation:
    return Operation(
        name=name,
        meaning=meaning,
        parameters=_ALIKE,
        result="bool",
        sql=compare_sql(symbol),
        row=lambda a, t: f"({a[0]} {python} {a[1]})",
        examples=examples,
    )


def _in_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    """Write the list out; an empty one is FALSE for every value that is not NULL."""
    x, values = arguments
    written = [sql_literal(value, types[0]) for value in values if value == value]  # NaN is in no list
    return f"({x} IN ({', '.join(written)}))" if written else f"({x} IS NULL AND NULL)"


def _set(values: tuple[Any, ...]) -> frozenset[Any]:
    """Return the values to search; Python would find NaN by identity."""
    return frozenset(value for value in values if value == value)


def _ascending(types: Sequence[Any]) -> str:
    """Return the result's type; raises where the boundaries do not ascend."""
    values = types[1] or ()
    if None in values or any(not low <= high for low, high in zip((*values[:1], *values), values, strict=False)):
        raise ExpressionError(f"range_bucket: the boundaries {list(values)} must ascend, without NULL and NaN")
    return "int64"


def _range_bucket_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    """Write a tree of comparisons, so that each row meets only log2 of the boundaries."""
    x, values = arguments

    def tree(low: int, high: int) -> str:
        if low == high:
            return str(low)
        middle = (low + high) // 2
        below = f"{x} < {sql_literal(values[middle], types[0])}"
        return f"CASE WHEN {below} THEN {tree(low, middle)} ELSE {tree(middle + 1, high)} END"

    known = f"NOT isnan({x})" if types[0] == "float64" else f"{x} IS NOT NULL"
    return f"CASE WHEN {known} THEN CAST({tree(0, len(values))} AS BIGINT) END"


_NAN = math.nan
_FLOATS = "float64; float64"

OPERATIONS = (
    _compare("eq", "Whether x equals y.", "=", "==", (
        *golden((1, 1, True), (1, 2, False), (None, 1, None), (None, None, None), types="int64; int64"),
        *golden((0.0, -0.0, True), (_NAN, _NAN, False), (_NAN, 1.0, False), (_NAN, None, None), types=_FLOATS),
        *golden(("", "", True), ("a", "A", False), ("é", "e\u0301", False), types="string; string"),
        *golden((2**53 + 1, 2.0**53, True), types="int64; float64"),
    )),
    _compare("ne", "Whether x differs from y.", "<>", "!=", (
        *golden((1, 1, False), (1, 2, True), (None, 1, None), types="int64; int64"),
        *golden((_NAN, _NAN, True), (_NAN, 1.0, True), (None, _NAN, None), (0.0, -0.0, False), types=_FLOATS),
    )),
    _compare("lt", "Whether x is less than y; strings compare character by character.", "<", "<", (
        *golden((1, 2, True), (2, 2, False), (None, 1, None), types="int64; int64"),
        *golden((1.0, _NAN, False), (_NAN, 1.0, False), (None, _NAN, None), (-math.inf, 0.0, True), types=_FLOATS),
        *golden(("", "a", True), ("Z", "a", True), ("a", None, None), types="string; string"),
        *golden((False, True, True), types="bool; bool"),
    )),
    _compare("le", "Whether x is at most y.", "<=", "<=", (
        *golden((1, 2, True), (2, 2, True), (3, 2, False), (None, 1, None), types="int64; int64"),
        *golden((1.0, _NAN, False), (_NAN, _NAN, False), (None, _NAN, None), (0.0, -0.0, True), types=_FLOATS),
    )),
    _compare("gt", "Whether x is greater than y.", ">", ">", (
        *golden((2, 1, True), (2, 2, False), (None, 1, None), types="int64; int64"),
        *golden((_NAN, 1.0, False), (1.0, _NAN, False), (_NAN, None, None), (math.inf, 0.0, True), types=_FLOATS),
    )),
    _compare("ge", "Whether x is at least y.", ">=", ">=", (
        *golden((2, 1, True), (2, 2, True), (1, 2, False), (1, None, None), types="int64; int64"),
        *golden((_NAN, 1.0, False), (_NAN, _NAN, False), (_NAN, None, None), (-0.0, 0.0, True), types=_FLOATS),
    )),
    Operation(
        name="in",
        meaning="Whether x is one of the values. NaN is in no list.",
        parameters=(
            Parameter(name="x", types=("scalar",), alike=True),
            Parameter(name="values", types=("array",), constant=True, alike=True, prepare=_set),
        ),
        result="bool",
        sql=_in_sql,
        row=lambda a, t: f"({a[0]} in {a[1]})",
        examples=(
            *golden(("b", ("a", "b"), True), ("", ("a", "b"), False), (None, ("a",), None),
                types="string; array<string>"),
            *golden((3, (1, 3), True), (-3, (1, 3), False), (3, (), False), (None, (), None),
                types="int64; array<int64>"),
            *golden((-0.0, (0.0,), True), (_NAN, (_NAN, 1.0), False), types="float64; array<float64>"),
        ),
    ),
    Operation(
        name="range_bucket",
        meaning="How many of the ascending boundaries are at most x; NULL for NaN.",
        parameters=(
            Parameter(name="x", types=("scalar",), alike=True),
            Parameter(name="boundaries", types=("array",), constant=True, alike=True, prepare=tuple),
        ),
        result=_ascending,
        sql=_range_bucket_sql,
        row=lambda a, t: f"(bisect({a[1]}, {a[0]}) if {a[0]} == {a[0]} else None)",
        nulls="makes",
        names={"bisect": bisect.bisect_right},
        bigquery="RANGE_BUCKET",
        examples=(
            *golden((20, (0, 10, 20, 30, 40), 3), (20, (0, 10, 20, 20, 40, 40), 4), (25, (0, 10, 20, 30, 40), 3),
                (-10, (5, 10, 20, 30, 40), 0), (80, (0, 10, 20, 30, 40), 5), (80, (), 0), (None, (0, 10), None),
                types="int64; array<int64>"),
            *golden((1.2, (1.0, 1.2, 1.4, 1.6), 2), (_NAN, (1.0,), None), (math.inf, (1.0,), 1),
                types="float64; array<float64>"),
            *golden(("a", ("a", "b", "c", "d"), 1), ("", ("a",), 0), types="string; array<string>"),
        ),
    ),
    Operation(
        name="is_null",
        meaning="Whether x is NULL.",
        parameters=_ANY,
        result="bool",
        sql=lambda a, t: f"({a[0]} IS NULL)",
        row=lambda a, t: f"({a[0]} is None)",
        nulls="answers",
        examples=(*golden((None, True), ("", False), types="string"), *golden((_NAN, False), types="float64")),
    ),
    Operation(
        name="is_not_null",
        meaning="Whether x is not NULL.",
        parameters=_ANY,
        result="bool",
        sql=lambda a, t: f"({a[0]} IS NOT NULL)",
        row=lambda a, t: f"({a[0]} is not None)",
        nulls="answers",
        examples=(*golden((None, False), ("", True), types="string"), *golden((0, True), types="int64")),
    ),
)  # fmt: skip
