"""Rows that passed the checks, kept until all have: so that a commit is of all, and can be tried again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from penstock.errors import StorageError

_MEMORY_BYTES = min(1 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 16)
"""Rows of so many bytes stay in memory, where what is made of them need not read them again."""


class Staging:
    """Rows of one schema, in their order: in memory while they are few, then in a file that has no name, so that
    nothing of it is left when the process is killed. Close it, or use it in a `with`."""

    def __init__(self, folder: Path, *, memory_bytes: int | None = None) -> None:
        self._folder = folder
        self._most = _MEMORY_BYTES if memory_bytes is None else memory_bytes
        self._held: list[pa.Table] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None
        self.num_rows = 0
        self.schema: pa.Schema = pa.schema([])

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        self._held = []

    def add(self, rows: pa.Table) -> None:
        """Put rows behind those that are there; raises `StorageError` where the disk is full."""
        self.schema = rows.schema
        if rows.num_rows == 0:
            return
        self.num_rows += rows.num_rows
        if self._file is None:
            self._held.append(rows)
            self._bytes += rows.nbytes
            if self._bytes <= self._most:
                return
            rows, self._held = pa.concat_tables(self._held), []
        try:
            self._write(rows)
        except OSError as error:
            raise StorageError(f"rows cannot be staged in '{self._folder}': {error}") from error

    def table(self) -> pa.Table | None:
        """Return all rows as a table, if they are in memory."""
        return pa.concat_tables(self._held) if self._file is None and self._held else None

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows, as often as it is called."""
        if self._file is None:
            for table in self._held:
                yield from table.to_batches()
            return
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._file.seek(0)
        yield from pa.ipc.open_stream(pa.PythonFile(self._file, mode="r"))

    def _write(self, rows: pa.Table) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # closed with this
            self._writer = pa.ipc.new_stream(pa.PythonFile(self._file, mode="w"), rows.schema)
        self._writer.write_table(rows)
