"""The log of requests that were answered with predictions: lines of JSON in parts, as much as may be kept of them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa

SUFFIX = ".jsonl"
_SHARES = 16
"""The log is kept in about so many parts: the oldest goes when there is more than may be kept."""
_MOST_PART_BYTES = 16 << 20


class LoggedRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row that was predicted for a request, and what a shadow says of it, if there is one.

    `instance` and `prediction` are JSON as they came and went; `row` is the place in the request; `latency_seconds` is
    that of the whole request. A shadow that failed says why in `shadow_error`.
    """

    time: datetime
    request: str
    row: int
    model: str
    version: int
    digest: str
    instance: msgspec.Raw
    prediction: msgspec.Raw
    latency_seconds: float
    route: str | None = None
    shadow_version: int | None = None
    shadow_prediction: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    shadow_route: str | None = None
    shadow_error: str | None = None


_SCHEMA = pa.schema(
    {
        "time": pa.timestamp("us", "UTC"), "request": pa.string(), "row": pa.int64(), "model": pa.string(),
        "version": pa.int64(), "digest": pa.string(), "instance": pa.string(), "prediction": pa.string(),
        "route": pa.string(), "latency_seconds": pa.float64(), "shadow_version": pa.int64(),
        "shadow_prediction": pa.string(), "shadow_route": pa.string(), "shadow_error": pa.string(),
    }
)  # fmt: skip
_decoder = msgspec.json.Decoder(LoggedRow)
_encoder = msgspec.json.Encoder()


class RequestLog:
    """Where one process adds to the log of a folder. Others may add to it, and read it, meanwhile.

    Lines are written whole; a part that is full is left, and a new one begun. Where all parts together hold more than
    `most_bytes`, the oldest are deleted.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self._part: int | None = None
        self._path = folder
        self._written = 0

    def add(self, rows: Iterable[LoggedRow]) -> None:
        """Write rows at the end; raises `OSError` where the disk does not take them."""
        content = _encoder.encode_lines(list(rows))
        if self._part is None or self._written + len(content) > min(self._most_bytes // _SHARES, _MOST_PART_BYTES):
            self._begin()
        assert self._part is not None  # noqa: S101 - begun above
        self._written += _write_all(self._part, content)

    def close(self) -> None:
        """End the part that is written."""
        if self._part is not None:
            os.close(self._part)
            self._part = None

    def _begin(self) -> None:
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}{SUFFIX}"
        self._path = self._folder / name
        self._part = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._written = 0
        self._forget()

    def _forget(self) -> None:
        """Delete the oldest parts until the others, with a full one of this process, are no more than may be kept."""
        kept = min(self._most_bytes // _SHARES, _MOST_PART_BYTES)
        for path in sorted(_parts(self._folder), reverse=True):
            try:
                kept += path.stat().st_size
                if kept > self._most_bytes and path != self._path:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process has deleted it


def _write_all(file: int, content: bytes) -> int:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]
    return len(content)


def is_logged(folder: Path) -> bool:
    """Tell whether there is a log in a folder."""
    return any(_parts(folder))


def read_requests(folder: Path) -> pa.Table:
    """Return all rows of the log, oldest first within what one process wrote. A line that is not whole yet is left."""
    tables = [_SCHEMA.empty_table()]
    for path in sorted(_parts(folder)):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # it was the oldest, and has been deleted since
        tables.append(_table(_decoder.decode_lines(content[: content.rfind(b"\n") + 1])))
    return pa.concat_tables(tables)


def _table(rows: list[LoggedRow]) -> pa.Table:
    return pa.table(
        {field.name: pa.array([_plain(getattr(row, field.name)) for row in rows], field.type) for field in _SCHEMA}
    )


def _plain(value: object) -> object:
    if value is msgspec.UNSET:
        return None
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else value


def _parts(folder: Path) -> Iterable[Path]:
    return folder.glob(f"*{SUFFIX}")
