"""Choosing between values: IF, COALESCE, NULLIF, GREATEST, LEAST. A branch that is not taken is not computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, golden
from penstock.operations.comparison import compare_sql


def _alike(types: Sequence[Any]) -> str:
    return str(types[-1])


def _coalesce_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    """Nest from the right: each argument but the last is a name, for it is read twice."""
    source = arguments[-1]
    for argument in reversed(arguments[:-1]):
        source = f"({source} if {argument} is None else {argument})"
    return str(source)


def _extreme_sql(function: str, arguments: Sequence[Any], types: Sequence[Any]) -> str:
    """DuckDB leaves NULL out and has NaN above all; BigQuery answers NULL if any is NULL, else NaN if any is NaN."""
    nulls = " OR ".join(f"{argument} IS NULL" for argument in arguments)
    nans = " OR ".join(f"isnan({argument})" for argument in arguments)
    is_nan = f"WHEN {nans} THEN CAST('nan' AS DOUBLE) " if types[0] == "float64" else ""
    return f"CASE WHEN {nulls} THEN NULL {is_nan}ELSE {function}({', '.join(arguments)}) END"


def _extreme_row(function: str, arguments: Sequence[Any], types: Sequence[Any]) -> str:
    if len(arguments) == 1:
        return str(arguments[0])
    plain = f"{function}({', '.join(arguments)})"
    if types[0] != "float64":
        return plain
    unequal = " or ".join(f"{argument} != {argument}" for argument in arguments)
    return f"(nan if {unequal} else {plain})"


_VALUES = (Parameter(name="x", types=("scalar",), alike=True, repeated=True),)
_FLOATS = "float64; float64"

OPERATIONS = (
    Operation(
        name="if_else",
        meaning="`then` where the condition is TRUE, else (FALSE, NULL) `otherwise`. Only the one needed is computed.",
        parameters=(
            Parameter(name="condition", types=("bool",)),
            Parameter(name="then", types=("any",), alike=True),
            Parameter(name="otherwise", types=("any",), alike=True),
        ),
        result=_alike,
        sql=lambda a, t: f"CASE WHEN {a[0]} THEN {a[1]} ELSE {a[2]} END",
        row=lambda a, t: f"({a[1]} if {a[0]} else {a[2]})",
        nulls="handles",
        bigquery="IF",
        examples=(
            *golden((True, 1, 2, 1), (False, 1, 2, 2), (None, 1, 2, 2), (True, None, 2, None),
                types="bool; int64; int64"),
            *golden((False, "", "-", "-"), (True, "", "-", ""), types="bool; string; string"),
            *golden((True, 1, 2.5, 1.0), types="bool; int64; float64"),
        ),
    ),
    Operation(
        name="coalesce",
        meaning="The first argument that is not NULL; those after it are not computed.",
        parameters=(Parameter(name="x", types=("any",), alike=True, repeated=True),),
        result=_alike,
        sql=lambda a, t: f"coalesce({', '.join(a)})",
        row=_coalesce_row,
        nulls="handles",
        bigquery="COALESCE",
        examples=(
            *golden(("A", None, "A"), (None, "B", "B"), (None, None, None), ("", "B", ""), types="string; string"),
            *golden((None, None, 3, 3), (None, -2, 3, -2), types="int64; int64; int64"),
            *golden((None, 0, 0.0), (math.nan, 0, math.nan), types="float64; int64"),
        ),
    ),
    Operation(
        name="nullif",
        meaning="NULL where x equals y, else x.",
        parameters=(
            Parameter(name="x", types=("scalar",), alike=True),
            Parameter(name="y", types=("scalar",), alike=True),
        ),
        result=_alike,
        sql=lambda a, t: f"CASE WHEN {compare_sql('=')(a, t)} THEN NULL ELSE {a[0]} END",
        row=lambda a, t: f"(None if {a[0]} == {a[1]} else {a[0]})",
        nulls="handles",
        bigquery="NULLIF",
        examples=(
            *golden((0, 0, None), (10, 0, 10), (None, 0, None), (10, None, 10), (None, None, None),
                types="int64; int64"),
            *golden((math.nan, math.nan, math.nan), (-0.0, 0.0, None), types=_FLOATS),
            *golden(("", "", None), types="string; string"),
        ),
    ),
    Operation(
        name="nullifzero",
        meaning="NULL where x is 0, else x.",
        parameters=(Parameter(name="x", types=("number",)),),
        result=_alike,
        sql=lambda a, t: f"CASE WHEN {a[0]} <> 0 THEN {a[0]} END",
        row=lambda a, t: f"({a[0]} or None)",
        nulls="makes",
        bigquery="NULLIFZERO",
        examples=(*golden((0, None), (5, 5), (-1, -1), (None, None), types="int64"),
                  *golden((-0.0, None), (0.5, 0.5), (math.nan, math.nan), types="float64")),
    ),
    Operation(
        name="zeroifnull",
        meaning="0 where x is NULL, else x.",
        parameters=(Parameter(name="x", types=("number",)),),
        result=_alike,
        sql=lambda a, t: f"coalesce({a[0]}, 0)",
        row=lambda a, t: f"({'0' if t[0] == 'int64' else '0.0'} if {a[0]} is None else {a[0]})",
        nulls="answers",
        bigquery="ZEROIFNULL",
        examples=(*golden((None, 0), (5, 5), (0, 0), types="int64"),
                  *golden((None, 0.0), (-0.0, -0.0), (math.nan, math.nan), types="float64")),
    ),
    Operation(
        name="greatest",
        meaning="The greatest argument; NULL if any is NULL, NaN if any is NaN.",
        parameters=_VALUES,
        result=_alike,
        sql=lambda a, t: _extreme_sql("greatest", a, t),
        row=lambda a, t: _extreme_row("max", a, t),
        names={"nan": math.nan},
        bigquery="GREATEST",
        examples=(
            *golden((3, 5, 1, 5), (3, None, 1, None), (-3, -5, -4, -3), types="int64; int64; int64"),
            *golden((1.0, math.nan, math.nan), (math.nan, 1.0, math.nan), (0.0, -0.0, 0.0), (-0.0, 0.0, -0.0),
                types=_FLOATS),
            *golden(("a", "B", "a"), ("", "B", "B"), types="string; string"),
        ),
    ),
    Operation(
        name="least",
        meaning="The least argument; NULL if any is NULL, NaN if any is NaN.",
        parameters=_VALUES,
        result=_alike,
        sql=lambda a, t: _extreme_sql("least", a, t),
        row=lambda a, t: _extreme_row("min", a, t),
        names={"nan": math.nan},
        bigquery="LEAST",
        examples=(
            *golden((3, 5, 1, 1), (3, None, 1, None), (-3, -5, -4, -5), types="int64; int64; int64"),
            *golden((1.0, math.nan, math.nan), (math.nan, 1.0, math.nan), (0.0, -0.0, 0.0), (-0.0, 0.0, -0.0),
                types=_FLOATS),
        ),
    ),
)  # fmt: skip
