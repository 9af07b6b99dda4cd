"""Questions without entity rows: every instant in a range of time at which a row of an entity came about."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from penstock.errors import DeclarationError
from penstock.features.declared.versions import Registered
from penstock.features.history.times import microseconds, zoned
from penstock.features.index.retrieval_index import FeatureIndex
from penstock.features.index.segment import Segment
from penstock.tables import arrow_type

_EARLIEST, _LATEST = -(2**63), 2**63 - 1


def every_instant(
    sets: Sequence[Registered],
    index_of: Callable[[Registered], FeatureIndex],
    *,
    start: datetime.datetime | None,
    end: datetime.datetime | None,
    timestamp: str,
    until: Callable[[Registered], int | None] = lambda _: None,
) -> pa.Table:
    """Return each entity once for each event time that a row of it has in [start, end), in the order of time, then of
    keys; without `start` or `end` the range is open. The times are in the column `timestamp`.

    Raises `DeclarationError` for sets whose entities have other keys than one another's.
    """
    entities = dict(sets[0].definition.set.entities)
    for other in sets[1:]:
        if dict(other.definition.set.entities) != entities:
            raise DeclarationError(
                f"feature set {_told(sets[0])}, {_told(other)}: without entity rows, ask for sets of the same entities"
            )
    if timestamp in entities:
        raise DeclarationError(
            f"'{timestamp}' is a key of '{sets[0].definition.name}'; give the times another name: timestamp="
        )
    low, high = _microseconds(start, "start", _EARLIEST), _microseconds(end, "end", _LATEST)
    schema = pa.schema([(name, arrow_type(type)) for name, type in entities.items()]).append(
        pa.field(timestamp, arrow_type("timestamp"))
    )
    parts = [schema.empty_table()]
    for registered in sets:
        limit = until(registered)
        for segment in index_of(registered).segments():
            keys, times = _happened(segment, low, high, limit)
            columns = dict(zip(registered.definition.keys, keys, strict=True)) | {timestamp: times}
            parts.append(
                pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)
            )
    distinct = pa.concat_tables(parts).group_by(schema.names, use_threads=False).aggregate([])
    order = [(timestamp, "ascending"), *((name, "ascending") for name in entities)]
    return distinct.select(schema.names).sort_by(order)


def _told(registered: Registered) -> str:
    keys = ", ".join(f"{key}: {type}" for key, type in registered.definition.set.entities.items())
    return f"'{registered.definition.name}' is of {keys}"


def _happened(segment: Segment, low: int, high: int, limit: int | None) -> tuple[list[pa.Array], pa.Array]:
    """Return the keys and times of a segment's rows in [low, high), once where several follow one another."""
    events = np.asarray(segment.events)
    counts = (events >= low) & (events < high)
    if limit is not None:
        counts &= np.asarray(segment.sequences) <= limit
    rows = np.flatnonzero(counts)
    ordinals = np.searchsorted(segment.starts, rows, side="right") - 1
    times = events[rows]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (np.diff(ordinals) != 0) | (np.diff(times) != 0)
    return segment.keys.columns(ordinals[first]), pa.array(times[first]).view(arrow_type("timestamp"))


def _microseconds(instant: datetime.datetime | None, name: str, otherwise: int) -> int:
    return otherwise if instant is None else microseconds(zoned(instant, name), name)
