"""What a table should look like, inferred from the profile of a good one, and where another table does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from penstock.operations import quoted, sql_literal, sql_type
from penstock.tables import TableLike, query, to_arrow
from penstock.transforms.profiles import TOP, Profile, profile

ExpectedSchema: TypeAlias = dict[str, Any]
"""Plain JSON: {"columns": [{"name", "type", "nullable", "domain" or None, "min" or None, "max" or None}]}."""

_RANGED = ("int64", "float64", "date", "datetime", "timestamp")
_WARNINGS = ("extra_column", "out_of_range")  # what tomorrow's rows may bring without being wrong
_EXAMPLES = 5

_Count = Callable[[str, str], int | None]
"""How many rows satisfy a condition on a column; None where only a profile is known."""


def infer_schema(profile: Profile) -> ExpectedSchema:
    """Return what tables like the profiled one have: types, which columns hold NULL, categories, ranges.

    A text column has a `domain` where all its values are known (at most 50) and come back: twice each on average.
    """
    return {"columns": [_expected(column) for column in profile["columns"]]}


def anomalies(schema: ExpectedSchema, rows: Profile | TableLike) -> list[dict[str, Any]]:
    """Return every way in which a table, or its profile, is not as the schema says; an empty list means it is.

    Each is plain JSON: `column`, `kind` (missing_column, extra_column, type_changed, unexpected_null, out_of_domain,
    out_of_range), `severity` (error or warning), `message`, `expected`, `found`, and `count`, the rows concerned (None
    where a profile cannot tell).
    """
    count: _Count = lambda column, condition: None  # noqa: E731
    if not isinstance(rows, dict):
        table = to_arrow(rows)
        rows = profile(table)
        count = lambda column, condition: _counted(table, column, condition)  # noqa: E731
    there = {column["name"]: column for column in rows["columns"]}
    wanted = {column["name"]: column for column in schema["columns"]}
    found = []
    for name, expected in wanted.items():
        if name in there:
            found += _compared(expected, there[name], count)
        else:
            found.append(_anomaly(name, "missing_column", "is missing", expected["type"], None, rows["rows"]))
    for name in there:
        if name not in wanted:
            found.append(_anomaly(name, "extra_column", "is not expected", None, there[name]["type"], rows["rows"]))
    return found


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
    }


def _compared(expected: dict[str, Any], column: dict[str, Any], count: _Count) -> list[dict[str, Any]]:
    name, found = expected["name"], []
    if column["nulls"] and not expected["nullable"]:
        text = f"has {column['nulls']} NULLs, where none were"
        found.append(_anomaly(name, "unexpected_null", text, 0, column["nulls"], column["nulls"]))
    if column["nulls"] == column["rows"]:
        return found
    if column["type"] != expected["type"]:
        text = f"has the type {column['type']} instead of {expected['type']}"
        return [*found, _anomaly(name, "type_changed", text, expected["type"], column["type"], column["rows"])]
    if expected["domain"] is not None:
        found += _outside_domain(expected, column, count)
    if expected["min"] is not None or expected["max"] is not None:
        found += _outside_range(expected, column, count)
    return found


def _outside_domain(expected: dict[str, Any], column: dict[str, Any], count: _Count) -> list[dict[str, Any]]:
    domain, name = expected["domain"], expected["name"]
    outside = [entry for entry in column["top"] if entry["value"] not in domain]
    if column["distinct"] <= len(column["top"]):
        rows: int | None = sum(entry["count"] for entry in outside)
    else:
        entries = ", ".join(_constant(value, expected["type"]) for value in domain)
        rows = count(name, f"{quoted(name)} NOT IN ({entries})")
    if rows == 0 or (rows is None and not outside and column["distinct"] <= len(domain)):
        return []
    values = [entry["value"] for entry in outside[:_EXAMPLES]]
    text = f"has values never seen before: {', '.join(map(repr, values)) or 'rare ones'}"
    return [_anomaly(name, "out_of_domain", text, domain, values, rows)]


def _outside_range(expected: dict[str, Any], column: dict[str, Any], count: _Count) -> list[dict[str, Any]]:
    name, type, low, high = expected["name"], expected["type"], expected["min"], expected["max"]
    if column["min"] is None:  # no number among the values
        return []
    conditions = []
    if low is not None and column["min"] < low:
        conditions.append(f"{quoted(name)} < {_constant(low, type)}")
    if high is not None and column["max"] > high:
        conditions.append(f"{quoted(name)} > {_constant(high, type)}")
    if not conditions:
        return []
    text = f"goes from {column['min']} to {column['max']}, expected {low} to {high}"
    rows = count(name, " OR ".join(conditions))
    return [_anomaly(name, "out_of_range", text, [low, high], [column["min"], column["max"]], rows)]


def _constant(value: Any, type: str) -> str:
    """Return a value of a profile as SQL: times are ISO texts there."""
    return f"CAST({sql_literal(str(value), 'string')} AS {sql_type(type)})"


def _counted(table: Any, column: str, condition: str) -> int:
    answer = query(f"SELECT count(*) FILTER ({condition}) AS n FROM rows", rows=table.select([column]))
    return int(answer["n"][0].as_py())


def _anomaly(name: str, kind: str, text: str, expected: Any, found: Any, count: int | None) -> dict[str, Any]:
    rows = "" if count is None else f" ({count} {'row' if count == 1 else 'rows'})"
    return {
        "column": name,
        "kind": kind,
        "severity": "warning" if kind in _WARNINGS else "error",
        "message": f"column '{name}' {text}{rows}",
        "expected": expected,
        "found": found,
        "count": count,
    }
