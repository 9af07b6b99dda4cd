"""The log of requests, read: as rows with their types, version by version, or as one table of all models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.models.learning.matrix import Integers
from penstock.production.parts import parts, read_part
from penstock.production.records import INPUTS, OUTPUTS, OWN, SHADOW

REQUESTS = pa.schema([
    ("time", OWN["time"]), ("id", pa.string()), ("request", pa.string()), ("row", pa.int64()), ("model", pa.string()),
    ("version", pa.int64()), ("digest", pa.string()), ("instance", pa.string()), ("prediction", pa.string()),
    ("route", pa.string()), ("latency_seconds", pa.float64()), *SHADOW.items(),
])  # fmt: skip
"""The columns of the log of all models, in which inputs and predictions are JSON."""

_encode = msgspec.json.Encoder().encode


def is_logged(folder: Path) -> bool:
    """Tell whether there is a log in a folder."""
    return bool(parts(folder))


def read_requests(folder: Path, model: str | None = None) -> pa.Table:
    """Return all rows of the log, or those of one model, by their time."""
    tables = [_as_json(rows) for part in parts(folder, model) if (rows := read_part(part)) is not None]
    if not tables:
        return REQUESTS.empty_table()
    found = pa.concat_tables(tables)
    numbered = found.append_column("n", pa.array(range(found.num_rows)))
    order = pc.sort_indices(numbered, sort_keys=[("time", "ascending"), ("n", "ascending")])
    return found.take(order)


def read_versions(
    folder: Path,
    model: str,
    *,
    since: float | None = None,
    until: float | None = None,
    columns: Sequence[str] | None = None,
) -> dict[int, pa.Table]:
    """Return the rows of a model by the version that answered, with their types: those from `since` to before `until`,
    and of those only some `columns` (`id`, `time` and `version` are among them), if any are named.

    Of an id that was answered more than once by one version (a client that asked again), the newest row counts.
    """
    tables: dict[int, list[pa.Table]] = {}
    for part in parts(folder, model, since=since, until=until):
        rows = read_part(part, columns)
        if rows is not None and (rows := _between(rows, since, until)).num_rows:
            tables.setdefault(rows["version"][0].as_py(), []).append(rows)
    return {version: _newest(_joined(tables[version])) for version in sorted(tables)}


def ids_of(versions: Mapping[int, pa.Table]) -> pa.Array:
    """Return the ids of the rows of versions."""
    chunks = [chunk for rows in versions.values() for chunk in rows["id"].chunks]
    return pa.chunked_array(chunks, pa.string()).combine_chunks()


def _between(rows: pa.Table, since: float | None, until: float | None) -> pa.Table:
    kept, times = None, rows["time"]
    for wanted, holds in ((since, pc.greater_equal), (until, pc.less)):
        if wanted is not None:
            flags = holds(times, pa.scalar(datetime.fromtimestamp(wanted, UTC), times.type))
            kept = flags if kept is None else pc.and_(kept, flags)
    return rows if kept is None else rows.filter(kept)


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Put parts of one version together; one that was written while features were not logged has none of them."""
    return pa.concat_tables(tables, promote_options="permissive")


def _newest(rows: pa.Table) -> pa.Table:
    numbered = rows.append_column("n", pa.array(np.arange(rows.num_rows)))
    ordered = numbered.sort_by([("time", "ascending"), ("n", "ascending")]).drop_columns("n")
    last = last_of_each(ordered["id"])
    return ordered if len(last) == len(ordered) else ordered.take(pa.array(np.sort(last)))


def last_of_each(ids: pa.ChunkedArray) -> Integers:
    """Return where each id stands for the last time, in the order in which they come first."""
    numbers = ids.combine_chunks().dictionary_encode().indices.to_numpy()
    last = np.zeros(numbers.max(initial=-1) + 1, np.int64)
    last[numbers] = np.arange(len(numbers))  # of places that are written more than once the last one stays
    return last


def _as_json(rows: pa.Table) -> pa.Table:
    columns = {
        "instance": _json(rows, INPUTS),
        "prediction": _json(rows, OUTPUTS),
        **{name: rows[name] for name in REQUESTS.names if name in rows.column_names},
    }
    return pa.table([columns[name] for name in REQUESTS.names], schema=REQUESTS)


def _json(rows: pa.Table, name: str) -> pa.Array:
    if name not in rows.column_names:
        return pa.array(["{}"] * rows.num_rows)
    routes = rows["route"].to_pylist() if name == OUTPUTS else []
    values = rows[name].to_pylist()
    if any(routes):  # as it was answered
        values = [{**each, "route": r} if r is not None else each for each, r in zip(values, routes, strict=True)]
    return pa.array([_encode(each).decode() for each in values])
