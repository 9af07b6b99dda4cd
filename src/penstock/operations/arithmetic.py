"""Arithmetic: what +, -, *, /, MOD, DIV and their safe forms mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.literals import fails

LEAST, MOST = -(2**63), 2**63 - 1


def overflow(value: int) -> int:
    """Raise: the value does not fit into int64."""
    raise ExpressionError(f"{value} does not fit into int64")


def ieee_divide(x: float, y: float) -> float:
    """Divide as the hardware does: by zero gives an infinity, or nan for 0/0."""
    try:
        return x / y
    except ZeroDivisionError:
        return x * math.copysign(math.inf, y)  # of 0 the very NaN that the hardware makes of 0/0


def in_int64(source: str) -> str:
    """Return Python source that gives an integer, or raises where it does not fit into int64."""
    return f"(w if {LEAST} <= (w := {source}) <= {MOST} else overflow(w))"


_BY_ZERO = fails("division by zero; safe_divide gives NULL there")
_NUMBERS = (
    Parameter(name="x", types=("number",), alike=True),
    Parameter(name="y", types=("number",), alike=True),
)
_INTEGERS = (Parameter(name="x", types=("int64",)), Parameter(name="y", types=("int64",)))
_FLOATS = (Parameter(name="x", types=("float64",)), Parameter(name="y", types=("float64",)))
_NUMBER = (Parameter(name="x", types=("number",)),)
_BIG = 2**63 - 1


def _same(types: Sequence[Any]) -> str:
    return str(types[0])


def _row(template: str) -> Callable[[Sequence[Any], Sequence[Any]], str]:
    """Return a row form: the template, held to int64 where the arguments are integers."""

    def row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
        source = template.format(*arguments)
        return in_int64(source) if types[0] == "int64" else f"({source})"

    return row


OPERATIONS = (
    Operation(
        name="add",
        meaning="The sum. Integers raise when it does not fit into int64; floats become infinite.",
        parameters=_NUMBERS,
        result=_same,
        sql=lambda a, t: f"({a[0]} + {a[1]})",
        row=_row("{} + {}"),
        names={"overflow": overflow},
        examples=(
            *golden((2, 3, 5), (-2, 2, 0), (None, 3, None), (_BIG, 1, Raises), (_BIG, 0, _BIG), types="int64; int64"),
            *golden(
                (0.1, 0.2, 0.30000000000000004), (1e308, 1e308, math.inf), (1.5, None, None), types="float64; float64"
            ),
            *golden((2**53 + 1, 0.0, 9007199254740992.0), (1, 0.5, 1.5), types="int64; float64"),
        ),
    ),
    Operation(
        name="subtract",
        meaning="The difference. Integers raise when it does not fit into int64; floats become infinite.",
        parameters=_NUMBERS,
        result=_same,
        sql=lambda a, t: f"({a[0]} - {a[1]})",
        row=_row("{} - {}"),
        names={"overflow": overflow},
        examples=(
            *golden((2, 3, -1), (None, 3, None), (-_BIG, 2, Raises), types="int64; int64"),
            *golden((0.3, 0.1, 0.19999999999999998), (-0.0, 0.0, -0.0), types="float64; float64"),
        ),
    ),
    Operation(
        name="multiply",
        meaning="The product. Integers raise when it does not fit into int64; floats become infinite.",
        parameters=_NUMBERS,
        result=_same,
        sql=lambda a, t: f"({a[0]} * {a[1]})",
        row=_row("{} * {}"),
        names={"overflow": overflow},
        examples=(
            *golden((2, 3, 6), (2, None, None), (2**62, 2, Raises), (-(2**62), 2, -(2**63)), types="int64; int64"),
            *golden((1.1, 1.1, 1.2100000000000002), (-1.0, 0.0, -0.0), types="float64; float64"),
        ),
    ),
    Operation(
        name="divide",
        meaning="The quotient, always float64. Division by zero raises; see safe_divide and ieee_divide.",
        parameters=_FLOATS,
        result="float64",
        sql=lambda a, t: f"CASE WHEN {a[1]} = 0 AND {a[0]} IS NOT NULL THEN {_BY_ZERO} ELSE {a[0]} / {a[1]} END",
        row=lambda a, t: f"({a[0]} / {a[1]})",
        examples=(
            *golden((1, 2, 0.5), (-7, 2, -3.5), (1, 0, Raises), (None, 0, None), (1, None, None), types="int64; int64"),
            *golden((1.0, 3.0, 1 / 3), (0.0, 0.0, Raises), (math.inf, 2.0, math.inf), types="float64; float64"),
        ),
    ),
    Operation(
        name="safe_divide",
        meaning="The quotient, always float64; NULL for division by zero.",
        parameters=_FLOATS,
        result="float64",
        sql=lambda a, t: f"({a[0]} / nullif({a[1]}, 0))",
        row=lambda a, t: f"({a[0]} / {a[1]} if {a[1]} else None)",
        nulls="makes",
        bigquery="SAFE_DIVIDE",
        examples=golden(
            (1.0, 4.0, 0.25),
            (1.0, 0.0, None),
            (1.0, -0.0, None),
            (None, 2.0, None),
            (math.nan, 1.0, math.nan),
            types="float64; float64",
        ),
    ),
    Operation(
        name="ieee_divide",
        meaning="The quotient, always float64; division by zero gives an infinity, 0/0 gives NaN.",
        parameters=_FLOATS,
        result="float64",
        sql=lambda a, t: f"({a[0]} / {a[1]})",
        row=lambda a, t: f"ieee_divide({a[0]}, {a[1]})",
        names={"ieee_divide": ieee_divide},
        bigquery="IEEE_DIVIDE",
        examples=golden(
            (20.0, 4.0, 5.0),
            (0.0, 25.0, 0.0),
            (25.0, 0.0, math.inf),
            (-25.0, 0.0, -math.inf),
            (25.0, -0.0, -math.inf),
            (0.0, 0.0, math.nan),
            (None, 0.0, None),
            types="float64; float64",
        ),
    ),
    Operation(
        name="mod",
        meaning="The remainder, with the sign of x. Division by zero raises.",
        parameters=_INTEGERS,
        result="int64",
        sql=lambda a, t: f"CASE WHEN {a[1]} = -1 THEN {a[0]} * 0 ELSE {a[0]} % {a[1]} END",  # min % -1 overflows
        row=lambda a, t: f"({a[0]} % {a[1]} if ({a[0]} >= 0) == ({a[1]} > 0) else -(-{a[0]} % {a[1]}))",
        bigquery="MOD",
        examples=golden(
            (25, 12, 1),
            (-25, 12, -1),
            (25, -12, 1),
            (-25, -12, -1),
            (5, 0, Raises),
            (None, 0, None),
            (-(2**63), -1, 0),
            types="int64; int64",
        ),
    ),
    Operation(
        name="div",
        meaning="The quotient of integers without its fraction. Division by zero raises.",
        parameters=_INTEGERS,
        result="int64",
        sql=lambda a, t: f"({a[0]} // {a[1]})",
        row=lambda a, t: in_int64(f"{a[0]} // {a[1]} if ({a[0]} >= 0) == ({a[1]} > 0) else -(-{a[0]} // {a[1]})"),
        names={"overflow": overflow},
        bigquery="DIV",
        examples=golden(
            (20, 4, 5),
            (12, -7, -1),
            (-12, 7, -1),
            (-12, -7, 1),
            (0, 20, 0),
            (20, 0, Raises),
            (None, 0, None),
            (-(2**63), -1, Raises),
            (-(2**63), 1, -(2**63)),
            types="int64; int64",
        ),
    ),
    Operation(
        name="negate",
        meaning="The number with the other sign. The least int64 raises.",
        parameters=_NUMBER,
        result=_same,
        sql=lambda a, t: f"({'0' if t[0] == 'int64' else ''} - {a[0]})" if t[0] == "int64" else f"(-({a[0]}))",
        row=_row("-{}"),
        names={"overflow": overflow},
        examples=(
            *golden((5, -5), (None, None), (-(2**63), Raises), types="int64"),
            *golden((0.0, -0.0), (-math.inf, math.inf), types="float64"),
        ),
    ),
    Operation(
        name="abs",
        meaning="The number without its sign. The least int64 raises.",
        parameters=_NUMBER,
        result=_same,
        sql=lambda a, t: f"abs({a[0]})",
        row=_row("abs({})"),
        names={"overflow": overflow},
        bigquery="ABS",
        examples=(
            *golden((25, 25), (-25, 25), (None, None), (-(2**63), Raises), types="int64"),
            *golden((-0.0, 0.0), (-math.inf, math.inf), types="float64"),
        ),
    ),
    Operation(
        name="sign",
        meaning="-1, 0 or 1, of the number's type; NaN stays NaN.",
        parameters=_NUMBER,
        result=_same,
        sql=lambda a, t: (
            f"CAST(sign({a[0]}) AS BIGINT)"
            if t[0] == "int64"
            else f"CASE WHEN isnan({a[0]}) THEN {a[0]} ELSE CAST(sign({a[0]}) AS DOUBLE) END"
        ),
        row=lambda a, t: (
            f"(({a[0]} > 0) - ({a[0]} < 0))"
            if t[0] == "int64"
            else f"(({a[0]} > 0) - ({a[0]} < 0) + 0.0 if {a[0]} == {a[0]} else {a[0]})"
        ),
        bigquery="SIGN",
        examples=(
            *golden((25, 1), (0, 0), (-25, -1), (None, None), types="int64"),
            *golden((-0.5, -1.0), (-0.0, 0.0), (math.nan, math.nan), types="float64"),
        ),
    ),
)
