"""Arrow's types, DuckDB's and ours: each of the many Arrow types has one of our few that holds it."""

from __future__ import annotations

import glob

import pyarrow as pa

from penstock.core.schema import Field, Schema, check_type, element_type, struct_fields
from penstock.errors import DataError
from penstock.operations import sql_literal

_ARROW: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bytes": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "datetime": pa.timestamp("us"),
    "timestamp": pa.timestamp("us", "UTC"),
    "null": pa.null(),
}


def arrow_type(type: str) -> pa.DataType:
    """Return the Arrow type that holds values of one of our types."""
    check_type(type)
    if type.startswith("array<"):
        return pa.list_(arrow_type(element_type(type)))
    if type.startswith("struct<"):
        return pa.struct([(name, arrow_type(member)) for name, member in struct_fields(type)])
    return _ARROW[type]


def file_literal(path: str) -> str:
    """Return a file's path as DuckDB's readers take it: the file of that name, even where it looks like a pattern."""
    return sql_literal(glob.escape(path), "string")


def arrow_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema of a table with these columns."""
    return pa.schema([pa.field(field.name, arrow_type(field.type), field.nullable) for field in schema])


def schema_of(schema: pa.Schema) -> Schema:
    """Return our schema of a table; raises `DataError` where a column has a type that we have no word for.

    A narrow integer or float counts as int64 or float64, a whole decimal as int64 and any other as float64, a
    dictionary as its values, a map as an array of key and value, an extension as what it is stored as.
    """
    _check_names(schema.names)
    return Schema(tuple(Field(field.name, _type_name(field.type, field.name), field.nullable) for field in schema))


def normalize(table: pa.Table) -> pa.Table:
    """Return the table with every column in the Arrow type of its type here.

    Timestamps keep microseconds (finer parts are cut off), zones become UTC, decimals the nearest float64 or, if whole,
    int64. Raises `DataError` naming the column where a value does not fit.
    """
    wanted = schema_of(table.schema)
    if all(arrow_type(ours.type).equals(theirs.type) for ours, theirs in zip(wanted, table.schema, strict=True)):
        return table
    columns = [_widen(column, field) for column, field in zip(table.columns, wanted, strict=True)]
    return pa.table(columns, schema=arrow_schema(wanted))


def _check_names(names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise DataError(
                f"the columns '{seen[name.lower()]}' and '{name}' have one name in SQL; rename one", field=name
            )
        seen[name.lower()] = name


def _widen(column: pa.ChunkedArray, field: Field) -> pa.ChunkedArray:
    target = arrow_type(field.type)
    if column.type.equals(target):
        return column
    try:
        if isinstance(column.type, pa.BaseExtensionType):
            column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
        if pa.types.is_dictionary(column.type) and pa.types.is_string_view(
            column.type.value_type
        ):  # polars' categories
            column = pa.chunked_array(
                [_with_strings(chunk) for chunk in column.chunks], pa.dictionary(column.type.index_type, pa.string())
            )
        if pa.types.is_map(column.type):
            column = column.cast(pa.list_(pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])))
        return column.cast(target, safe=not _finer_than_microseconds(column.type))
    except pa.ArrowException as error:
        raise DataError(
            f"column '{field.name}' ({column.type}) does not fit {field.type}: {error}", field=field.name
        ) from error


def _with_strings(chunk: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return categories as strings: views of strings cannot be taken by their indices."""
    return pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(pa.string()))


def _finer_than_microseconds(type: pa.DataType) -> bool:
    return bool((pa.types.is_timestamp(type) or pa.types.is_time64(type)) and type.unit == "ns")


def _type_name(type: pa.DataType, column: str) -> str:
    is_a = pa.types
    match type:
        case _ if is_a.is_boolean(type):
            return "bool"
        case _ if is_a.is_integer(type) or (is_a.is_decimal(type) and type.scale == 0):
            return "int64"
        case _ if is_a.is_floating(type) or is_a.is_decimal(type):
            return "float64"
        case _ if is_a.is_string(type) or is_a.is_large_string(type) or is_a.is_string_view(type):
            return "string"
        case _ if is_a.is_binary(type) or is_a.is_large_binary(type) or is_a.is_binary_view(type):
            return "bytes"
        case _ if is_a.is_fixed_size_binary(type):
            return "bytes"
        case _ if is_a.is_date(type):
            return "date"
        case _ if is_a.is_time(type):
            return "time"
        case _ if is_a.is_timestamp(type):
            return "datetime" if type.tz is None else "timestamp"
        case _ if is_a.is_null(type):
            return "null"
    return _nested_type_name(type, column)


def _nested_type_name(type: pa.DataType, column: str) -> str:
    is_a = pa.types
    if is_a.is_dictionary(type):
        return _type_name(type.value_type, column)
    if isinstance(type, pa.BaseExtensionType):
        return _type_name(type.storage_type, column)
    if is_a.is_map(type):
        key, value = _type_name(type.key_type, column), _type_name(type.item_type, column)
        return f"array<struct<key {key}, value {value}>>"
    if is_a.is_struct(type):
        return f"struct<{', '.join(f'{field.name} {_type_name(field.type, column)}' for field in type)}>"
    if is_a.is_list(type) or is_a.is_large_list(type) or is_a.is_fixed_size_list(type):
        return f"array<{_type_name(type.value_type, column)}>"
    raise DataError(
        f"column '{column}' has the type {type}, which no type here can hold; cast it before (a duration: to seconds)",
        field=column,
    )
