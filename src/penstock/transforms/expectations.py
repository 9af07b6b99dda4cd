"""What a table should look like: inferred from the profile of a good one, reviewed by a person, told apart by mode."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from penstock.core.schema import check_type
from penstock.errors import DataError, UnknownNameError
from penstock.transforms.profiles import TOP, Profile

ExpectedSchema: TypeAlias = dict[str, Any]
"""Plain JSON: {"columns": [{"name", "type", "nullable", "domain", "min", "max", ...}], "rules": [...]}; see PROPERTIES.
A domain, a least and a greatest value are None where there is none."""

PROPERTIES: dict[str, str] = {
    "type": "one of our types",
    "nullable": "whether there may be NULL",
    "domain": "all values that there may be",
    "min": "the least value",
    "max": "the greatest value",
    "finite": "whether NaN and infinities are wrong",
    "max_nulls": "the greatest share of NULLs",
    "min_length": "the least number of characters",
    "max_length": "the greatest number of characters",
    "matches": "a regular expression (RE2) for the whole text",
    "required": "whether the column has to be there",
    "unique": "whether no value may come twice",
    "modes": "the modes in which the column is there",
}
"""What a schema may say of a column, and what that means."""

_RANGED = ("int64", "float64", "date", "datetime", "timestamp")


def infer_schema(profile: Profile) -> ExpectedSchema:
    """Return what tables like the profiled one have: types, which columns hold NULL, categories, ranges.

    A text column has a `domain` where all its values are known (at most 50) and come back: twice each on average.
    """
    return {"columns": [_expected(column) for column in profile["columns"]]}


def reviewed_schema(
    schema: ExpectedSchema, reviewed: Mapping[str, Mapping[str, Any]], *, label: str | Iterable[str] | None = None
) -> ExpectedSchema:
    """Return a schema with what a person knows better of its columns; a `label` is there in mode train alone."""
    columns = {column["name"]: dict(column) for column in schema["columns"]}
    labels = [label] if isinstance(label, str) else list(label or ())
    for name, known in [*reviewed.items(), *((name, {"modes": ["train"]}) for name in labels)]:
        if name not in columns:
            raise UnknownNameError("column", name, columns, within="the statistics")
        for key in known:
            if key not in PROPERTIES:
                raise UnknownNameError("property", key, PROPERTIES, within=f"the schema of column '{name}'")
        columns[name] |= known
    return {**schema, "columns": list(columns.values())}


def checked_schema(schema: Any, where: str = "the schema") -> ExpectedSchema:
    """Return a schema that came from outside; `DataError` names what in it is none."""
    if not isinstance(schema, dict) or not isinstance(schema.get("columns"), list):
        raise DataError(f'{where} is no schema; a schema is {{"columns": [{{"name": ..., "type": ...}}, ...]}}')
    for column in schema["columns"]:
        if not isinstance(column, dict) or not isinstance(column.get("name"), str):
            raise DataError(f"{where} has the column {json.dumps(column)}, which has no name")
        for key in column.keys() - {"name"}:
            if key not in PROPERTIES:
                raise UnknownNameError("property", key, PROPERTIES, within=f"{where}, column '{column['name']}'")
        if "type" not in column:
            raise DataError(f"{where} has no type for column '{column['name']}'", field=column["name"])
        check_type(column["type"])
    return schema


def in_mode(schema: ExpectedSchema, mode: str) -> tuple[ExpectedSchema, tuple[str, ...]]:
    """Return what rows have in that mode, and the names of the columns that they have only in others."""
    there = [column for column in schema["columns"] if mode in (column.get("modes") or (mode,))]
    names = {column["name"] for column in there}
    gone = tuple(column["name"] for column in schema["columns"] if column["name"] not in names)
    return {**schema, "columns": there}, gone


def _expected(column: dict[str, Any]) -> dict[str, Any]:
    present = column["rows"] - column["nulls"]
    small = column["type"] == "string" and column["distinct"] <= TOP and column["distinct"] * 2 <= present
    ranged = column["type"] in _RANGED
    return {
        "name": column["name"],
        "type": column["type"],
        "nullable": column["nulls"] > 0,
        "domain": sorted(entry["value"] for entry in column["top"]) if small and present else None,
        "min": column["min"] if ranged else None,
        "max": column["max"] if ranged else None,
        **({"finite": True} if column.get("not_finite") == 0 else {}),
    }
