"""What learned operations freeze into, and buckets: scaling by constants, places in a vocabulary, names of buckets."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, golden
from penstock.operations.literals import sql_literal

_X = Parameter(name="x", types=("float64",))
_TABLE, _ENTRY, _PLACE = '"(vocabulary)"', '"(entry)"', '"(place)"'  # they hide columns of these names
_SMALL_VOCABULARY = 32  # above it a join with the vocabulary is faster than a search in a list (30 against 10 M rows/s)


def _constant(name: str) -> Parameter:
    return Parameter(name=name, types=("float64",), constant=True)


def _vocabulary(values: tuple[Any, ...]) -> Callable[[Any, int], int]:
    """Return the look-up of a value's place, from 1."""
    return {value: place for place, value in enumerate(values, 1)}.get


def _places_sql(x: str, values: tuple[Any, ...], type: str) -> str:
    """Return the place of x in the vocabulary, NULL if it is not there.

    A long vocabulary is written as a correlated subquery, which DuckDB makes a hash join. That may put rows of other
    groups of 122,880 first: who needs the rows' order carries their positions along, as `transforms.apply` does.
    """
    if not values:
        return "CAST(NULL AS BIGINT)"
    entries = f"[{', '.join(sql_literal(value, type) for value in values)}]"
    if len(values) <= _SMALL_VOCABULARY:
        return f"list_position({entries}, {x})"
    table = f"(SELECT unnest({entries}) AS {_ENTRY}, unnest(range(1, {len(values) + 1})) AS {_PLACE}) AS {_TABLE}"
    return f"(SELECT {_TABLE}.{_PLACE} FROM {table} WHERE {_TABLE}.{_ENTRY} = {x})"


def _lookup_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    return f"coalesce(CAST({_places_sql(arguments[0], arguments[1], types[0])} AS BIGINT), 0)"


def _one_hot_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, _, dropped = arguments
    value = "1e0" if dropped is None else f"CASE WHEN {x} = {sql_literal(dropped, types[0])} THEN 0e0 ELSE 1e0 END"
    return f"[struct_pack(index := {_lookup_sql(arguments, types)}, value := {value})]"


def _one_hot_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, places, dropped = arguments
    value = "1.0" if dropped is None else f"0.0 if {x} == {dropped!r} else 1.0"
    return f'[{{"index": {places}({x}, 0), "value": {value}}}]'


def _min_max_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, low, high = arguments
    return f"(0.0 if (w := ({x} - {low!r}) / {high - low or 1.0!r}) <= 0.0 else w if w <= 1.0 else 1.0)"


def _min_max_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, low, high = arguments
    scaled = f"({x} - {sql_literal(low, 'float64')}) / {sql_literal(high - low or 1.0, 'float64')}"
    return f"CASE WHEN {x} IS NOT NULL THEN least(1e0, greatest(0e0, {scaled})) END"  # they leave NULL out


def _checked_points(points: tuple[float, ...]) -> None:
    """Raise if the points do not ascend; the row form needs nothing but the points themselves."""
    if not all(map(math.isfinite, points)) or any(low >= high for low, high in itertools.pairwise(points)):
        raise ValueError("the points must be finite and ascend")


def _inner(arguments: Sequence[Any]) -> tuple[float, ...]:
    """Return the points between which the buckets lie, without the first and the last if they are excluded."""
    return tuple(arguments[1][1:-1] if arguments[2] else arguments[1])


def _bucket_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    """Return a tree of comparisons, so that each row meets only log2 of the points."""
    points = _inner(arguments)

    def tree(low: int, high: int) -> str:
        if low == high:
            return f"'bin_{low + 1}'"
        middle = (low + high) // 2
        below = f"{arguments[0]} < {sql_literal(points[middle], 'float64')}"
        return f"CASE WHEN {below} THEN {tree(low, middle)} ELSE {tree(middle + 1, high)} END"

    return f"CASE WHEN {arguments[0]} IS NOT NULL THEN {tree(0, len(points))} END"


def _bucket_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    return f'f"bin_{{bisect({_inner(arguments)!r}, {arguments[0]}) + 1}}"'


_HOT = "array<struct<index int64, value float64>>"
_WORDS = ("a", "b", "c")
_MANY = tuple(f"w{number:03}" for number in range(300))
_FLOATS = "float64; float64; float64"
_NAN, _INF = math.nan, math.inf

OPERATIONS = (
    Operation(
        name="standardize",
        meaning="(x - mean) / deviation; a deviation of 0 counts as 1.",
        parameters=(_X, _constant("mean"), _constant("deviation")),
        result="float64",
        sql=lambda a, t: f"(({a[0]} - {sql_literal(a[1], 'float64')}) / {sql_literal(a[2] or 1.0, 'float64')})",
        row=lambda a, t: f"(({a[0]} - {a[1]!r}) / {a[2] or 1.0!r})",
        examples=golden((5.0, 3.0, 2.0, 1.0), (3.0, 3.0, 0.0, 0.0), (-1.0, 3.0, 0.5, -8.0), (None, 3.0, 2.0, None),
            (1.0, None, None, None), types=_FLOATS),
    ),
    Operation(
        name="scale_min_max",
        meaning="(x - min) / (max - min), held between 0 and 1; where max = min the divisor is 1.",
        parameters=(_X, _constant("min"), _constant("max")),
        result="float64",
        sql=_min_max_sql,
        row=_min_max_row,
        examples=golden((5.0, 0.0, 10.0, 0.5), (-5.0, 0.0, 10.0, 0.0), (50.0, 0.0, 10.0, 1.0), (3.0, 3.0, 3.0, 0.0),
            (_INF, 0.0, 1.0, 1.0),
                        (None, 0.0, 1.0, None), types=_FLOATS),
    ),
    Operation(
        name="lookup_index",
        meaning="The place of x in the vocabulary, from 1; 0 for NULL and what is not in it.",
        parameters=(Parameter(name="x", types=("scalar",), alike=True),
            Parameter(name="vocabulary", types=("array",), constant=True, alike=True, prepare=_vocabulary)),
        result="int64",
        sql=_lookup_sql,
        row=lambda a, t: f"{a[1]}({a[0]}, 0)",
        nulls="answers",
        examples=(
            *golden(("b", _WORDS, 2), ("z", _WORDS, 0), (None, _WORDS, 0), ("", _WORDS, 0), ("a", (), 0),
                ("w299", _MANY, 300), ("w3", _MANY, 0),
                    (None, _MANY, 0), types="string; array<string>"),
            *golden((7, (-7, 7), 2), (-7, (-7, 7), 1), (0, (-7, 7), 0), types="int64; array<int64>"),
        ),
    ),
    Operation(
        name="one_hot",
        meaning="An array of one (index, value) pair: the place of x in the vocabulary, from 1 (0: NULL, not in it), "
        "and 1.0, or 0.0 for the dropped entry.",
        parameters=(Parameter(name="x", types=("scalar",), alike=True),
            Parameter(name="vocabulary", types=("array",), constant=True, alike=True, prepare=_vocabulary),
                    Parameter(name="dropped", types=("scalar",), default=None, constant=True)),
        result=_HOT,
        sql=lambda a, t: _one_hot_sql(a if len(a) == 3 else (*a, None), t),
        row=lambda a, t: _one_hot_row(a if len(a) == 3 else (*a, None), t),
        nulls="answers",
        examples=(
            *golden(("b", _WORDS, [{"index": 2, "value": 1.0}]), (None, _WORDS, [{"index": 0, "value": 1.0}]),
                ("", _WORDS, [{"index": 0, "value": 1.0}]),
                    types="string; array<string>"),
            *golden(("b", _WORDS, "b", [{"index": 2, "value": 0.0}]), ("a", _WORDS, "b", [{"index": 1, "value": 1.0}]),
                (None, _WORDS, "b", [{"index": 0, "value": 1.0}]),
                    types="string; array<string>; string"),
        ),
    ),
    Operation(
        name="bucketize",
        meaning="The name of x's bucket, 'bin_1' before the first of ascending points; a bucket holds its lower point. "
        "The first and the last point can be left out.",
        parameters=(_X, Parameter(name="points", types=("array<float64>",), constant=True, prepare=_checked_points),
            Parameter(name="exclude_boundaries", types=("bool",), default=False, constant=True)),
        result="string",
        sql=_bucket_sql,
        row=_bucket_row,
        names={"bisect": bisect.bisect_right},
        bigquery="ML.BUCKETIZE",
        examples=golden((2.5, (1.0, 2.0, 3.0), False, "bin_3"), (2.5, (1.0, 2.0, 3.0), True, "bin_2"),
            (2.0, (1.0, 2.0, 3.0), False, "bin_3"),
                        (-9.0, (1.0, 2.0, 3.0), False, "bin_1"), (_INF, (1.0, 2.0, 3.0), False, "bin_4"),
                        (_NAN, (1.0,), False, "bin_2"), (0.5, (), False, "bin_1"),
                        (None, (1.0,), False, None), types="float64; array<float64>; bool"),
    ),
)  # fmt: skip
