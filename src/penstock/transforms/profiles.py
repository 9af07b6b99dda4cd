"""What a table looks like: for each column its type, NULLs, distinct values, range, moments, quantiles, histogram."""

from __future__ import annotations

import datetime
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.artifact import Source
from penstock.core.schema import Field
from penstock.errors import UnknownNameError
from penstock.operations import quoted, sql_literal
from penstock.tables import (
    TableLike,
    bound,
    cache_folder,
    clear_errors,
    connection,
    read,
    resolve,
    scan_sql,
    schema_of,
    source_schema,
    to_arrow,
)
from penstock.transforms.image_sizes import image_sizes
from penstock.transforms.moments import mean_and_deviation
from penstock.transforms.sorted_values import QUANTILES, Sorted

Profile: TypeAlias = dict[str, Any]
"""Plain JSON: {"rows": 3, "columns": [{"name": "km", "type": "float64", "rows": 3, "nulls": 0, ...}]}."""

TOP = 50  # a column with no more distinct values than this has all of them in its profile

_NUMBERS = ("int64", "float64")
_TIMES = ("date", "time", "datetime", "timestamp")
_COUNTED = ("bool", "int64", "date")
_AT_ONCE = 4  # columns that are looked at beside one another


def profile(
    rows: TableLike, *, only: Sequence[str] | None = None, edges: Mapping[str, Sequence[float]] | None = None
) -> Profile:
    """Return the statistics of every column (or of those in `only` that there are) as plain JSON values, the same on
    any machine for any order of the rows. Of a source one column after the other is read, each once.

    Of each column: `name`, `type`, `rows`, `nulls`; `distinct` and, for values that are counted, `top` (a list of
    `value` and `count`, most frequent first); `min` and `max`. Of numbers `mean`, `stddev`, `quantiles` (by "0.5", by
    nearest rank), `zeros`, `not_finite` (NaN and infinities, which the rest leaves out), a `histogram` of equal widths
    and a `distribution` of equal counts; of times a `histogram`; of texts and bytes their `lengths`; of bytes that are
    images their `images`: formats, widths, heights. Dates and times are ISO texts. Numbers for which there are `edges`
    are also counted by these, as `cells`: those below the first are the first count.
    """
    if isinstance(rows, str | Path):
        rows = resolve(str(rows), root=Path.cwd())
    table = rows if isinstance(rows, Source) else to_arrow(rows)
    schema = source_schema(table) if isinstance(table, Source) else schema_of(table.schema)
    fields = [field for field in schema if only is None or field.name in only]
    if not fields:
        return {"rows": 0 if isinstance(table, Source) else table.num_rows, "columns": []}
    workers = min(_AT_ONCE, int(os.environ.get("PENSTOCK_CPUS", 0)) or os.cpu_count() or 1, len(fields))
    with _by_column(table) as given, ThreadPoolExecutor(workers, thread_name_prefix="profile") as pool:
        columns = list(pool.map(lambda field: _profiled(given, field, (edges or {}).get(field.name)), fields))
    return {"rows": columns[0]["rows"], "columns": columns}


def column_of(profile: Profile, name: str) -> dict[str, Any]:
    """Return what a profile says of a column."""
    found = {column["name"]: column for column in profile["columns"]}
    if name not in found:
        raise UnknownNameError("column", name, found, within="the statistics")
    column: dict[str, Any] = found[name]
    return column


def is_key(column: Mapping[str, Any]) -> bool:
    """Tell whether the values of a column of a profile are names of rows: many, and none came twice."""
    known = column["rows"] - column["nulls"]
    return column["type"] in ("int64", "string") and column.get("distinct") == known > TOP


def plain(value: Any) -> Any:
    """Return a value of a row as JSON has it: times are ISO texts, NaN and infinities None."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.decode(errors="backslashreplace")
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(item) for name, item in value.items()}
    return value.isoformat()


@contextmanager
def _by_column(rows: pa.Table | Source) -> Iterator[pa.Table | Source]:
    """Give rows whose columns can be read one by one: a file of lines is parsed once, into a file of columns."""
    if not isinstance(rows, Source) or rows.format not in ("csv", "json"):
        yield rows
        return
    with tempfile.TemporaryDirectory(prefix="profile-", dir=cache_folder()) as scratch:
        file = str(Path(scratch, "rows.parquet"))
        with clear_errors(f"cannot read '{rows.name}'"):
            text = f"COPY (SELECT * FROM {scan_sql(rows)}) TO {sql_literal(file, 'string')} (FORMAT parquet)"
            connection().cursor().execute(text)
        yield Source(name=rows.name, uris=(file,), format="parquet", digest="")


def _profiled(table: pa.Table | Source, field: Field, edges: Sequence[float] | None) -> dict[str, Any]:
    if field.type == "string":
        return _of_texts(table, field)
    rows = read(table, [field.name]) if isinstance(table, Source) else table
    column = rows.column(field.name)
    found = {"name": field.name, "type": field.type, "rows": len(column), "nulls": column.null_count}
    match field.type:
        case "bool":
            return {**found, **_of_truths(column)}
        case "bytes":
            return {**found, **_lengths(pc.binary_length(column)), **_images(column)}
        case type if type in (*_NUMBERS, *_TIMES):
            return {**found, **_of_ordered(column.drop_null(), type, edges)}
    return found


def _of_ordered(column: pa.ChunkedArray, type: str, cells: Sequence[float] | None) -> dict[str, Any]:
    """Sorted once, all that is asked of values can be read off."""
    present = len(column)
    if type == "float64":
        column = column.filter(pc.is_finite(column))
    found = Sorted.of(column)
    shown = _shown(type)
    least, most = (None, None) if not len(found.values) else (shown(found.values[0]), shown(found.values[-1]))
    described: dict[str, Any] = {"distinct": found.distinct, "min": least, "max": most}
    if type in _COUNTED:
        described["top"] = [{"value": shown(value), "count": count} for value, count in found.most_frequent(TOP)]
    if type in _TIMES:
        edges, counts = found.histogram()
        return {**described, "histogram": {"edges": [shown(int(edge)) for edge in edges], "counts": counts}}
    mean, deviation = mean_and_deviation(column)
    described |= {
        "mean": plain(mean),
        "stddev": plain(deviation),
        "quantiles": {str(at): shown(value) for at, value in zip(QUANTILES, found.quantiles(QUANTILES), strict=False)},
        "zeros": found.count_of(0),
    }
    if type == "float64":
        described["not_finite"] = present - len(column)
    edges, counts = found.histogram()
    shares, of_shares = found.equal_counts()
    described["histogram"] = {"edges": list(map(float, edges)), "counts": counts}
    described["distribution"] = {"kind": "numbers", "edges": list(map(float, shares)), "counts": of_shares}
    if cells is not None:
        described["cells"] = {"edges": list(cells), "counts": found.below_between_above(cells)}
    return described


def _shown(type: str) -> Any:
    """Return what makes a number of `Sorted` the value that JSON has."""
    match type:
        case "int64":
            return int
        case "float64":
            return float
        case "date":
            return lambda days: (datetime.date(1970, 1, 1) + datetime.timedelta(days=int(days))).isoformat()
        case "time":
            return lambda micros: (
                (datetime.datetime.min + datetime.timedelta(microseconds=int(micros))).time().isoformat()
            )
    zone = datetime.UTC if type == "timestamp" else None
    epoch = datetime.datetime(1970, 1, 1, tzinfo=zone)
    return lambda micros: (epoch + datetime.timedelta(microseconds=int(micros))).isoformat()


def _of_truths(column: pa.ChunkedArray) -> dict[str, Any]:
    known = column.drop_null()
    true = pc.sum(known).as_py() or 0
    counts = sorted([(-count, value) for value, count in ((False, len(known) - true), (True, true)) if count])
    return {"distinct": len(counts), "top": [{"value": value, "count": -count} for count, value in counts]}


def _of_texts(table: pa.Table | Source, field: Field) -> dict[str, Any]:
    """Group equal texts once: all else is found in what is different."""
    name = quoted(field.name)
    counted = f"SELECT {name} AS v, count(*) AS n FROM rows GROUP BY v"
    top = f"SELECT v, n FROM counted WHERE v IS NOT NULL ORDER BY n DESC, v LIMIT {TOP}"
    asked = (
        "coalesce(sum(n), 0)::BIGINT, coalesce(sum(n) FILTER (v IS NULL), 0)::BIGINT, count(v), min(v), max(v), "
        "min(length(v)), max(length(v)), sum(length(v) * n)::HUGEINT, "
        f"(SELECT list(struct_pack(value := v, count := n) ORDER BY n DESC, v) FROM ({top}))"
    )
    given = table if isinstance(table, Source) else table.select([field.name])
    with bound({"rows": given}) as cursor, clear_errors("cannot profile the rows"):
        text = f"WITH counted AS MATERIALIZED ({counted}) SELECT {asked} FROM counted"
        [(rows, nulls, distinct, least, most, shortest, longest, letters, tops)] = cursor.sql(text).fetchall()
    return {
        "name": field.name,
        "type": field.type,
        "rows": rows,
        "nulls": nulls,
        "distinct": distinct,
        "min": least,
        "max": most,
        "top": tops or [],
        "lengths": _range(shortest, longest, letters, rows - nulls),
    }


def _lengths(lengths: pa.ChunkedArray) -> dict[str, Any]:
    ends = pc.min_max(lengths).as_py()
    known = len(lengths) - lengths.null_count
    return {"lengths": _range(ends["min"], ends["max"], pc.sum(lengths).as_py(), known)}


def _range(least: int | None, most: int | None, total: int | None, count: int) -> dict[str, Any]:
    return {"min": least, "max": most, "mean": int(total) / count if count and total is not None else None}


def _images(column: pa.ChunkedArray) -> dict[str, Any]:
    found = image_sizes(column)
    return {"images": found} if found else {}
