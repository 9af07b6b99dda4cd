"""What a table should look like, inferred from the profile of a good one, and where another table does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from penstock.transforms.profiles import Profile, profile
from penstock.tables import TableLike

ExpectedSchema: TypeAlias = dict[str, Any]
"""Plain JSON: {"columns": [{"name", "type", "nullable", "domain" or None, "min", "max"}]}."""

_DOMAIN_TYPES = ("string", "bool")
_RANGE_TYPES = ("int64", "float64", "date", "datetime", "timestamp")
_SEVERITY = {"out_of_range": "warning", "extra_column": "warning"}


def infer_schema(profile: Profile) -> ExpectedSchema:
    """Return what tables like the profiled one have: types, which columns hold NULL, categories, ranges.

    A text column has a `domain` where all its values are known (at most 50) and come back: twice each on average.
    """
    return {"columns": [_expected(column) for column in profile["columns"]]}


def anomalies(schema: ExpectedSchema, rows: Profile | TableLike) -> list[dict[str, Any]]:
    """Return every way in which a table, or its profile, is not as the schema says; an empty list means it is.

    Each is plain JSON: `column`, `kind` (missing_column, extra_column, type_changed, unexpected_null, out_of_domain,
    out_of_range), `severity` (error or warning), `message`, `expected`, `found`, and `count`, the rows concerned (None:
    not known from a profile).
    """
    found = rows if isinstance(rows, dict) else profile(rows)
    there = {column["name"]: column for column in found["columns"]}
    wanted = {column["name"]: column for column in schema["columns"]}
    answer: list[dict[str, Any]] = []
    for name, expected in wanted.items():
        if name not in there:
            answer.append(_anomaly(name, "missing_column", f"column '{name}' is missing", expected["type"], None, found["rows"]))
        else:
            answer += _compared(expected, there[name])
    for name in there.keys() - wanted.keys() if False else [name for name in there if name not in wanted]:
        answer.append(_anomaly(name, "extra_column", f"column '{name}' is new", None, there[name]["type"], found["rows"]))
    return answer
