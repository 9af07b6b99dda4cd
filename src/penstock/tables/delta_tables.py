"""Delta tables: the files of one version, from its log, and the FROM text that reads no more of them than it must.

A manifest in the cache holds what the log says: the files of the version, the values of its partitions, the rows that
were deleted since a file was written. So whoever scans it needs neither the log nor delta-rs: a worker, a container.
"""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import blake3
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.core.artifact import Source
from penstock.errors import DataError, MissingExtraError
from penstock.operations import quoted, sql_literal, sql_type
from penstock.tables.types import file_literal, schema_of

_READ = {"deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck", "typeWidening"}
"""The features of the protocol that are read here; a table that needs another is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Files with the same values of the partition columns, which are DuckDB literals. Of `cut` some rows are gone."""

    values: dict[str, str]
    whole: list[str]
    cut: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    """One version of a table. `deleted` is a Parquet file of (file, row): the rows that are gone; "" without any.

    `hive` are the types of the partition columns where every path spells their values (`city=a%20b/...`), and all files
    are one part: DuckDB plans thousands of paths in a tenth of the time that it takes for as many parts.
    """

    columns: dict[str, str]
    parts: list[_Part]
    deleted: str
    hive: dict[str, str]


def is_delta(folder: Path) -> bool:
    """Tell whether a folder is a Delta table: it has a log."""
    return (folder / "_delta_log").is_dir()


def delta_source(name: str, folder: Path, as_of: int | datetime.datetime | None, cache: Path) -> Source:
    """Return a version of a Delta table as a source: the newest, that number, or the one that stood at an instant.

    Its digest is that of what the log says of its files; no data is read for it, and a version that changed none of
    them is the same. Raises `DataError` for a version that is not there and a table whose protocol is not read here.
    """
    try:
        import deltalake
        from deltalake.exceptions import DeltaError
    except ModuleNotFoundError as error:
        raise MissingExtraError("deltalake", extra="delta", purpose=f"the Delta table '{name}'") from error
    try:
        table = deltalake.DeltaTable(str(folder), version=_version(deltalake.DeltaTable(str(folder)), name, as_of))
        _refuse_unknown(table, name)
        columns = {field.name: field.type for field in schema_of(pa.schema(table.schema().to_arrow()))}
        found = pa.table(table.get_add_actions(flatten=True)).to_pylist()
        gone = _deleted_rows(table, folder)
    except DeltaError as error:
        raise DataError(f"cannot read the Delta table '{name}' in {folder}: {error}") from error
    files = sorted(found, key=lambda file: (file["modification_time"], file["path"]))
    paths = [_place(folder, file["path"]) for file in files]
    keep = table.metadata().partition_columns
    hive = {key: columns[key] for key in keep} if _spelled(folder, files, keep, columns) else {}
    values = [{key: sql_literal(file[f"partition.{key}"], columns[key]) for key in keep} for file in files]
    content: list[Any] = [table.metadata().id, columns]
    for file, path, partition in zip(files, paths, values, strict=True):
        content.append([file["path"], file["size_bytes"], file["modification_time"], partition, gone.get(path, [])])
    cache.mkdir(parents=True, exist_ok=True)
    deleted = _kept_deleted(gone, cache)
    parts = _parts(paths, [{} for _ in paths] if hive else values, gone)
    manifest = _Manifest(columns=columns, parts=parts, deleted=deleted, hive=hive)
    uris = (_kept(msgspec.json.encode(manifest), ".delta.json", cache), *([deleted] if deleted else []), *paths)
    digest = blake3.blake3(b"delta\n" + msgspec.json.encode(content)).hexdigest()
    return Source(name=name, uris=uris, format="delta", digest=digest)


def delta_columns(source: Source) -> dict[str, str]:
    """Return the columns of a Delta table and their types, which its log knows."""
    return _manifest(source).columns


def delta_scan(source: Source) -> str:
    """Return the FROM text of a Delta table: a condition on a partition column leaves the other partitions unread."""
    manifest = _manifest(source)
    none = ", ".join(f"CAST(NULL AS {sql_type(type)}) AS {quoted(name)}" for name, type in manifest.columns.items())
    scans = [f"SELECT {none} WHERE FALSE", *(_part_scan(part, manifest) for part in manifest.parts)]
    return f"(SELECT {', '.join(map(quoted, manifest.columns))} FROM ({' UNION ALL BY NAME '.join(scans)}))"


def _manifest(source: Source) -> _Manifest:
    with open(source.uris[0], "rb") as file:
        return msgspec.json.decode(file.read(), type=_Manifest)


def _spelled(folder: Path, files: list[dict[str, Any]], keep: list[str], columns: Mapping[str, str]) -> bool:
    """Tell whether every path spells the values of the partition columns, and nothing else, so that DuckDB reads there
    what the log says; a value whose text could be read in two ways is left to the log."""
    if not keep or "=" in str(folder) or any(columns[key] not in ("string", "int64", "date") for key in keep):
        return False
    for file in files:
        *folders, _ = unquote(file["path"]).split("/")
        given = [file[f"partition.{key}"] for key in keep]
        texts = ["__HIVE_DEFAULT_PARTITION__" if value is None else str(value) for value in given]
        pairs = [name.partition("=") for name in folders]
        if [(key, unquote(value)) for key, _, value in pairs] != list(zip(keep, texts, strict=True)):
            return False
        if any(value in ("", "__HIVE_DEFAULT_PARTITION__") for value in given):
            return False
    return True


def _part_scan(part: _Part, manifest: _Manifest) -> str:
    """Read the files of a part; partition columns that a writer has put into them too are left there."""
    columns = "*"
    if part.values:
        names = ", ".join(sql_literal(name, "string") for name in part.values)
        values = ", ".join(f"{value} AS {quoted(name)}" for name, value in part.values.items())
        columns = f"COLUMNS(lambda c: c NOT IN ({names})), {values}"
    types = ", ".join(f"{sql_literal(name, 'string')}: {sql_type(type)}" for name, type in manifest.hive.items())
    spelled = f"true, hive_types = {{{types}}}" if types else "false"
    options = f"union_by_name = true, hive_partitioning = {spelled}"
    scans = []
    if part.whole:
        scans.append(f"SELECT {columns} FROM read_parquet([{', '.join(map(file_literal, part.whole))}], {options})")
    if part.cut:
        files = ", ".join(map(file_literal, part.cut))
        numbered = f"{options}, filename = '(file)', file_row_number = true"
        there = (
            f'SELECT * EXCLUDE ("(file)", file_row_number) FROM read_parquet([{files}], {numbered}) AS rows '
            f"ANTI JOIN read_parquet({file_literal(manifest.deleted)}) AS gone "
            'ON rows."(file)" = gone.file AND rows.file_row_number = gone.row'
        )
        scans.append(f"SELECT {columns} FROM ({there})")
    return " UNION ALL BY NAME ".join(scans)


def _version(table: Any, name: str, as_of: int | datetime.datetime | None) -> int:
    newest: int = table.version()
    if as_of is None:
        return newest
    if isinstance(as_of, int):
        if not 0 <= as_of <= newest:
            raise DataError(f"the Delta table '{name}' has no version {as_of}; the newest is {newest}")
        return as_of
    milliseconds = as_of.timestamp() * 1000
    commits = {entry["version"]: entry["timestamp"] for entry in table.history()}
    found = [version for version, committed in commits.items() if committed <= milliseconds]
    if not found:
        first = datetime.datetime.fromtimestamp(min(commits.values()) / 1000, datetime.UTC)
        raise DataError(f"the Delta table '{name}' was not there at {as_of}; its log begins at {first}")
    return int(max(found))


def _refuse_unknown(table: Any, name: str) -> None:
    protocol = table.protocol()
    unknown = sorted(set(protocol.reader_features or ()) - _READ)
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        unknown = sorted({*unknown, "columnMapping"})
    if unknown:
        raise DataError(
            f"the Delta table '{name}' needs {', '.join(unknown)} of its readers, which penstock does not read; it "
            f"reads {', '.join(sorted(_READ))}: write the table anew without, or give a Parquet folder"
        )


def _deleted_rows(table: Any, folder: Path) -> dict[str, list[int]]:
    """Return the rows of each file that were deleted since it was written."""
    if "deletionVectors" not in (table.protocol().reader_features or ()):
        return {}
    return {
        _place(folder, row["filepath"]): [at for at, stays in enumerate(row["selection_vector"]) if not stays]
        for row in pa.table(table.deletion_vectors()).to_pylist()
    }


def _place(folder: Path, path: str) -> str:
    """Return where a file of the log lies: its path there is an encoded URI, from the folder or whole."""
    return str(folder / unquote(path.removeprefix("file://")))


def _parts(paths: list[str], values: list[dict[str, str]], gone: Mapping[str, list[int]]) -> list[_Part]:
    parts: dict[tuple[str, ...], _Part] = {}
    for path, partition in zip(paths, values, strict=True):
        part = parts.setdefault(tuple(partition.values()), _Part(values=partition, whole=[], cut=[]))
        (part.cut if gone.get(path) else part.whole).append(path)
    return list(parts.values())


def _kept_deleted(gone: Mapping[str, list[int]], cache: Path) -> str:
    pairs = [(file, row) for file, rows in gone.items() for row in rows]
    if not pairs:
        return ""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"file": [file for file, _ in pairs], "row": [row for _, row in pairs]}), sink)
    return _kept(sink.getvalue().to_pybytes(), ".deleted.parquet", cache)


def _kept(content: bytes, ending: str, cache: Path) -> str:
    target = cache / f"{blake3.blake3(content).hexdigest()}{ending}"
    if not target.exists():
        with tempfile.NamedTemporaryFile(dir=cache, delete=False) as partial:
            partial.write(content)
        os.replace(partial.name, target)
    return str(target)
