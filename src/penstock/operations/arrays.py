"""Arrays: making, joining, turning and cutting them, their first and last item, and searching in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.core.schema import element_type
from penstock.errors import ExpressionError
from penstock.operations.literals import fails
from penstock.operations.templates import bound, plain

_ARRAY = Parameter(name="x", types=("array",))
_MOST = 2**20
_EMPTY = "the array is empty"


def _same(types: Sequence[Any]) -> str:
    return str(types[0])


def _item(types: Sequence[Any]) -> str:
    return element_type(types[0])


def item(x: list[Any], place: int) -> Any:
    """Return the first or the last item; raise if there is none."""
    if not x:
        raise ExpressionError(_EMPTY)
    return x[place]


def sliced(x: list[Any], first: int, last: int) -> list[Any]:
    """Return the items from an offset to another, both counted from the end where negative."""
    start = first if first >= 0 else max(len(x) + first, 0)
    end = last if last >= 0 else max(len(x) + last, 0)
    return x[start : end + 1]


def joined(x: list[str | None], delimiter: str, null_text: str | None = None) -> str:
    """Return the texts with a delimiter between; NULL is left out, or stands as `null_text`."""
    texts = [null_text if text is None else text for text in x]
    return delimiter.join(text for text in texts if text is not None)


def generated(first: Any, last: Any, step: Any) -> list[Any]:
    """Return the numbers from `first` to `last`, each a step after the one before."""
    if step == 0 or any(value != value or abs(value) == math.inf for value in (first, last, step)):
        raise ExpressionError(f"generate_array: from {first} to {last} by {step}")
    number = max(int((last - first) // step) + 1, 0)
    if number > _MOST:
        raise ExpressionError(f"generate_array: {number} items; there may be {_MOST}")
    return [first + place * step for place in range(number)]


def among(x: Any, values: list[Any] | None) -> bool | None:
    """Tell whether x is one of the values: NULL for NULL, and where it may be a NULL among them."""
    if x is None:
        return None
    if values is None or any(x == value for value in values if value is not None):
        return values is not None
    return None if None in values else False


def _like_items(types: Sequence[Any]) -> str:
    if element_type(types[1]) != types[0]:
        raise ExpressionError(f"in_array: x is {types[0]}, the items are {element_type(types[1])}; cast x")
    return "bool"


def _among_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, values = arguments
    found = f"list_contains({values}, {x})"
    found = f"NOT isnan({x}) AND {found}" if types[0] == "float64" else found
    return (
        f"CASE WHEN {x} IS NULL THEN NULL WHEN {values} IS NULL THEN FALSE WHEN {found} THEN TRUE "
        f"WHEN list_count({values}) < len({values}) THEN NULL ELSE FALSE END"
    )


def _concat_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    known = " AND ".join(f"{argument} IS NOT NULL" for argument in arguments)
    return f"CASE WHEN {known} THEN {' || '.join(arguments)} END"


def _to_string_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    """Join one by one: DuckDB's array_to_string takes constant delimiters only."""
    x, delimiter, *null_text = arguments
    texts = "list_filter(s.x, lambda c: c IS NOT NULL)"
    texts = "list_transform(s.x, lambda c: coalesce(c, s.n))" if null_text else texts
    made = f"list_reduce({texts}, lambda one, two: one || s.d || two)"
    empty = "len(s.x) = 0" if null_text else "list_count(s.x) = 0"
    values = {"n": null_text[0]} if null_text else {}
    return bound(f"CASE WHEN {empty} THEN '' ELSE {made} END", x=x, d=delimiter, **values)


_SLICE = bound(
    "list_slice(s.x, CASE WHEN s.a >= 0 THEN least(s.a, len(s.x)) ELSE greatest(len(s.x) + s.a, 0) END + 1, "
    "CASE WHEN s.b >= 0 THEN least(s.b, len(s.x)) ELSE greatest(len(s.x) + s.b, 0) END + 1)",
    x="{0}",
    a="{1}",
    b="{2}",
)


def _first_or_last(which: str, sql_place: int, row_place: int, value: str) -> Operation:
    return plain(
        f"array_{which}",
        f"The {which} item; raises if the array is empty.",
        f"CASE WHEN len({{0}}) = 0 THEN {fails(_EMPTY)} ELSE list_extract({{0}}, {sql_place}) END",
        f"item({{0}}, {row_place})",
        (
            *golden((["a", "b", "c", "d"], value), ([None], None), ([], Raises), (None, None), types="array<string>"),
            *golden(([1, None, 3], 1 if row_place == 0 else 3), types="array<int64>"),
        ),
        _ARRAY,
        result=_item,
        nulls="makes",
        names={"item": item},
    )


_LETTERS = ["a", "b", "c", "d", "e"]
_UNKNOWN = "OR NOT isfinite(s.a) OR NOT isfinite(s.b) OR NOT isfinite(s.c) "
_SLICES = "array<string>; int64; int64"

OPERATIONS = (
    Operation(
        name="array",
        meaning="The values as one array.",
        parameters=(Parameter(name="x", types=("scalar",), alike=True, repeated=True),),
        result=lambda types: f"array<{types[0]}>",
        sql=lambda a, t: f"[{', '.join(a)}]",
        row=lambda a, t: f"[{', '.join(a)}]",
        nulls="answers",
        examples=(*golden((1, 2, [1, 2]), (None, 2, [None, 2]), (None, None, [None, None]), types="int64; int64"),
                  *golden((1, 0.5, [1.0, 0.5]), types="int64; float64"), *golden(("a", ["a"]), types="string")),
    ),
    Operation(
        name="array_concat",
        meaning="The items of one array after those of the other.",
        parameters=(Parameter(name="x", types=("array",), alike=True, repeated=True),),
        result=_same,
        sql=_concat_sql,
        row=lambda a, t: f"[{', '.join(f'*{argument}' for argument in a)}]",
        bigquery="ARRAY_CONCAT",
        examples=(*golden(([1, 2], [3, 4], [5, 6], [1, 2, 3, 4, 5, 6]),
                      types="array<int64>; array<int64>; array<int64>"),
                  *golden(([1, None], [], [1, None]), ([], [], []), (None, [1], None), ([1], None, None),
                      types="array<int64>; array<int64>")),
    ),
    plain("array_reverse", "The items in reverse order.", "list_reverse({0})", "{0}[::-1]", golden(
        ([1, 2, 3], [3, 2, 1]), ([None, 1], [1, None]), ([], []), (None, None), types="array<int64>"), _ARRAY,
        result=_same),
    _first_or_last("first", 1, 0, "a"),
    _first_or_last("last", -1, -1, "d"),
    plain("array_slice", "The items from an offset to another, both included; -1 is the last item, and what lies "
        "before the first means the first.", _SLICE, "sliced({0}, {1}, {2})", golden(
            *((_LETTERS, first, last, [*value]) for first, last, value in (
                (1, 3, "bcd"), (-1, 3, ""), (1, -3, "bc"), (-1, -3, ""), (-3, -1, "cde"), (3, 3, "d"), (-3, -3, "c"),
                (1, 30, "bcde"), (1, -30, ""), (-30, 30, "abcde"), (-30, -5, "a"), (5, 30, ""),
                (0, 2**63 - 1, "abcde"))), (_LETTERS, 1, None, None), ([], 0, 1, []), (None, 0, 1, None),
            types=_SLICES),
        _ARRAY, Parameter(name="first", types=("int64",)), Parameter(name="last", types=("int64",)), result=_same,
        names={"sliced": sliced}),
    Operation(
        name="array_to_string",
        meaning="The texts with a delimiter between; NULL is left out, or stands as `null_text`.",
        parameters=(Parameter(name="x", types=("array<string>",)), Parameter(name="delimiter", types=("string",)),
            Parameter(name="null_text", types=("string",), default=None)),
        result="string",
        sql=_to_string_sql,
        row=lambda a, t: f"joined({', '.join(a)})",
        names={"joined": joined},
        bigquery="ARRAY_TO_STRING",
        examples=(*golden((["coffee", "tea", "milk", None], "--", "MISSING", "coffee--tea--milk--MISSING"),
                      (["cake", "pie", None], "--", "MISSING", "cake--pie--MISSING"), ([], "-", "x", ""),
                      (["a"], "-", None, None), types="array<string>; string; string"),
                  *golden((["cake", "pie", None], "--", "cake--pie"), ([None], "-", ""), (["", None, "a"], "-", "-a"),
                      (None, "-", None), (["a"], None, None), types="array<string>; string")),
    ),
    Operation(
        name="generate_array",
        meaning="The numbers from x to `last`, each a step after the one before; raises for a step of 0, NaN, infinity "
        "and above a million items.",
        parameters=(Parameter(name="x", types=("number",), alike=True),
            Parameter(name="last", types=("number",), alike=True),
            Parameter(name="step", types=("number",), alike=True, default=1)),
        result=lambda types: f"array<{types[0]}>",
        sql=lambda a, t: bound(
            f"CASE WHEN s.c = 0 {_UNKNOWN if t[0] == 'float64' else ''}THEN {fails('generate_array: a step of 0')} "
            f"WHEN (CAST(s.b AS DOUBLE) - s.a) / s.c >= {_MOST} THEN {fails('generate_array: too many items')} "
            "WHEN (s.b < s.a AND s.c > 0) OR (s.b > s.a AND s.c < 0) THEN [] ELSE list_transform(range(0, CAST("
            + ("floor((s.b - s.a) / s.c)" if t[0] == "float64" else "(CAST(s.b AS HUGEINT) - s.a) // s.c")
            + " AS BIGINT) + 1), lambda i: s.a + i * s.c) END", a=a[0], b=a[1], c=a[2]),
        row=lambda a, t: f"generated({', '.join(a)})",
        names={"generated": generated},
        bigquery="GENERATE_ARRAY",
        examples=(*golden((1, 5, 1, [1, 2, 3, 4, 5]), (0, 10, 3, [0, 3, 6, 9]), (10, 0, -3, [10, 7, 4, 1]),
                      (4, 4, 10, [4]), (10, 0, 3, []), (5, None, 1, None), (1, 2, 0, Raises), (0, 2**40, 1, Raises),
                      (None, 1, 0, None), types="int64; int64; int64"),
                  *golden((0.0, 1.0, 0.25, [0.0, 0.25, 0.5, 0.75, 1.0]), (0.0, math.nan, 1.0, Raises),
                      types="float64; float64; float64")),
    ),
    Operation(
        name="in_array",
        meaning="Whether x is one of the items: NULL where x is, or where none equals x but one is NULL.",
        parameters=(Parameter(name="x", types=("scalar",)), Parameter(name="values", types=("array",))),
        result=_like_items,
        sql=_among_sql,
        row=lambda a, t: f"among({a[0]}, {a[1]})",
        nulls="handles",
        names={"among": among},
        examples=(*golden((1, [1, None], True), (2, [1, None], None), (2, [1], False), (2, [], False), (2, None, False),
                      (None, [1], None), types="int64; array<int64>"),
                  *golden((math.nan, [math.nan], False), (-0.0, [0.0], True), types="float64; array<float64>")),
    ),
)  # fmt: skip
