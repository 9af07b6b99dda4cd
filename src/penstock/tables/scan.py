"""Sources as DuckDB reads them: the FROM text that streams their files, with every column in one of our types."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from penstock.core.artifact import Source
from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.operations import quoted, sql_type
from penstock.tables.connection import cache_folder, clear_errors, connection
from penstock.tables.csv_files import csv_scan
from penstock.tables.delta_tables import delta_columns, delta_scan
from penstock.tables.types import file_literal, normalize, schema_of

_scans: dict[tuple[str, tuple[str, ...]], tuple[str, Schema]] = {}


def scan_sql(source: Source) -> str:
    """Return the FROM text of a source: DuckDB streams its files, in order, with every column in one of our types.

    Raises `DataError` naming the file, and for a CSV file the line, that cannot be read.
    """
    return _scan(source)[0]


def source_schema(source: Source) -> Schema:
    """Return the columns of a source, as `scan_sql` and `read` give them."""
    return _scan(source)[1]


def numbered_scan(source: Source, position: str) -> str | None:
    """Return the FROM text of a source whose rows have their positions, from 0, in a column of that name; None for a
    source whose rows are only known by reading them one after the other."""
    if source.format != "parquet":
        return None
    files = _parquet_scan(source.uris)
    with clear_errors(f"cannot read '{source.name}'"):
        names = ", ".join(map(file_literal, source.uris))
        counted = f"SELECT file_name, num_rows FROM parquet_file_metadata([{names}])"
        rows = dict(connection().cursor().sql(counted).fetchall())
    before = [0, *itertools.accumulate(rows[path] for path in source.uris)]
    columns = ", ".join(
        f"CAST({quoted(field.name)} AS {sql_type(field.type)}) AS {quoted(field.name)}"
        for field in source_schema(source)
    )
    firsts = ", ".join(map(str, before[:-1]))
    number = "file_row_number" if len(before) == 2 else f"[{firsts}][CAST(file_index AS BIGINT) + 1] + file_row_number"
    return f"(SELECT {columns}, CAST({number} AS BIGINT) AS {quoted(position)} FROM {files})"


def read(source: Source, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of a source, in the order of its files; with `columns`, only those, in that order."""
    names = source_schema(source).names if columns is None else [source_schema(source)[name].name for name in columns]
    if source.format == "arrow":
        return normalize(_memory_mapped(source.uris).select(names))
    with clear_errors(f"cannot read '{source.name}'"):
        selected = f"SELECT {', '.join(map(quoted, names))} FROM {scan_sql(source)}"
        return normalize(connection().cursor().sql(selected).to_arrow_table())


def _scan(source: Source) -> tuple[str, Schema]:
    key = (source.digest, source.uris)
    if key in _scans:
        return _scans[key]
    with clear_errors(f"cannot read '{source.name}'"):
        files = _file_scan(source)
        if source.format == "delta":
            return _with_types(source, files, key)
        relation = connection().cursor().sql(f"SELECT * FROM {files}")
        schema = schema_of(relation.limit(0).to_arrow_table().schema)
        types = [str(type) for type in relation.types]
    answer = (_widened(files, schema, types), schema)
    if source.digest:
        _scans[key] = answer
    return answer


def _with_types(source: Source, files: str, key: tuple[str, tuple[str, ...]]) -> tuple[str, Schema]:
    """Cast every column of a Delta table to the type that its log names; no file is opened for that."""
    schema = Schema(tuple(Field(name, type) for name, type in delta_columns(source).items()))
    _scans[key] = (_widened(files, schema, ()), schema)
    return _scans[key]


def _file_scan(source: Source) -> str:
    match source.format:
        case "csv":
            return csv_scan(source.uris)
        case "parquet":
            return _parquet_scan(source.uris)
        case "json":
            return _json_scan(source.uris)
        case "delta":
            return delta_scan(source)
        case "arrow":
            return _parquet_scan([_as_parquet(source)])
        case "images":
            return _images_scan(source.uris)
    raise DataError(
        f"'{source.name}' has the format '{source.format}'; there are: parquet, csv, json, delta, arrow, images"
    )


def _images_scan(paths: Sequence[str]) -> str:
    """A row for each file: its path, from the folder that holds all of them on, the name of its folder, its bytes."""
    names, folder = ", ".join(map(file_literal, paths)), os.path.commonpath([os.path.dirname(path) for path in paths])
    start = len(folder.rstrip(os.sep)) + 2
    return (
        f"(SELECT substr(filename, {start}) AS path, parse_path(filename)[-2] AS folder, "
        f"content AS image FROM read_blob([{names}]))"
    )


def _parquet_scan(paths: Sequence[str]) -> str:
    return f"read_parquet([{', '.join(map(file_literal, paths))}], union_by_name = true, hive_partitioning = false)"


def _json_scan(paths: Sequence[str]) -> str:
    """Every value is looked at for its column's type: one that the first thousands do not have is no surprise."""
    names = ", ".join(map(file_literal, paths))
    return f"read_json([{names}], union_by_name = true, hive_partitioning = false, sample_size = -1)"


def _widened(files: str, schema: Schema, types: Sequence[str]) -> str:
    """Cast what is narrower than our types: INTEGER overflows, and FLOAT rounds, where BIGINT and DOUBLE do not."""
    wanted = [sql_type(field.type) for field in schema]
    if list(types) == wanted:
        return files
    columns = (
        f"CAST({quoted(field.name)} AS {type}) AS {quoted(field.name)}"
        for field, type in zip(schema, wanted, strict=True)
    )
    return f"(SELECT {', '.join(columns)} FROM {files})"


def _memory_mapped(paths: Sequence[str]) -> pa.Table:
    tables = []
    for path in paths:
        try:
            tables.append(pa.ipc.open_file(pa.memory_map(path)).read_all())
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"cannot read '{path}': {error}") from error
    return pa.concat_tables(tables, promote_options="permissive")


def _as_parquet(source: Source) -> str:
    """Return a Parquet file of the same rows, made once: DuckDB's SQL cannot read Arrow files."""
    target = cache_folder() / f"{source.digest}.parquet"
    if not source.digest or not target.exists():
        import pyarrow.parquet

        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as partial:
            pyarrow.parquet.write_table(normalize(_memory_mapped(source.uris)), partial, compression="lz4")
        os.replace(partial.name, target)
    return str(Path(target))
