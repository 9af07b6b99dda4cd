"""How a table becomes bytes: one Arrow IPC file, uncompressed, in batches, so that reading is a memory map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, Codec
from penstock.errors import DataError
from penstock.operations.glimpses import without_bytes
from penstock.stores.canonical import canonical_batches, canonical_schema, has_categories
from penstock.stores.frames import FORMS, batches_of, is_table
from penstock.stores.writing import scratch_file
from penstock.tables import schema_of

_PREVIEW_ROWS = 5
_PREVIEW_COLUMNS = 20
_PREVIEW_CHARACTERS = 60


class TableCodec:
    """Tables, as Arrow IPC files: equal rows give equal bytes, whichever library made them. They are written batch by
    batch; of a stream, a relation or a lazy frame the whole is never in memory."""

    kind = "table"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a table: pyarrow's, a frame that hands its columns over as Arrow, a stream."""
        return is_table(value)

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store a table; facts are `rows`, `columns`, `size_bytes` and a `preview` of the first rows.

        Raises `DataError` naming a column that cannot be kept.
        """
        given, batches = batches_of(value)
        schema = canonical_schema(given)
        with scratch_file(store) as path, scratch_file(store) as spool:
            if has_categories(schema) and not isinstance(batches, list):
                batches = _with_one_dictionary(given, batches, spool)
            rows, preview = _write(schema, canonical_batches(schema, batches), path)
            size = path.stat().st_size
            digest = store.put(path)
        return Artifact(
            digest=digest,
            kind=self.kind,
            uri=store.path(digest).as_uri(),
            schema=tuple((field.name, _type_word(field)) for field in schema),
            facts={"rows": rows, "columns": len(schema), "size_bytes": size, "preview": preview},
        )

    def load(self, artifact: Artifact, store: ArtifactStore) -> pa.Table:
        """Return the table, memory-mapped: its columns are read from disk when they are touched."""
        table: pa.Table = FORMS["table"](store.path(artifact.digest))
        return table


class TableForm:
    """A stored table as what a parameter's annotation asks for: a kind such as "table:pandas"."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def accepts(self, value: Any) -> bool:
        """No value: all tables are kept in one form, and this is how one is opened."""
        return False

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store a table."""
        return TableCodec().save(value, store)

    def load(self, artifact: Artifact, store: ArtifactStore) -> Any:
        """Return the table as this form."""
        return FORMS[self.kind](store.path(artifact.digest))


TABLE_FORMS: tuple[Codec, ...] = tuple(TableForm(kind) for kind in FORMS if kind != "table")


def _write(schema: pa.Schema, batches: Iterator[pa.RecordBatch], path: Path) -> tuple[int, list[dict[str, Any]]]:
    """Write the file; return how many rows it has, and the first of them."""
    rows, preview = 0, list[dict[str, Any]]()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for batch in batches:
            preview = preview if rows else _preview(batch)
            rows += batch.num_rows
            writer.write_batch(batch)
    return rows, preview


def _with_one_dictionary(schema: pa.Schema, batches: Iterable[pa.RecordBatch], spool: Path) -> list[pa.RecordBatch]:
    """Return the batches with the categories of them all, read back from a file: only those are in memory."""
    with pa.OSFile(str(spool), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    with pa.memory_map(str(spool)) as file:
        whole: pa.Table = pa.ipc.open_stream(file).read_all()
    found: list[pa.RecordBatch] = whole.unify_dictionaries().to_batches()
    return found


def _type_word(field: pa.Field) -> str:
    """Return our word for a column's type; Arrow's own where we have none, for a table that only passes through."""
    try:
        return schema_of(pa.schema([field]))[field.name].type
    except DataError:
        return str(field.type)


def _preview(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the first rows as JSON holds them, long values cut."""
    head = batch.select(list(range(min(batch.num_columns, _PREVIEW_COLUMNS)))).slice(0, _PREVIEW_ROWS)
    return [{name: _shown(value) for name, value in row.items()} for row in head.to_pylist()]


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = str(without_bytes(value))
    return text if len(text) <= _PREVIEW_CHARACTERS else f"{text[: _PREVIEW_CHARACTERS - 1]}…"
