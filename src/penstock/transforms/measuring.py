"""What is kept of the columns that a model learned from: measures, and the distribution of the values."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.operations import sql_literal
from penstock.tables import bound, clear_errors, schema_of
from penstock.transforms.clock import HOUR, TIMES, WEEKDAY, clock_columns, range_edges
from penstock.transforms.distances import cells, learned_cells
from penstock.transforms.distributions import Distribution, count_texts, finite_values, histogram
from penstock.transforms.flattening import FlatColumn, flat_columns

_LONGEST = 64
"""A text of more characters is a message, and no name of a category."""
_WITH_LENGTH = {"string": "length", "bytes": "octet_length"}


def measured(rows: pa.Table) -> list[dict[str, Any]]:
    """Return, as plain JSON, what is worth keeping of each column: the same rows give the same bytes.

    Of each `name`, `type`, `nulls` and `distribution`; of numbers `min`, `max`, `mean`, `median` (by nearest rank),
    `stddev` (of a sample) and `cells` of about as many values each, without NaN and infinities (`not_finite` counts
    them); of anything else how many `categories` there are; of texts and bytes the least, greatest and mean of their
    `lengths`; of sparse arrays the `dimension`; of times the cells of their range by whole days, their hours and their
    weekdays (`clock`). Columns that no statistics can be of are left out.

    What is kept goes wherever the model goes. So no text is kept that only one row holds, nor a long one, nor bytes of
    an image: they count among the distribution's others.
    """
    columns = [flat for field in schema_of(rows.schema) for flat in _flat(field)]
    if not columns:
        return []
    with bound({"rows": rows}) as cursor, clear_errors("cannot look at the rows to learn from"):
        found = [_measured(cursor, column) for column in columns]
    return _with_clock(found, clock_columns(rows))


def _with_clock(found: list[dict[str, Any]], times: pa.Table) -> list[dict[str, Any]]:
    """Add what is kept of times to the measures of their columns."""
    edges = {}
    times = times.select([name for name in times.column_names if times[name].null_count < len(times)])
    for name in times.column_names:
        if pa.types.is_floating(times[name].type):
            ends = pc.min_max(times[name]).as_py()
            edges[name] = range_edges(ends["min"], ends["max"])
    kept = cells(times, edges)
    of_each = {
        each["name"]: {name: kept[name] for name in (each["name"] + end for end in ("", HOUR, WEEKDAY)) if name in kept}
        for each in found
        if each["type"] in TIMES
    }
    return [each | ({"clock": of_each[each["name"]]} if of_each.get(each["name"]) else {}) for each in found]


def _flat(field: Field) -> list[FlatColumn]:
    try:
        return flat_columns(Schema((field,)))
    except DataError:  # arrays of arrays and the like: an expression makes features of them
        return []


def _measured(cursor: duckdb.DuckDBPyConnection, column: FlatColumn) -> dict[str, Any]:
    found: dict[str, Any] = {"name": column.name, "type": column.type}
    found["nulls"] = _number(cursor, f"count(*) - count({column.text}) FROM rows")
    if column.is_number:
        values = finite_values(cursor, column)
        found |= _moments(values) if len(values) else {}
        is_float = column.type == "float64"
        found["not_finite"] = _number(cursor, f"count(v) FROM ({column.values()})") - len(values) if is_float else 0
        found["distribution"] = histogram(values)
        found["cells"] = learned_cells(values)
    else:
        distribution, found["categories"] = count_texts(cursor, column)
        found["distribution"] = _without_rows(distribution)
        if column.type in _WITH_LENGTH:
            found["lengths"] = _lengths(cursor, column)
    if column.index:
        entry = f"struct_extract(unnest({column.text}), {sql_literal(column.index, 'string')})"
        found["dimension"] = _number(cursor, f"coalesce(max(i) + 1, 0) FROM (SELECT {entry} AS i FROM rows)")
    return found


def _without_rows(distribution: Distribution) -> Distribution:
    """Return the distribution with what may be all that one row says among the others."""
    kept = [[value, count] for value, count in distribution["counts"] if count > 1 and len(value) <= _LONGEST]
    rest = sum(count for _, count in distribution["counts"]) - sum(count for _, count in kept)
    return {**distribution, "counts": kept, "others": distribution["others"] + rest}


def _lengths(cursor: duckdb.DuckDBPyConnection, column: FlatColumn) -> dict[str, Any]:
    """Return how long the values are: texts in characters, bytes in bytes."""
    values = column.raw_values() if column.type == "bytes" else column.values()
    measure = _WITH_LENGTH[column.type]
    [(least, most, mean)] = cursor.sql(
        f"SELECT min(n), max(n), avg(n) FROM (SELECT {measure}(v) AS n FROM ({values}) WHERE v IS NOT NULL)"
    ).fetchall()
    return {"min": least, "max": most, "mean": mean}


def _moments(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        found = {
            "min": values.min(),
            "max": values.max(),
            "mean": values.mean(),
            "median": np.partition(values, (len(values) - 1) // 2)[(len(values) - 1) // 2],
            "stddev": values.std(ddof=1) if len(values) > 1 else np.nan,
        }
    return {name: float(value) if np.isfinite(value) else None for name, value in found.items()}


def _number(cursor: duckdb.DuckDBPyConnection, selected: str) -> int:
    [(value,)] = cursor.sql(f"SELECT {selected}").fetchall()
    return int(value)
