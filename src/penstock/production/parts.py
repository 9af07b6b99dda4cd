"""The files of a log, Parquet by model and day, each whole at any moment: how they are named, read and written."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

import blake3
import pyarrow as pa
import pyarrow.parquet as pq

_SUFFIX, _TAIL, _UNFINISHED = ".parquet", ".tail.parquet", ".unfinished"
_FORGOTTEN_SECONDS = 3600.0
"""What a process left that was killed while it wrote is deleted after so long."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the log. While it is written to, its newest rows may lie in a file of their own, its tail, whose name
    says how many rows the file had before them: where the file has more by now, it has those of the tail, too."""

    path: Path
    model: str
    day: str
    stamp: str
    tails: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files, the tails first: what is deleted in this order leaves no tail alone."""
        return (*self.tails, self.path)


def part_path(folder: Path, model: str, day: str, stamp: str) -> Path:
    """Return where a part of that name lies."""
    return folder / f"model={quote(model, safe='')}" / f"day={day}" / f"{stamp}{_SUFFIX}"


def tail_path(path: Path, rows: int) -> Path:
    """Return where what comes after so many rows of a part lies."""
    return path.with_name(f"{path.name.removesuffix(_SUFFIX)}.{rows}{_TAIL}")


def parts(
    folder: Path, model: str | None = None, *, since: float | None = None, until: float | None = None
) -> list[Part]:
    """Return the files of a log, in the order in which they were begun: of one model, of the days that some of the time
    from `since` to before `until` lies in."""
    name = "*" if model is None else f"model={quote(model, safe='')}"
    found: list[Path] = []
    tails: dict[Path, list[Path]] = {}
    for path in folder.glob(f"{name}/day=*/*{_SUFFIX}"):
        day = path.parent.name.removeprefix("day=")
        if (since is None or day >= day_of(since)) and (until is None or day <= day_of(until)):
            if path.name.endswith(_TAIL):
                tails.setdefault(path.with_name(path.name.partition(".")[0] + _SUFFIX), []).append(path)
            else:
                found.append(path)
    return [_part(path, tails.get(path, ())) for path in sorted(found, key=lambda path: path.name)]


def _part(path: Path, tails: Sequence[Path]) -> Part:
    model, day = unquote(path.parents[1].name.removeprefix("model=")), path.parent.name.removeprefix("day=")
    return Part(path, model, day, path.name, tuple(sorted(tails)))


def state_of(found: Sequence[Part]) -> str:
    """Return a digest of parts as they are now, by their names, sizes and times: another row is another digest."""
    digest = blake3.blake3()
    for part in found:
        for path in part.files:
            try:
                state = path.stat()
            except FileNotFoundError:  # it was the oldest
                continue
            digest.update(f"{part.day}/{path.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def size_of(part: Part) -> int:
    """Return how many bytes a part has; raises `FileNotFoundError` where another process has deleted it."""
    return sum(path.stat().st_size for path in part.files)


def read_part(part: Part, columns: Sequence[str] | None = None) -> pa.Table | None:
    """Return the rows of a part, or those of some columns that it has; None where it was the oldest, and has been
    deleted since."""
    tails = [_read(path, columns) for path in part.tails]  # before the file, which is then as new as they are, or newer
    rows = _read(part.path, columns)
    if rows is None:
        return None
    starts = [int(path.name.partition(".")[2].removesuffix(_TAIL)) for path in part.tails]
    later = [tail for start, tail in zip(starts, tails, strict=True) if tail is not None and start == rows.num_rows]
    return pa.concat_tables([rows, *later]) if later else rows


def _read(path: Path, columns: Sequence[str] | None) -> pa.Table | None:
    try:
        with pq.ParquetFile(path) as file:
            known = file.schema_arrow.names
            return file.read(None if columns is None else [name for name in columns if name in known])
    except FileNotFoundError:
        return None


def delete_part(part: Part) -> None:
    """Delete a part, if it is still there."""
    for path in part.files:
        path.unlink(missing_ok=True)


def delete_unfinished(folder: Path) -> None:
    """Delete what processes left that were killed while they wrote."""
    for path in folder.glob(f"model=*/day=*/*{_UNFINISHED}"):
        try:
            if time.time() - path.stat().st_mtime > _FORGOTTEN_SECONDS:
                path.unlink()
        except FileNotFoundError:
            continue  # it is finished, or another process has deleted it


def replace(path: Path, rows: pa.Table) -> None:
    """Write a file whole or not at all; whoever reads it meanwhile has the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            pq.write_table(rows, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def day_of(seconds: float) -> str:
    """Return the day of a moment, in UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).date().isoformat()
