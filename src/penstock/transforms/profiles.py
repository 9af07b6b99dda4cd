"""What a table looks like: for each column its type, NULLs, distinct values, range, moments, quantiles, top values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import duckdb

from penstock.core.schema import Field
from penstock.operations import quoted
from penstock.tables import TableLike, bound, clear_errors, normalize, schema_of, to_arrow

Profile: TypeAlias = dict[str, Any]
"""Plain JSON: {"rows": 3, "columns": [{"name": "km", "type": "float64", "rows": 3, "nulls": 0, ...}]}."""

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 50  # a column with no more distinct values than this has all of them in its profile

_ORDERED = ("int64", "float64", "string", "date", "time", "datetime", "timestamp")
_COUNTED = ("bool", "int64", "string", "date")


def profile(rows: TableLike) -> Profile:
    """Return the statistics of every column as plain JSON values, the same on any machine.

    Of each column: `name`, `type`, `rows`, `nulls`; `distinct` and, for values that are counted, `top` (a list of
    `value` and `count`, most frequent first); `min` and `max`; of numbers `mean`, `stddev`, `quantiles` (by "0.5"),
    `zeros` and `not_finite` (NaN and infinities, which the rest leaves out). Dates and times are ISO texts.
    """
    table = to_arrow(rows)
    schema = schema_of(table.schema)
    if not schema.fields:
        return {"rows": table.num_rows, "columns": []}
    # One thread: sums over floats, and so the digest of what is stored, must not depend on who comes first.
    with bound({"rows": table}, threads=1) as cursor, clear_errors("cannot profile the rows"):
        # Two scans: DuckDB computes every aggregate several times slower where one of them is DISTINCT.
        measures = _found(cursor, {(field.name, name): text for field in schema for name, text in _measures(field)})
        measures |= _found(
            cursor, {(field.name, "distinct"): _distinct(field) for field in schema if _comparable(field)}
        )
        tops = {field.name: _top(cursor, field.name) for field in schema if field.type in _COUNTED}
    columns: dict[str, dict[str, Any]] = {
        field.name: {"name": field.name, "type": field.type, "rows": table.num_rows} for field in schema
    }
    for (column, name), value in measures.items():
        columns[column][name] = (
            dict(zip(map(str, QUANTILES), value or [], strict=False)) if name == "quantiles" else value
        )
    for column, top in tops.items():
        columns[column]["top"] = top
    return {"rows": table.num_rows, "columns": list(columns.values())}


def _found(cursor: duckdb.DuckDBPyConnection, measures: dict[tuple[str, str], str]) -> dict[tuple[str, str], Any]:
    """Compute aggregates in one scan; return their values by (column, measure)."""
    if not measures:
        return {}
    selected = ", ".join(f"{text} AS m{position}" for position, text in enumerate(measures.values()))
    answer = normalize(cursor.sql(f"SELECT {selected} FROM rows").to_arrow_table()).to_pylist()[0]
    return dict(zip(measures, map(_plain, answer.values()), strict=True))


def _comparable(field: Field) -> bool:
    return field.type in _ORDERED or field.type in _COUNTED


def _distinct(field: Field) -> str:
    return f"count(DISTINCT {quoted(field.name)})"


def _measures(field: Field) -> Iterator[tuple[str, str]]:
    """Yield the names and aggregates of what one scan finds of a column."""
    column = quoted(field.name)
    yield "nulls", f"count(*) FILTER ({column} IS NULL)"
    if field.type not in _ORDERED:
        return
    # NaN and infinities would swallow every mean, and JSON has no word for them.
    finite = f" FILTER (isfinite({column}))" if field.type == "float64" else ""
    yield "min", f"min({column}){finite}"
    yield "max", f"max({column}){finite}"
    if field.type in ("int64", "float64"):
        yield "mean", f"avg({column}){finite}"
        yield "stddev", f"stddev_samp({column}){finite}"
        yield "quantiles", f"quantile_disc({column}, [{', '.join(map(str, QUANTILES))}]){finite}"
        yield "zeros", f"count(*) FILTER ({column} = 0)"
    if field.type == "float64":
        yield "not_finite", f"count(*) FILTER (NOT isfinite({column}))"


def _top(cursor: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
    column = quoted(name)
    grouped = (
        f"SELECT {column} AS value, count(*) AS count FROM rows WHERE {column} IS NOT NULL GROUP BY {column} "
        f"ORDER BY count DESC, value LIMIT {TOP}"
    )
    found = normalize(cursor.sql(grouped).to_arrow_table()).to_pylist()
    return [{"value": _plain(row["value"]), "count": row["count"]} for row in found]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_plain(item) for item in value]
    return value.isoformat()
