"""The one form in which rows are kept: equal rows are equal bytes, whichever library made them and however they lay in
memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import DataError

BATCH_ROWS = 65_536
"""How many rows a batch of a stored table has: what streaming holds in memory at once."""

_ZONES = {"Etc/UTC": "UTC", "Etc/Zulu": "UTC", "Zulu": "UTC", "Z": "UTC"}
_NOT_OURS = (b"pandas", b"PARQUET:", b"_PL_", b"ARROW:schema")  # metadata by which libraries talk to themselves
_TEXTS = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}


def canonical_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that rows of this one are kept with; raises `DataError` naming a column that cannot be kept.

    Each library has its own layout of texts, lists and categories: here each has one. Values lose nothing.
    """
    fields = [_field(field, column=field.name) for field in schema]
    metadata = _metadata(schema.metadata)
    return pa.schema(fields, metadata=metadata)


def canonical_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of these batches, of any schema that has this canonical one, in batches of `BATCH_ROWS`."""
    pending: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        at = 0
        while at < batch.num_rows:
            piece = batch.slice(at, BATCH_ROWS - rows)
            pending.append(piece)
            at, rows = at + piece.num_rows, rows + piece.num_rows
            if rows == BATCH_ROWS:
                yield _canonical_batch(schema, pending)
                pending, rows = [], 0
    if rows:
        yield _canonical_batch(schema, pending)


def has_categories(schema: pa.Schema) -> bool:
    """Tell whether a column is of categories: all batches of a file must share their dictionaries."""
    return any(pa.types.is_dictionary(field.type) for field in schema)


def _field(field: pa.Field, column: str) -> pa.Field:
    return field.with_type(_type(field.type, column)).with_metadata(_metadata(field.metadata))


def _metadata(metadata: dict[bytes, bytes] | None) -> dict[bytes, bytes] | None:
    kept = {name: value for name, value in (metadata or {}).items() if not name.startswith(_NOT_OURS)}
    return dict(sorted(kept.items())) or None


def _type(type: pa.DataType, column: str, *, nested: bool = False) -> pa.DataType:
    if type in _TEXTS:
        return _TEXTS[type]
    if pa.types.is_timestamp(type):
        return pa.timestamp(type.unit, _ZONES.get(type.tz, type.tz))
    if pa.types.is_list(type) or pa.types.is_large_list(type) or _is_list_view(type):
        return pa.list_(_item(type, column))
    if pa.types.is_fixed_size_list(type):
        return pa.list_(_item(type, column), type.list_size)
    if pa.types.is_struct(type):
        return pa.struct([_inner(field, column) for field in type])
    if pa.types.is_map(type):
        key, item = _inner(type.key_field, column).type, _inner(type.item_field, column).type
        return pa.map_(key, item, type.keys_sorted)
    if pa.types.is_dictionary(type) and not nested:
        return pa.dictionary(pa.int32(), _type(type.value_type, column, nested=True), type.ordered)
    if pa.types.is_dictionary(type) or pa.types.is_union(type) or pa.types.is_run_end_encoded(type):
        where = "inside another type" if nested else "as such"
        raise DataError(
            f"column '{column}' has values of type {type}, which a table cannot keep {where}; cast it first "
            "(categories to text, a union to one of its types)",
            field=column,
        )
    return type


def _inner(field: pa.Field, column: str) -> pa.Field:
    return field.with_type(_type(field.type, column, nested=True)).with_metadata(_metadata(field.metadata))


def _item(type: pa.DataType, column: str) -> pa.Field:
    return _inner(type.value_field, column).with_name("item")  # each library has another name for it


def _is_list_view(type: pa.DataType) -> bool:
    return bool(pa.types.is_list_view(type) or pa.types.is_large_list_view(type))


def _canonical_batch(schema: pa.Schema, pieces: list[pa.RecordBatch]) -> pa.RecordBatch:
    table = pa.Table.from_batches(pieces)
    columns = []
    for field, column in zip(schema, table.columns, strict=True):
        whole = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
        try:
            columns.append(_canonical_array(whole.cast(field.type) if whole.type != field.type else whole))
        except pa.ArrowException as error:
            raise DataError(
                f"column '{field.name}' cannot be kept as {field.type}: {error}", field=field.name
            ) from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _canonical_array(array: pa.Array) -> pa.Array:
    """Return an array without the bytes that are not values: what lies under a NULL, and around a slice."""
    type = array.type
    if isinstance(array, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(type, _canonical_array(array.storage))
    if pa.types.is_null(type):
        return pa.nulls(len(array))
    if pa.types.is_struct(type):
        children = [_canonical_array(child) for child in array.flatten()]  # NULL wherever the struct is
        return pa.Array.from_buffers(type, len(array), [_validity(array)], array.null_count, children=children)
    if pa.types.is_list(type) or pa.types.is_map(type):
        return _canonical_list(array)
    if pa.types.is_fixed_size_list(type):
        return _canonical_fixed_list(array)
    if pa.types.is_dictionary(type):
        indices = _canonical_array(array.indices)
        return pa.DictionaryArray.from_arrays(indices, array.dictionary, ordered=type.ordered)
    if pa.types.is_string(type) or pa.types.is_binary(type):
        return _canonical_text(array)
    return _canonical_numbers(array)


def _canonical_numbers(array: pa.Array) -> pa.Array:
    """Values of one width: numbers, times, decimals, booleans."""
    if pa.types.is_boolean(array.type):
        truth = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
        data = pa.py_buffer(np.packbits(truth, bitorder="little"))
    else:
        width = array.type.byte_width
        data = array.buffers()[1].slice(array.offset * width, len(array) * width) if len(array) else pa.py_buffer(b"")
        if array.null_count:
            values = np.frombuffer(data, np.uint8).reshape(len(array), width).copy()
            values[_nulls(array)] = 0
            data = pa.py_buffer(values)
    return pa.Array.from_buffers(array.type, len(array), [_validity(array), data], array.null_count)


def _canonical_text(array: pa.Array) -> pa.Array:
    filled = pc.fill_null(array, pa.scalar("" if pa.types.is_string(array.type) else b"", array.type))
    if filled.offset or _has_more_bytes(filled):
        filled = pa.concat_arrays([filled, filled.slice(0, 0)])  # a copy of the slice alone
    _, offsets, data = filled.buffers()
    return pa.Array.from_buffers(array.type, len(array), [_validity(array), offsets, data], array.null_count)


def _has_more_bytes(array: pa.Array) -> bool:
    _, offsets, data = array.buffers()
    return len(array) > 0 and np.frombuffer(offsets, np.int32, len(array) + 1)[-1] != (data.size if data else 0)


def _canonical_list(array: pa.Array) -> pa.Array:
    map = pa.types.is_map(array.type)
    plain = array.cast(pa.list_(array.type.field(0))) if map else array  # a map is a list of its entries
    lengths = pc.fill_null(pc.list_value_length(plain), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    values = _canonical_array(plain.flatten())  # the values of no list, and of NULL, are left out
    buffers = [_validity(array), pa.py_buffer(offsets)]
    return pa.Array.from_buffers(array.type, len(array), buffers, array.null_count, children=[values])


def _canonical_fixed_list(array: pa.Array) -> pa.Array:
    size = array.type.list_size
    taken = np.arange(len(array) * size).reshape(len(array), size) + array.offset * size
    places = pa.array(taken.ravel(), mask=np.repeat(_nulls(array), size))
    values = _canonical_array(array.values.take(places))
    return pa.Array.from_buffers(array.type, len(array), [_validity(array)], array.null_count, children=[values])


def _nulls(array: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    nulls: np.ndarray[tuple[int], np.dtype[np.bool_]] = pc.is_null(array).to_numpy(zero_copy_only=False)
    return nulls


def _validity(array: pa.Array) -> pa.Buffer | None:
    return pa.py_buffer(np.packbits(~_nulls(array), bitorder="little")) if array.null_count else None
