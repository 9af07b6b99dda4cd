"""Structs and arrays: making them, reaching into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.core.schema import element_type, struct_fields
from penstock.errors import ExpressionError, UnknownNameError
from penstock.operations.literals import fails, quoted

_STRUCT = Parameter(name="x", types=("struct",))
_ARRAY = Parameter(name="x", types=("array",))
_PLACE = Parameter(name="place", types=("int64",))


def item_at(x: list[Any], place: int) -> Any:
    """Return the item at a place, counted from 0; raise if there is none."""
    if not 0 <= place < len(x):
        raise ExpressionError(f"no item at offset {place}: the array has {len(x)}; safe_offset gives NULL instead")
    return x[place]


def _struct_type(types: Sequence[Any]) -> str:
    return f"struct<{', '.join(f'{name} {type}' for name, type in zip(types[0], types[1:], strict=True))}>"


def _struct_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    pairs = zip(arguments[0], arguments[1:], strict=True)
    return f"struct_pack({', '.join(f'{quoted(name)} := {value}' for name, value in pairs)})"


def _struct_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    pairs = zip(arguments[0], arguments[1:], strict=True)
    return "{" + ", ".join(f"{name!r}: {value}" for name, value in pairs) + "}"


def _field_type(types: Sequence[Any]) -> str:
    members = dict(struct_fields(types[0]))
    if types[1] not in members:
        raise UnknownNameError("field", types[1], members, within=types[0])
    return members[types[1]]


_PAIR = "struct<a string, b string>"

OPERATIONS = (
    Operation(
        name="struct",
        meaning="The values as one value with named fields.",
        parameters=(
            Parameter(name="names", types=("array",), constant=True),
            Parameter(name="x", types=("any",), repeated=True),
        ),
        result=_struct_type,
        sql=_struct_sql,
        row=_struct_row,
        nulls="answers",
        examples=golden(
            (("a", "b"), 1, "x", {"a": 1, "b": "x"}),
            (("a", "b"), None, "", {"a": None, "b": ""}),
            (("a", "b"), -1, None, {"a": -1, "b": None}),
            types="array<string>; int64; string",
        ),
    ),
    Operation(
        name="field",
        meaning="The field of that name.",
        parameters=(_STRUCT, Parameter(name="name", types=("string",), constant=True)),
        result=_field_type,
        sql=lambda a, t: f"struct_extract({a[0]}, '{a[1].replace(chr(39), chr(39) * 2)}')",
        row=lambda a, t: f"{a[0]}[{a[1]!r}]",
        nulls="makes",
        examples=golden(
            ({"a": "x", "b": ""}, "a", "x"), ({"a": None, "b": ""}, "a", None), (None, "a", None),
            types=f"{_PAIR}; string",
        ),
    ),
    Operation(
        name="array_length",
        meaning="The number of items.",
        parameters=(_ARRAY,),
        result="int64",
        sql=lambda a, t: f"len({a[0]})",
        row=lambda a, t: f"len({a[0]})",
        bigquery="ARRAY_LENGTH",
        examples=golden(([1, None, 3], 3), ([], 0), (None, None), types="array<int64>"),
    ),
    Operation(
        name="offset",
        meaning="The item at a place, counted from 0; raises if there is none.",
        parameters=(_ARRAY, _PLACE),
        result=lambda types: element_type(types[0]),
        sql=lambda a, t: (
            f"CASE WHEN {a[1]} BETWEEN 0 AND len({a[0]}) - 1 THEN list_extract({a[0]}, {a[1]} + 1) "
            f"WHEN {a[0]} IS NOT NULL AND {a[1]} IS NOT NULL THEN {fails('no item at that offset')} END"
        ),
        row=lambda a, t: f"item_at({a[0]}, {a[1]})",
        names={"item_at": item_at},
        nulls="makes",
        examples=golden(
            ([7, None], 0, 7), ([7, None], 1, None), ([7], 1, Raises), ([7], -1, Raises), ([], 0, Raises),
            (None, 0, None), ([7], None, None), (None, -1, None),
            types="array<int64>; int64",
        ),
    ),
    Operation(
        name="safe_offset",
        meaning="The item at a place, counted from 0; NULL if there is none.",
        parameters=(_ARRAY, _PLACE),
        result=lambda types: element_type(types[0]),
        sql=lambda a, t: f"CASE WHEN {a[1]} BETWEEN 0 AND len({a[0]}) - 1 THEN list_extract({a[0]}, {a[1]} + 1) END",
        row=lambda a, t: f"({a[0]}[{a[1]}] if 0 <= {a[1]} < len({a[0]}) else None)",
        nulls="makes",
        examples=golden(
            ([7, None], 0, 7), ([7], 1, None), ([7], -1, None), ([], 0, None), (None, 0, None),
            types="array<int64>; int64",
        ),
    ),
)  # fmt: skip
