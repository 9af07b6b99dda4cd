"""Rows that data seldom holds and requests sometimes do, made from a schema."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from penstock.core.schema import Schema, element_type, struct_fields

_UTC = datetime.UTC
_INSTANTS = (
    datetime.datetime(1970, 1, 1),
    datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999),
    datetime.datetime(2024, 5, 5, 18, 0),  # a Sunday
    datetime.datetime(2024, 2, 29, 12, 30, 15, 123_456),
    datetime.datetime(2020, 12, 31, 23, 59, 59, 999_999),  # in ISO week 53
    datetime.datetime(2024, 3, 10, 7, 30),  # an hour that New York skips
    datetime.datetime(2199, 12, 31, 23, 59, 59),
    datetime.datetime(1900, 1, 1),
    datetime.datetime(2013, 7, 3, 9, 5),
)
# The last value of each type is an ordinary one.
_VALUES: dict[str, tuple[Any, ...]] = {
    "bool": (False, True),
    "int64": (0, -1, 1, 2**63 - 1, -(2**63), 7),
    "float64": (0.0, -0.0, -1.5, 1e308, -1e308, 5e-324, 1e15 + 0.5, float("nan"), float("inf"), -float("inf"), 2.5),
    "string": ("", " ", "never seen before", "İß ﬁ é 👍🏽", 'O\'Neil "x"', "12", "NULL", "a\nb\t\\"),
    "bytes": (b"", b"\x00\xff"),
    "date": tuple(instant.date() for instant in _INSTANTS),
    "time": (datetime.time(0, 0), datetime.time(23, 59, 59, 999_999), datetime.time(12, 30)),
    "datetime": _INSTANTS,
    "timestamp": tuple(instant.replace(tzinfo=_UTC) for instant in _INSTANTS),
    "null": (None,),
}


def edge_rows(schema: Schema, ordinary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return rows of the schema: all NULL, each column NULL in turn, and each edge value of each column in turn.

    Where one column is at its edge the others hold their value of `ordinary` (a real row), so that nothing hides
    behind a NULL; a column that is NULL there gets a value of its type.
    """
    edges = {field.name: edge_values(field.type) for field in schema}
    present = {name: ordinary.get(name) for name in edges}
    usual = {name: values[-1] if present[name] is None else present[name] for name, values in edges.items()}
    rows = [dict.fromkeys(edges), dict(usual)]
    for name, values in edges.items():
        rows += [{**usual, name: value} for value in (None, *values)]
    return rows


def edge_values(type: str) -> tuple[Any, ...]:
    """Return values at the edges of a type, in the row form."""
    if type.startswith("array<"):
        inside = edge_values(element_type(type))
        return [], [None], [inside[0], None, inside[-1]]
    if type.startswith("struct<"):
        members = {name: edge_values(member) for name, member in struct_fields(type)}
        return dict.fromkeys(members), {name: values[0] for name, values in members.items()}
    return _VALUES[type]
