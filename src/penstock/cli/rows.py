"""Rows on the command line: given as a file, a table's name or JSON; written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.errors import DataError, DeclarationError, StorageError

if TYPE_CHECKING:
    import pyarrow as pa


def inline_rows(text: str) -> str | list[dict[str, Any]]:
    """Return the rows that a text is (a JSON object, or an array of them), else the text: a path or a table's name."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        decoded = msgspec.json.decode(text, type=dict[str, Any] | list[dict[str, Any]])
    except msgspec.DecodeError as error:
        raise DataError(f"ROWS are not a JSON object or an array of objects: {error}") from error
    return decoded if isinstance(decoded, list) else [decoded]


def write_rows(table: pa.Table, path: Path) -> None:
    """Write a table to a file, in the format that its suffix says."""
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    try:
        match path.suffix:
            case ".parquet":
                pyarrow.parquet.write_table(table, path)
            case ".csv":
                pyarrow.csv.write_csv(table, path)
            case ".arrow":
                pyarrow.feather.write_feather(table, str(path), compression="uncompressed")
            case ".json":
                path.write_bytes(msgspec.json.encode(table.to_pylist()))
            case other:
                raise DeclarationError(
                    f"'{other}' is not a format to write; give a .parquet, .csv, .arrow or .json file"
                )
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error}") from error
