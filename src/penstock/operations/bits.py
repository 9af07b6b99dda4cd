"""Bits of int64, which are 64 in two's complement: &, |, ^, ~, <<, >> and BIT_COUNT."""

from __future__ import annotations

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.literals import fails
from penstock.operations.templates import plain

_X, _Y = Parameter(name="x", types=("int64",)), Parameter(name="y", types=("int64",))
_ALL = 2**64 - 1
_MOST, _LEAST = 2**63 - 1, -(2**63)
_NEGATIVE = "a shift by a negative number of bits"


def shift_left(x: int, number: int) -> int:
    """Return the bits moved to the left; those that leave are lost."""
    if number < 0:
        raise ExpressionError(f"{_NEGATIVE}: {number}")
    moved = (x << number) & _ALL if number < 64 else 0
    return moved - 2**64 if moved > _MOST else moved


def shift_right(x: int, number: int) -> int:
    """Return the bits moved to the right; zeros come in, whatever the sign was."""
    if number < 0:
        raise ExpressionError(f"{_NEGATIVE}: {number}")
    return x if number == 0 else (x & _ALL) >> number


def _shift(name: str, meaning: str, symbol: str, examples: tuple[tuple[object, ...], ...]) -> Operation:
    moved = f"CAST(CAST({{0}} AS BIT) {symbol} CAST({{1}} & 63 AS INTEGER) AS BIGINT)"
    return plain(
        name,
        meaning,
        f"CASE WHEN {{1}} < 0 AND {{0}} IS NOT NULL THEN {fails(_NEGATIVE)} WHEN {{1}} > 63 AND {{0}} IS NOT NULL "
        f"THEN 0 ELSE {moved} END",
        f"{name}({{0}}, {{1}})",
        golden(*examples, types="int64; int64"),
        _X,
        Parameter(name="number", types=("int64",)),
        result="int64",
        bigquery="",
        names={name: shift_left if name == "shift_left" else shift_right},
    )


OPERATIONS = (
    plain("bit_and", "The bits that are 1 in both.", "({0} & {1})", "({0} & {1})", golden(
        (5, 3, 1), (-1, 7, 7), (_LEAST, -1, _LEAST), (None, 1, None), types="int64; int64"),
        _X, _Y, result="int64", bigquery=""),
    plain("bit_or", "The bits that are 1 in either.", "({0} | {1})", "({0} | {1})", golden(
        (5, 3, 7), (-8, 7, -1), (0, 0, 0), (1, None, None), types="int64; int64"),
        _X, _Y, result="int64", bigquery=""),
    plain("bit_xor", "The bits that are 1 in one of the two.", "xor({0}, {1})", "({0} ^ {1})", golden(
        (5, 3, 6), (-1, 1, -2), (7, 7, 0), (None, None, None), types="int64; int64"),
        _X, _Y, result="int64", bigquery=""),
    plain("bit_not", "Every bit the other way.", "(~{0})", "(~{0})", golden(
        (5, -6), (-1, 0), (_MOST, _LEAST), (None, None), types="int64"), _X, result="int64", bigquery=""),
    _shift("shift_left", "The bits moved to the left; those that leave are lost. A negative number raises.", "<<", (
        (5, 2, 20), (1, 63, _LEAST), (-1, 64, 0), (3, 63, _LEAST), (0, _MOST, 0), (1, -1, Raises), (None, -1, None),
        (1, None, None))),
    _shift("shift_right", "The bits moved to the right; zeros come in from the left, also for a negative x. "
        "A negative number raises.", ">>", (
        (20, 2, 5), (-1, 1, _MOST), (-1, 63, 1), (-5, 0, -5), (7, 64, 0), (1, _LEAST, Raises), (None, -1, None),
        (1, None, None))),
    plain("bit_count", "How many bits are 1.", "CAST(bit_count({0}) AS BIGINT)", f"({{0}} & {_ALL}).bit_count()",
        golden(
        (0, 0), (5, 2), (-1, 64), (_LEAST, 1), (None, None), types="int64"), _X, result="int64"),
)  # fmt: skip
