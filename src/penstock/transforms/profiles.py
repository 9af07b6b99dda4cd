"""What a table looks like: for each column its type, NULLs, distinct values, range, moments, quantiles, top values."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import pyarrow as pa

from penstock.core.schema import Field
from penstock.tables import TableLike, bound, clear_errors, normalize, quoted, schema_of, to_arrow

Profile: TypeAlias = dict[str, Any]
"""Plain JSON: {"rows": 3, "columns": [{"name": "km", "type": "float64", "rows": 3, "nulls": 0, ...}]}."""

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 50  # a column with no more distinct values than this has all of them in its profile

_ORDERED = ("int64", "float64", "string", "date", "time", "datetime", "timestamp")
_NUMBERS = ("int64", "float64")
_COUNTABLE = ("bool", "int64", "string", "date")


def profile(rows: TableLike) -> Profile:
    """Return the statistics of every column as plain JSON values, the same on any machine.

    Of each column: `name`, `type`, `rows`, `nulls`; `distinct` and, for values that are counted, `top` (a list of
    `value` and `count`, most frequent first); `min` and `max`; of numbers `mean`, `stddev`, `quantiles` (by "0.5"),
    `zeros` and `not_finite` (NaN and infinities, which the rest leaves out). Dates and times are ISO texts.
    """
    table = to_arrow(rows)
    schema = schema_of(table.schema)
    # One thread: sums over floats, and so the digest of what is stored, must not depend on who comes first.
    with bound({"rows": table}, threads=1) as cursor, clear_errors("cannot profile the rows"):
        measures = {(field.name, name): text for field in schema for name, text in _measures(field).items()}
        selected = ", ".join(f"{text} AS m{position}" for position, text in enumerate(measures.values()))
        answer = normalize(cursor.sql(f"SELECT {selected} FROM rows").to_arrow_table()).to_pylist()[0] if measures else {}
        values = dict(zip(measures, answer.values(), strict=True))
        counted = {field.name: _top(cursor, field.name) for field in schema if field.type in _COUNTABLE}
    columns = []
    for field in schema:
        column = {"name": field.name, "type": field.type, "rows": table.num_rows}
        column |= {name: _plain(value) for (of, name), value in values.items() if of == field.name}
        if "quantiles" in column:
            column["quantiles"] = dict(zip(map(str, QUANTILES), column["quantiles"] or [], strict=False))
        columns.append(column | ({"top": counted[field.name]} if field.name in counted else {}))
    return {"rows": table.num_rows, "columns": columns}


def _measures(field: Field) -> dict[str, str]:
    """Return, by name, what one scan finds of a column."""
    column = quoted(field.name)
    measures = {"nulls": f"count(*) FILTER ({column} IS NULL)"}
    if field.type in _COUNTABLE or field.type in _ORDERED:
        measures["distinct"] = f"count(DISTINCT {column})"
    if field.type in _NUMBERS:
        # FLOAT's NaN and infinities would swallow every mean and cannot stand in JSON.
        finite = f"FILTER (isfinite(CAST({column} AS DOUBLE)))"
        quantiles = ", ".join(map(str, QUANTILES))
        measures |= {
            "not_finite": f"count(*) FILTER (NOT isfinite(CAST({column} AS DOUBLE)))",
            "zeros": f"count(*) FILTER ({column} = 0)",
            "min": f"min({column}) {finite}",
            "max": f"max({column}) {finite}",
            "mean": f"avg({column}) {finite}",
            "stddev": f"stddev_samp({column}) {finite}",
            "quantiles": f"quantile_disc({column}, [{quantiles}]) {finite}",
        }
    elif field.type in _ORDERED:
        measures |= {"min": f"min({column})", "max": f"max({column})"}
    return measures


def _top(cursor: Any, name: str) -> list[dict[str, Any]]:
    column = quoted(name)
    grouped = (
        f"SELECT {column} AS value, count(*) AS count FROM rows WHERE {column} IS NOT NULL GROUP BY {column} "
        f"ORDER BY count DESC, value LIMIT {TOP}"
    )
    table: pa.Table = cursor.sql(grouped).to_arrow_table()
    return [{"value": _plain(row["value"]), "count": row["count"]} for row in normalize(table).to_pylist()]


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
