"""Features of a struct combined with each other: texts joined, numbers multiplied. Each combination is a field."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, golden
from penstock.core.schema import struct_fields
from penstock.errors import ExpressionError
from penstock.operations.conversion import conversion
from penstock.operations.literals import let, quoted

Combination = tuple[tuple[str, str], ...]
"""Fields that are combined: (name, type) of each, in order."""

_MOST_FIELDS = 10  # BigQuery's limit
_WHOLE = '"(struct)"'  # the name of the struct inside the SQL form


def _combinations(type: str, sizes: Iterable[int], choose: Callable[..., Iterable[Combination]]) -> list[Combination]:
    """Return combinations of the fields, small ones first, as BigQuery orders them."""
    members = struct_fields(type)
    return [combination for size in sizes for combination in choose(members, size)]


def crosses(type: str, degree: int) -> list[Combination]:
    """Return the combinations of different fields of a struct, two to `degree` of them."""
    return _combinations(type, range(2, degree + 1), itertools.combinations)


def products(type: str, degree: int) -> list[Combination]:
    """Return the combinations of fields of a struct, one to `degree` of them, a field with itself too."""
    return _combinations(type, range(1, degree + 1), itertools.combinations_with_replacement)


def name_of(combination: Combination) -> str:
    """Return the name of the field that a combination makes."""
    return "_".join(name for name, _ in combination)


def _made_type(operation: str, type: str, made: Sequence[Combination], member: str) -> str:
    """Return the type of a struct with a field for each combination; raises `ExpressionError` for too many fields, or
    names that meet."""
    if len(struct_fields(type)) > _MOST_FIELDS:
        raise ExpressionError(
            f"{operation} takes up to {_MOST_FIELDS} fields, but the struct has {len(struct_fields(type))}"
        )
    twice = [name for name, count in Counter(map(name_of, made)).items() if count > 1]
    if twice:
        raise ExpressionError(f"{operation} makes two fields of the name {twice[0]}; rename a field of the struct")
    if not made:
        raise ExpressionError(f"{operation} needs more fields to combine than {type} has")
    return f"struct<{', '.join(f'{name_of(combination)} {member}' for combination in made)}>"


def _cross_type(types: Sequence[Any]) -> str:
    for _, member in struct_fields(types[0]):
        conversion(member, "string")
    return _made_type("feature_cross", types[0], crosses(*types), "string")


def _product_type(types: Sequence[Any]) -> str:
    odd = [f"{name} is {type}" for name, type in struct_fields(types[0]) if type not in ("int64", "float64")]
    if odd:
        raise ExpressionError(f"polynomial_expand multiplies numbers, but {odd[0]}")
    return _made_type("polynomial_expand", types[0], products(*types), "float64")


def _struct_sql(x: str, made: Sequence[Combination], target: str, joined: str) -> str:
    """Return a struct of the combinations, each of the fields brought to a type and joined."""

    def part(name: str, type: str) -> str:
        return conversion(type, target).sql.format(f"struct_extract({_WHOLE}, '{name.replace(chr(39), chr(39) * 2)}')")

    values = (joined.join(part(*field) for field in combination) for combination in made)
    fields = (f"{quoted(name_of(combination))} := {value}" for combination, value in zip(made, values, strict=True))
    return let(_WHOLE, x, f"CASE WHEN {_WHOLE} IS NOT NULL THEN struct_pack({', '.join(fields)}) END")


def _struct_row(x: str, made: Sequence[Combination], target: str, joined: str) -> str:
    """Return a dict of the combinations; one with a field that is None is None."""

    def value(combination: Combination) -> str:
        sources = [(f"{x}[{name!r}]", type) for name, type in combination]
        parts = [conversion(type, target).row.format(source) for source, type in sources]
        missing = " or ".join(f"{source} is None" for source, _ in dict.fromkeys(sources))
        return f"{name_of(combination)!r}: None if {missing} else {joined.join(parts)}"

    return "{" + ", ".join(map(value, made)) + "}"


def _degree(least: int, default: int = 2) -> Parameter:
    """Return the parameter of how many fields are combined at most: `least` to 4, as in BigQuery."""

    def check(degree: int) -> None:
        if not least <= degree <= 4:
            raise ValueError(f"the degree is {least} to 4")

    return Parameter(name="degree", types=("int64",), default=default, constant=True, prepare=check)


_STRUCT = Parameter(name="x", types=("struct",))
_PAIR = "struct<a string, b string>"
_NAMES = {
    name: function
    for type in ("int64", "float64", "bool", "date", "time", "datetime", "timestamp", "bytes")
    for name, function in conversion(type, "string").names.items()
}

OPERATIONS = (
    Operation(
        name="feature_cross",
        meaning="A struct of the combinations of 2 to `degree` fields: f1_f2 joins their texts by '_', NULL if one is.",
        parameters=(_STRUCT, _degree(2)),
        result=_cross_type,
        sql=lambda a, t: _struct_sql(a[0], crosses(t[0], a[1]), "string", " || '_' || "),
        row=lambda a, t: _struct_row(a[0], crosses(t[0], a[1]), "string", " + '_' + "),
        names=_NAMES,
        bigquery="ML.FEATURE_CROSS",
        examples=(
            *golden(({"a": "x", "b": "y"}, 2, {"a_b": "x_y"}), ({"a": None, "b": "y"}, 2, {"a_b": None}),
                (None, 2, None), ({"a": "", "b": ""}, 2, {"a_b": "_"}), types=f"{_PAIR}; int64"),
            *golden(({"f1": "a", "f2": "b", "f3": "c"}, 2, {"f1_f2": "a_b", "f1_f3": "a_c", "f2_f3": "b_c"}),
                ({"f1": "a", "f2": "b", "f3": None}, 3,
                    {"f1_f2": "a_b", "f1_f3": None, "f2_f3": None, "f1_f2_f3": None}),
                types="struct<f1 string, f2 string, f3 string>; int64"),
            *golden(({"a": 7, "b": 2.5}, 2, {"a_b": "7_2.5"}), types="struct<a int64, b float64>; int64"),
        ),
    ),
    Operation(
        name="polynomial_expand",
        meaning="A struct of the products of 1 to `degree` fields, a field with itself too: f1, f2, f1_f1, f1_f2, "
        "f2_f2; NULL if a factor is.",
        parameters=(_STRUCT, _degree(1)),
        result=_product_type,
        sql=lambda a, t: _struct_sql(a[0], products(t[0], a[1]), "float64", " * "),
        row=lambda a, t: _struct_row(a[0], products(t[0], a[1]), "float64", " * "),
        bigquery="ML.POLYNOMIAL_EXPAND",
        examples=(
            *golden(({"f1": 2, "f2": 3}, 2, {"f1": 2.0, "f2": 3.0, "f1_f1": 4.0, "f1_f2": 6.0, "f2_f2": 9.0}),
                ({"f1": None, "f2": -3}, 2, {"f1": None, "f2": -3.0, "f1_f1": None, "f1_f2": None, "f2_f2": 9.0}),
                (None, 2, None), ({"f1": 2, "f2": 3}, 1, {"f1": 2.0, "f2": 3.0}),
                types="struct<f1 int64, f2 int64>; int64"),
            *golden(({"x": 0.1}, 4, {"x": 0.1, "x_x": 0.1 * 0.1, "x_x_x": 0.1 * 0.1 * 0.1,
                "x_x_x_x": 0.1 * 0.1 * 0.1 * 0.1}), types="struct<x float64>; int64"),
            *golden(({"x": 1e300}, 2, {"x": 1e300, "x_x": float("inf")}), types="struct<x float64>; int64"),
        ),
    ),
)  # fmt: skip
