"""Rows written to a file, in the format that its suffix says: whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from penstock.errors import DeclarationError, StorageError


def write_rows(table: pa.Table, path: Path) -> None:
    """Write a table to a file, in the format that its suffix says; a file that is there is replaced at once.

    Raises `DeclarationError` for another suffix, `StorageError` where it cannot be written.
    """
    if path.suffix not in _WRITERS:
        raise DeclarationError(f"'{path.suffix}' is not a format to write; give a .parquet, .csv, .arrow or .json file")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
            made = Path(scratch, path.name)
            _WRITERS[path.suffix](table, made)
            os.replace(made, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error}") from error


def _write_json(table: pa.Table, path: Path) -> None:
    path.write_bytes(msgspec.json.encode(table.to_pylist()))


_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".parquet": lambda table, path: pyarrow.parquet.write_table(table, path),
    ".csv": lambda table, path: pyarrow.csv.write_csv(table, path),
    ".arrow": lambda table, path: pyarrow.feather.write_feather(table, str(path), compression="uncompressed"),
    ".json": _write_json,
}
