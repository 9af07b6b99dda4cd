"""Rows on their way to a server: by name where the server has them, as an Arrow stream where they are here."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock.project.fitting import is_query
from penstock.tables import TableLike, resolve, to_arrow

ARROW_STREAM = "application/vnd.apache.arrow.stream"
_SUFFIXES = (".parquet", ".csv", ".arrow", ".feather")


def rows_or_name(rows: TableLike) -> pa.Table | str:
    """Return rows that are here as a table, and what only the server can know (a declared table, a query) as a text.

    A path is read here, from the current folder: what lies on the server's disk has a name there, or none.
    """
    match rows:
        case str() if is_query(rows) or not _is_path(rows):
            return rows
        case str() | Path():
            with tempfile.TemporaryDirectory(prefix="penstock-") as unpacked:
                return to_arrow(resolve(str(rows), root=Path.cwd(), declared={}, cache=Path(unpacked)))
    return to_arrow(rows)


def as_query(text: str) -> str:
    """Return the query for what a text names on the server: itself, or all rows of a declared table."""
    if is_query(text):
        return text
    return f"SELECT * FROM `{text}`"


def arrow_bytes(table: Any) -> bytes:
    """Return a table as an Arrow stream."""
    whole = table if isinstance(table, pa.Table) else pa.table(table)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def arrow_table(content: bytes) -> pa.Table:
    """Return the table of an Arrow stream."""
    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or "*" in text or text.endswith(_SUFFIXES)
