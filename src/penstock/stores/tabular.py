"""How a table becomes bytes: one Arrow IPC file, uncompressed, so that reading is a memory map."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore
from penstock.errors import DataError
from penstock.stores.writing import scratch_file
from penstock.tables import schema_of, to_arrow

_PREVIEW_ROWS = 5
_PREVIEW_COLUMNS = 20
_PREVIEW_CHARACTERS = 60


class TableCodec:
    """Tables, as Arrow IPC files. Equal tables give equal bytes, however they are chunked or sliced."""

    kind = "table"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a table: pyarrow's, or a frame that hands its columns over as Arrow."""
        return hasattr(value, "__arrow_c_stream__") and hasattr(value, "columns")

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store a table; facts are `rows`, `columns`, `size_bytes` and a `preview` of the first rows."""
        table = canonical(_table(value))
        with scratch_file(store) as path:
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
            size = path.stat().st_size
            digest = store.put(path)
        return Artifact(
            digest=digest,
            kind=self.kind,
            uri=store.path(digest).as_uri(),
            schema=tuple((field.name, _type_word(field)) for field in table.schema),
            facts={
                "rows": table.num_rows,
                "columns": table.num_columns,
                "size_bytes": size,
                "preview": _preview(table),
            },
        )

    def load(self, artifact: Artifact, store: ArtifactStore) -> pa.Table:
        """Return the table, memory-mapped: its columns are read from disk when they are touched."""
        with pa.memory_map(str(store.path(artifact.digest))) as file:
            return pa.ipc.open_file(file).read_all()


def _table(value: Any) -> pa.Table:
    """Return a value as a table of exactly the types that it has."""
    if isinstance(value, pa.Table):
        return value
    return pa.table(value) if hasattr(value, "__arrow_c_stream__") else to_arrow(value)


def _type_word(field: pa.Field) -> str:
    """Return our word for a column's type; Arrow's own where we have none, for a table that only passes through."""
    try:
        return schema_of(pa.schema([field]))[field.name].type
    except DataError:
        return str(field.type)


def canonical(table: pa.Table) -> pa.Table:
    """Return the table with one chunk a column, and no bytes that are not values.

    Slices keep bytes of the rows around them, and what lies under a NULL is whatever was there before: both would give
    equal tables different digests, and the steps behind them would run for nothing.
    """
    table = table.combine_chunks()
    columns = [_canonical_column(column) for column in table.columns]
    return pa.table(columns, schema=table.schema) if columns else table


def _canonical_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([_canonical_array(chunk) for chunk in column.chunks], type=column.type)


def _canonical_array(array: pa.Array) -> pa.Array:
    if _is_slice(array):
        array = pa.concat_arrays([array, array.slice(0, 0)])
    if array.null_count and (zero := _zero(array.type)) is not None:
        filled = pc.fill_null(array, zero)
        return pa.Array.from_buffers(
            array.type, len(array), [pc.is_valid(array).buffers()[1], *filled.buffers()[1:]], array.null_count
        )
    return array


def _is_slice(array: pa.Array) -> bool:
    if array.offset:
        return True
    if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
        offsets = array.buffers()[1]
        return len(array) > 0 and memoryview(offsets).cast("i")[len(array)] != array.buffers()[2].size
    return False


def _zero(type: pa.DataType) -> pa.Scalar | None:
    """Return what stands under a NULL of this type; None where Arrow itself leaves nothing there."""
    if pa.types.is_string(type) or pa.types.is_binary(type):
        return pa.scalar("", type) if pa.types.is_string(type) else pa.scalar(b"", type)
    if pa.types.is_boolean(type):
        return pa.scalar(False, type)
    if pa.types.is_integer(type) or pa.types.is_floating(type):
        return pa.scalar(0, type)
    if pa.types.is_temporal(type) and not pa.types.is_interval(type):
        return pa.scalar(0, pa.int32() if type.bit_width == 32 else pa.int64()).cast(type)
    return None


def _preview(table: pa.Table) -> list[dict[str, Any]]:
    """Return the first rows as JSON holds them, long values cut."""
    head = table.select(range(min(table.num_columns, _PREVIEW_COLUMNS))).slice(0, _PREVIEW_ROWS)
    return [{name: _shown(value) for name, value in row.items()} for row in head.to_pylist()]


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = str(value)
    return text if len(text) <= _PREVIEW_CHARACTERS else f"{text[: _PREVIEW_CHARACTERS - 1]}…"
