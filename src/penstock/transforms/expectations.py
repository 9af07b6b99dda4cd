"""What a table should look like: inferred from the profile of a good one, reviewed by a person, told apart by mode."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from penstock.core.schema import check_type
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.transforms.profiles import TOP, Profile, is_key, plain
from penstock.transforms.rules import rules_of

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

_NUMBERS, _TIMES = ("int64", "float64"), ("date", "datetime", "timestamp")
_MODES = ("train", "infer")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ("nullable", "finite", "required", "unique"), (lambda value: isinstance(value, bool), "true or false")
    ),
    **dict.fromkeys(
        ("min_length", "max_length"), (lambda value: _is_number(value) and value == int(value) >= 0, "a count")
    ),
    "domain": (lambda value: isinstance(value, list | tuple), "a list of values"),
    "max_nulls": (lambda value: _is_number(value) and 0 <= value <= 1, "a share: from 0 to 1"),
    "matches": (lambda value: isinstance(value, str), "a text"),
    "modes": (
        lambda value: isinstance(value, list | tuple) and {*value} <= {*_MODES},
        f"a list of {', '.join(_MODES)}",
    ),
}
"""What the values of properties are, beside types and ends of ranges."""


def infer_schema(profile: Profile) -> ExpectedSchema:
    """Return what tables like the profiled one have: types, which columns hold NULL, categories, ranges.

    A text column has a `domain` where all its values are known (at most 50) and come back: twice each on average. Times
    and numbers that name rows (many, none of them twice) have no greatest value: tomorrow's go on.
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
        columns[name] |= {key: plain(value) for key, value in known.items()}
    return checked_schema({**schema, "columns": list(columns.values())}, "the reviewed schema")


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
        for problem in _problems(column):
            raise DataError(f"{where}, column '{column['name']}': {problem}", field=column["name"])
    names = [column["name"] for column in schema["columns"]]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{where} has the column '{twice[0]}' twice", field=twice[0])
    try:
        return {**schema, "rules": rules_of(schema["rules"])} if schema.get("rules") else schema
    except DeclarationError as error:
        raise DataError(f"{where}: {error}") from error


def _problems(column: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the properties of a column cannot be."""
    for key, (fits, what) in _VALUES.items():
        if (value := column.get(key)) is not None and not fits(value):
            yield f"{key} is {json.dumps(value, default=str)}, and has to be {what}"
    ends = [column[end] for end in ("min", "max") if column.get(end) is not None]
    for end in ends:
        if (column["type"] in _NUMBERS and not _is_number(end)) or (column["type"] in _TIMES and not _is_time(end)):
            yield f"min and max are {column['type']}s, not {json.dumps(end, default=str)}"
    if len(ends) == 2 and column["type"] in _NUMBERS and ends[0] > ends[1]:
        yield f"nothing lies between min {ends[0]} and max {ends[1]}"


def _is_time(value: Any) -> bool:
    try:
        datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def in_mode(schema: ExpectedSchema, mode: str) -> tuple[ExpectedSchema, tuple[str, ...]]:
    """Return what rows have in that mode, and the names of the columns that they have only in others."""
    there = [column for column in schema["columns"] if mode in (column.get("modes") or (mode,))]
    names = {column["name"] for column in there}
    gone = tuple(column["name"] for column in schema["columns"] if column["name"] not in names)
    return {**schema, "columns": there}, gone


def _expected(column: dict[str, Any]) -> dict[str, Any]:
    present = column["rows"] - column["nulls"]
    small = column["type"] == "string" and column["distinct"] <= TOP and column["distinct"] * 2 <= present
    ends_somewhere = column["type"] in _NUMBERS and not is_key(column)
    return {
        "name": column["name"],
        "type": column["type"],
        "nullable": column["nulls"] > 0,
        "domain": sorted(entry["value"] for entry in column["top"]) if small and present else None,
        "min": column["min"] if column["type"] in (*_NUMBERS, *_TIMES) else None,
        "max": column["max"] if ends_somewhere else None,
        **({"finite": True} if column.get("not_finite") == 0 else {}),
    }
