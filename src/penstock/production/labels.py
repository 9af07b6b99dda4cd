"""Ground truth: the labels of logged rows, which come later, by their ids; the newest counts, and all are kept."""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.graph import ModelGraph
from penstock.errors import ConflictError, DataError, StorageError
from penstock.production.parts import Part, delete_part, part_path, parts, read_part, replace, size_of
from penstock.production.reading import last_of_each
from penstock.production.records import OWN, utc
from penstock.production.request_log import PART_BYTES
from penstock.tables import arrow_type

LABEL = "label"
MOST_PARTS = 32
"""A day with more small files than this has them put together, as labels may come one by one; a day that is over has
one."""

_TRIES = 20
_number = itertools.count().__next__
_ROWS_AT_ONCE = 1_000_000  # so many are held in memory, of which few may be asked for


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
                    delete_part(part)
        day = datetime.fromtimestamp(now, UTC).date().isoformat()
        try:
            replace(part_path(folder, model, day, _stamp(now)), rows)
        except OSError as error:
            raise StorageError(
                f"labels of model '{model}' cannot be written below {folder}: {error}; none of these {len(rows):,} is "
                "kept: see to that folder, and tell them again"
            ) from error
        with contextlib.suppress(OSError):  # the labels are there; the next ones try to make few files of many again
            _tidy(folder, model, day, now)
    return len(rows)


def _tidy(folder: Path, model: str, today: str, now: float) -> None:
    small = [part for part in parts(folder, model) if _is_small(part)]
    for day in sorted({part.day for part in small}):
        of_day = [part for part in small if part.day == day]
        if len(of_day) > (1 if day < today else MOST_PARTS):
            _put_together(of_day, folder, now)


def _is_small(part: Part) -> bool:
    """Tell whether a part is to be written once more with others; the large ones are left, or each label would cost as
    much as all before it."""
    try:
        return size_of(part) < PART_BYTES
    except FileNotFoundError:  # somebody else has just put it together with others
        return False


def label_history(folder: Path, model: str, ids: pa.Array | None = None) -> pa.Table | None:
    """Return all labels of a model, or those of some `ids`, in the order in which they were found to be so; None where
    there are none at all."""
    tables = _read(folder, model, ids)
    if not tables:
        return None
    found = _joined(tables)
    numbered = found.append_column("n", pa.array(range(found.num_rows)))
    order = [("time", "ascending"), ("received", "ascending"), ("n", "ascending")]
    return numbered.sort_by(order).drop_columns("n")


def read_labels(folder: Path, model: str, ids: pa.Array | None = None) -> pa.Table | None:
    """Return the newest label (`id`, `label`) of each id, or of each of some `ids`; None where no label is there."""
    found = label_history(folder, model, ids)
    return None if found is None else found.take(pa.array(last_of_each(found["id"]))).select(["id", LABEL])


def labelled(rows: pa.Table, labels: pa.Table | None, type: str) -> pa.Array:
    """Return the label of each logged row, NULL where there is none yet."""
    wanted = arrow_type(type)
    if labels is None:
        return pa.nulls(rows.num_rows, wanted)
    places = pc.index_in(rows["id"], value_set=labels["id"].combine_chunks())
    places = places.combine_chunks() if isinstance(places, pa.ChunkedArray) else places
    found = labels[LABEL].combine_chunks().take(places)
    try:
        return found.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"labels are {found.type}, and rows were answered by a version that predicts {type}: {error}; tell the "
            "labels of those rows again, as NULL or in that type",
            field=LABEL,
        ) from error


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


def _read(folder: Path, model: str, ids: pa.Array | None) -> list[pa.Table]:
    """Read all parts; where others put some together meanwhile, once more."""
    for _ in range(_TRIES):
        try:
            return list(_of_ids(_tables(parts(folder, model)), ids))
        except FileNotFoundError:
            continue
    raise ConflictError(f"the labels of model '{model}' in {folder} are being put together all the time; ask again")


def _tables(found: list[Part]) -> Iterator[pa.Table]:
    for part in found:
        rows = read_part(part)
        if rows is None:
            raise FileNotFoundError(part.path)
        yield rows


def _of_ids(tables: Iterable[pa.Table], ids: pa.Array | None) -> Iterator[pa.Table]:
    """Yield the rows of some ids, or all: looked for in many rows at once, for each look has to sort the ids first."""
    waiting, count = [], 0
    for rows in tables:
        waiting.append(rows)
        count += rows.num_rows
        if count >= _ROWS_AT_ONCE:
            yield _chosen(waiting, ids)
            waiting, count = [], 0
    if waiting:
        yield _chosen(waiting, ids)


def _chosen(tables: list[pa.Table], ids: pa.Array | None) -> pa.Table:
    found = _joined(tables)
    return found if ids is None else found.filter(pc.is_in(found["id"], value_set=ids))


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Put labels together; where versions of the model had labels of other types, as their texts."""
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowTypeError:
        place = tables[0].schema.get_field_index(LABEL)
        return pa.concat_tables([each.set_column(place, LABEL, each[LABEL].cast(pa.string())) for each in tables])


def _put_together(of_day: list[Part], folder: Path, now: float) -> None:
    """Write many files as one, before they are deleted: whoever reads meanwhile may see a label twice, never none."""
    tables = [(part, rows) for part in of_day if (rows := read_part(part)) is not None]
    whole = _joined([rows for _, rows in tables])
    place = of_day[0].stamp.partition("-")[0]  # where the first of them was
    stamp = f"{place}-{_stamp(now).partition('-')[2]}"
    replace(part_path(folder, of_day[0].model, of_day[0].day, stamp), whole)
    for part, _ in tables:
        delete_part(part)


def _stamp(now: float) -> str:
    """Return the name of a part: of two of one moment that one process writes, the later one sorts behind."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S%f}-{_number():08x}-{secrets.token_hex(4)}"
