"""Ground truth: the labels of logged rows, which come later, by their ids; the newest counts, and all are kept."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.graph import ModelGraph
from penstock.errors import DataError
from penstock.production.reading import last_of_each
from penstock.production.records import OWN, utc
from penstock.production.request_log import Part, parts, read_part, write_part
from penstock.tables import arrow_type

LABEL = "label"
MOST_PARTS = 32
"""A day with more files than this has them put together: labels may come one by one."""

_TRIES = 20


def label_type(graph: ModelGraph) -> str:
    """Return the type of the one label of a model; raises `DataError` where it has none, or several side by side."""
    name = f"predicted_{graph.label}"
    if graph.label is None or name not in graph.signature.outputs.names:
        raise DataError(
            f"model '{graph.name}' predicts {', '.join(graph.signature.outputs.names)}, no one label; ground truth is "
            "of models with one"
        )
    return graph.signature.outputs[name].type


def label_rows(
    graph: ModelGraph, rows: pa.Table, *, id: str = "id", label: str | None = None, time: str | None = None, now: float
) -> pa.Table:
    """Return labels as they are kept: `id`, `label` in the model's type, `time` (when it was found to be so: a column
    of the rows, or now) and when it was `received`. A label that is NULL takes back what was said before.

    Raises `DataError` naming the column that the rows lack, or that has another type.
    """
    own = graph.label if graph.label in rows.column_names else None
    named: str = label or own or LABEL
    for column in (id, named, *([] if time is None else [time])):
        if column not in rows.column_names:
            raise DataError(
                f"labels of model '{graph.name}' need the columns {id}, {named}; the rows have: "
                f"{', '.join(rows.column_names)}",
                field=column,
            )
    ids = rows[id].cast(pa.string())
    if ids.null_count or not pc.all(pc.greater(pc.utf8_length(ids), 0), min_count=0).as_py():
        raise DataError(f"labels of model '{graph.name}': some row has no {id}", field=id)
    count = rows.num_rows
    moments = pa.array([utc(now)] * count, OWN["time"])
    said = moments if time is None else _cast(graph, rows, time, OWN["time"], "timestamp")
    values = _cast(graph, rows, named, arrow_type(label_type(graph)), label_type(graph))
    return pa.table({"id": ids, LABEL: values, "time": said, "received": moments})


def add_labels(folder: Path, model: str, rows: pa.Table, *, now: float, keep_seconds: float | None = None) -> int:
    """Keep labels in a folder, which others may add to meanwhile; return how many there are. Those that came before the
    last `keep_seconds` are deleted."""
    if rows.num_rows:
        if keep_seconds is not None:
            oldest = datetime.fromtimestamp(now - keep_seconds, UTC).date().isoformat()
            for part in parts(folder, model):
                if part.day < oldest:
                    part.path.unlink(missing_ok=True)
        day = datetime.fromtimestamp(now, UTC).date().isoformat()
        write_part(folder, model, day, rows, _stamp(now))
        _put_together([part for part in parts(folder, model) if part.day == day], folder, now)
    return len(rows)


def label_history(folder: Path, model: str) -> pa.Table | None:
    """Return all labels of a model in the order in which they were found to be so; None where there are none."""
    tables = _read(folder, model)
    if not tables:
        return None
    found = pa.concat_tables(tables, promote_options="permissive")
    numbered = found.append_column("n", pa.array(range(found.num_rows)))
    order = [("time", "ascending"), ("received", "ascending"), ("n", "ascending")]
    return numbered.sort_by(order).drop_columns("n")


def read_labels(folder: Path, model: str) -> pa.Table | None:
    """Return the newest label of each id (`id`, `label`, and `changes`: how often it was corrected)."""
    found = label_history(folder, model)
    if found is None:
        return None
    last, times = last_of_each(found["id"])
    kept = found.take(pa.array(last)).select(["id", LABEL])
    return kept.append_column("changes", pa.array(times - 1))


def labelled(rows: pa.Table, labels: pa.Table | None, type: str) -> pa.Array:
    """Return the label of each logged row, NULL where there is none yet."""
    wanted = arrow_type(type)
    if labels is None:
        return pa.nulls(rows.num_rows, wanted)
    places = pc.index_in(rows["id"], value_set=labels["id"].combine_chunks())
    places = places.combine_chunks() if isinstance(places, pa.ChunkedArray) else places
    return labels[LABEL].cast(wanted).combine_chunks().take(places)


def _cast(graph: ModelGraph, rows: pa.Table, column: str, type: pa.DataType, said: str) -> Any:
    try:
        if pa.types.is_timestamp(type) and pa.types.is_string(rows[column].type):
            return pa.array([_instant(each) for each in rows[column].to_pylist()], type)
        return rows[column].cast(type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise DataError(
            f"labels of model '{graph.name}': column {column} is {rows[column].type}, not {said}: {error}", field=column
        ) from error


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"'{text}' has no zone; write 2026-11-25T03:00:00Z")
    return found


def _read(folder: Path, model: str) -> list[pa.Table]:
    """Read all parts; where others put some together meanwhile, once more."""
    for _ in range(_TRIES):
        tables = [read_part(part) for part in parts(folder, model)]
        if all(each is not None for each in tables):
            break
    return [each for each in tables if each is not None]


def _put_together(of_day: list[Part], folder: Path, now: float) -> None:
    """Write many files as one, before they are deleted: whoever reads meanwhile may see a label twice, never none."""
    if len(of_day) <= MOST_PARTS:
        return
    tables = [(part, rows) for part in of_day if (rows := read_part(part)) is not None]
    whole = pa.concat_tables([rows for _, rows in tables], promote_options="permissive")
    write_part(folder, of_day[0].model, of_day[0].day, whole, f"{of_day[0].stamp.partition('.')[0]}-{_stamp(now)}")
    for part, _ in tables:
        part.path.unlink(missing_ok=True)


def _stamp(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
