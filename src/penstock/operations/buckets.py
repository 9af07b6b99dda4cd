"""Buckets: into which of the ranges between split points a number falls, and how that is named."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, golden
from penstock.operations.literals import sql_literal
from penstock.operations.writings import text_of_float

FORMATS = ("bucket_names", "bucket_ranges", "bucket_ranges_json")
"""How a bucket is named: bin_2, [1, 2.5), {"start": "1", "end": "2.5"}."""


def _checked_points(points: tuple[float, ...]) -> None:
    """Raise if the points do not ascend; the row form needs nothing but the points themselves."""
    if not all(map(math.isfinite, points)) or any(low >= high for low, high in itertools.pairwise(points)):
        raise ValueError("the points must be finite and ascend")


def _inner(arguments: Sequence[Any]) -> tuple[float, ...]:
    """Return the points between which the buckets lie, without the first and the last if they are excluded."""
    return tuple(arguments[1][1:-1] if arguments[2] else arguments[1])


def _names(points: Sequence[float], form: str) -> tuple[str, ...]:
    """Return the names of the buckets, one more than there are points."""
    if form == "bucket_names":
        return tuple(f"bin_{place}" for place in range(1, len(points) + 2))
    written = [text_of_float(point) for point in points]
    if form == "bucket_ranges":
        pairs = itertools.pairwise(["(-inf", *(f"[{point}" for point in written), "+inf"])
        return tuple(f"{low}, {high.lstrip('[')})" for low, high in pairs)
    pairs = itertools.pairwise(["-Infinity", *written, "Infinity"])
    return tuple(f'{{"start": "{low}", "end": "{high}"}}' for low, high in pairs)


def bucket_names(
    points: tuple[float, ...], exclude_boundaries: bool = False, output_format: str = FORMATS[0]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the names of the buckets, and the points between them."""
    inner = _inner((None, points, exclude_boundaries))
    return _names(inner, output_format), inner


def _bucket_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    """Return a tree of comparisons, so that each row meets only log2 of the points."""
    points = _inner(arguments)
    names = [sql_literal(name, "string") for name in _names(points, arguments[3])]

    def tree(low: int, high: int) -> str:
        if low == high:
            return names[low]
        middle = (low + high) // 2
        below = f"{arguments[0]} < {sql_literal(points[middle], 'float64')}"
        return f"CASE WHEN {below} THEN {tree(low, middle)} ELSE {tree(middle + 1, high)} END"

    return f"CASE WHEN {arguments[0]} IS NOT NULL THEN {tree(0, len(points))} END"


def _bucket_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    points = _inner(arguments)
    place = f"bisect({points!r}, {arguments[0]})"
    if arguments[3] == "bucket_names":
        return f'f"bin_{{{place} + 1}}"'
    return f"{_names(points, arguments[3])!r}[{place}]"


_NAN, _INF = math.nan, math.inf
_POINTS = (1.0, 2.0, 3.0)

OPERATIONS = (
    Operation(
        name="bucketize",
        meaning="The name of x's bucket, 'bin_1' before the first of ascending points; a bucket holds its lower point. "
        "The first and the last point can be left out; the name can be the bucket's range instead.",
        parameters=(Parameter(name="x", types=("float64",)),
            Parameter(name="array_split_points", types=("array<float64>",), constant=True, prepare=_checked_points),
            Parameter(name="exclude_boundaries", types=("bool",), default=False, constant=True),
            Parameter(name="output_format", types=("string",), default=FORMATS[0], constant=True, choices=FORMATS)),
        result="string",
        sql=_bucket_sql,
        row=_bucket_row,
        names={"bisect": bisect.bisect_right},
        bigquery="ML.BUCKETIZE",
        examples=(
            *golden((2.5, _POINTS, False, "bin_3"), (2.5, _POINTS, True, "bin_2"), (2.0, _POINTS, False, "bin_3"),
                (-9.0, _POINTS, False, "bin_1"), (_INF, _POINTS, False, "bin_4"), (_NAN, (1.0,), False, "bin_2"),
                (0.5, (), False, "bin_1"), (None, (1.0,), False, None), types="float64; array<float64>; bool"),
            *golden((2.5, _POINTS, False, "bucket_ranges", "[2, 3)"),
                (2.5, _POINTS, False, "bucket_ranges_json", '{"start": "2", "end": "3"}'),
                (-9.0, (2.5, 4.6), False, "bucket_ranges", "(-inf, 2.5)"),
                (4.6, (2.5, 4.6), False, "bucket_ranges", "[4.6, +inf)"),
                (-9.0, (2.5, 4.6), False, "bucket_ranges_json", '{"start": "-Infinity", "end": "2.5"}'),
                (9.0, (2.5, 4.6), False, "bucket_ranges_json", '{"start": "4.6", "end": "Infinity"}'),
                (9.0, (), False, "bucket_ranges", "(-inf, +inf)"),
                (-1.5, (-2.0, 0.0, 7.0), True, "bucket_ranges", "(-inf, 0)"),
                (None, (1.0,), False, "bucket_ranges", None), types="float64; array<float64>; bool; string"),
        ),
    ),
)  # fmt: skip
