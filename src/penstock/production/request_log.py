"""The log of answered requests: Parquet files by model and day, each whole at any moment, no more than may be kept."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

import blake3
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

PART_ROWS, PART_BYTES, PART_SECONDS = 20_000, 8 << 20, 600.0
"""A part that has so many rows, or is so large or so old, is left as it is, and a new one begun."""
MOST_UNWRITTEN_BYTES = 64 << 20
"""While nothing can be written so much is kept in memory, and tried again; what comes then pushes out the oldest."""

_SHARES = 16
"""The log is kept in no fewer parts than about so many: the oldest goes when there is more than may be kept."""
_SUFFIX, _UNFINISHED = ".parquet", ".unfinished"
_FORGOTTEN_SECONDS = 3600.0
"""What a server left that was killed while it wrote is deleted after so long."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the log."""

    path: Path
    model: str
    day: str
    stamp: str


class Written(NamedTuple):
    """What came of writing: so many rows are in files now, and so many are given up; what kept rows from being written,
    "" if nothing did. Those that are neither are tried again."""

    rows: int = 0
    lost: int = 0
    problem: str = ""


@dataclass(slots=True)
class _Open:
    """A part that is written to: all its rows, of which the first `written` are in the file."""

    path: Path
    began: float
    rows: list[pa.Table] = field(default_factory=list)
    written: int = 0
    size: int = 0

    @property
    def count(self) -> int:
        return sum(each.num_rows for each in self.rows)

    @property
    def unwritten(self) -> int:
        return self.count - self.written


class RequestLog:
    """Where one process adds to the log of a folder. Others may add to it, and read it, meanwhile.

    `add` takes rows, `flush` writes them: the file of a part is replaced by one that has the new rows too, in one step,
    until it is full. So what is there can be read at any moment, and a process that is killed loses what it has added
    since the last `flush`. Where all parts together hold more than `most_bytes`, the oldest are deleted, as are those
    of days before the last `keep_seconds`.
    """

    def __init__(
        self, folder: Path, most_bytes: int, keep_seconds: float | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder, self._most_bytes, self._keep_seconds, self._clock = folder, most_bytes, keep_seconds, clock
        self._part_bytes = min(most_bytes // _SHARES, PART_BYTES)
        self._open: dict[tuple[str, int, str, str], _Open] = {}
        self._names = 0
        self._has_begun = False

    def add(self, rows: pa.Table) -> None:
        """Take rows of one version of one model, of one schema, in the order of their times."""
        model, version, digest = (rows.column(name)[0].as_py() for name in ("model", "version", "digest"))
        for day, of_day in _by_day(rows):
            key = (model, version, digest, day)
            for piece in _pieces(of_day, self._part_bytes):
                part = self._open.get(key)
                if part is None or self._is_full(part):
                    part = self._begin(key)
                part.rows.append(piece)
                part.size += piece.nbytes

    def flush(self) -> Written:
        """Write what was added. What the disk does not take now is tried again the next time, as long as it is no more
        than may be kept in memory; beyond that the oldest is lost."""
        wrote, problem = 0, ""
        for key, part in list(self._open.items()):
            added = part.unwritten
            if added:
                try:
                    _replace(part.path, pa.concat_tables(part.rows))
                except OSError as error:
                    problem = str(error)
                    continue
                part.written += added
                wrote += added
            if self._is_full(part):
                del self._open[key]
        if wrote and self._has_begun:  # not each time: a long log has thousands of files
            self._has_begun = False
            try:
                self._forget()
            except OSError as error:
                problem = str(error)
        return Written(wrote, self._give_up() if problem else 0, problem)

    def close(self) -> Written:
        """Write what was added, as `flush`, and end the parts that are written to: what is not written now is lost."""
        found = self.flush()
        left = sum(part.unwritten for part in self._open.values())
        self._open.clear()
        return found._replace(lost=found.lost + left)

    def _give_up(self) -> int:
        """Forget the oldest rows that wait for a disk, until the others are no more than may be; return how many."""
        lost, waiting = 0, [(key, part) for key, part in self._open.items() if part.unwritten]
        size = sum(part.size for _, part in waiting)
        for key, part in sorted(waiting, key=lambda each: each[1].path.name):
            if size <= MOST_UNWRITTEN_BYTES:
                break
            size -= part.size
            lost += part.unwritten
            del self._open[key]  # its file keeps what it had
        return lost

    def _is_full(self, part: _Open) -> bool:
        is_of_now = 0 <= self._clock() - part.began < PART_SECONDS  # a clock that was set back begins a new part, too
        return part.count >= PART_ROWS or part.size >= self._part_bytes or not is_of_now

    def _begin(self, key: tuple[str, int, str, str]) -> _Open:
        model, version, _, day = key
        if key in self._open:  # full, and not all of it written yet: it goes on under a name of its own
            self._names += 1
            full = self._open.pop(key)
            self._open[model, version, f"full {self._names}", day] = full
        now = self._clock()
        stamp = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
        path = self._folder / f"model={quote(model, safe='')}" / f"day={day}" / f"{stamp}-v{version}{_SUFFIX}"
        part = self._open[key] = _Open(path, now)
        self._has_begun = True
        return part

    def _forget(self) -> None:
        """Delete the oldest parts until the others are no more than may be kept, and what others left unfinished."""
        now, kept = self._clock(), 0
        writing = {part.path for part in self._open.values()}
        oldest = "" if self._keep_seconds is None else _day(now - self._keep_seconds)
        for part in sorted(parts(self._folder), key=lambda each: each.stamp, reverse=True):
            try:
                kept += part.path.stat().st_size
                if (kept > self._most_bytes or part.day < oldest) and part.path not in writing:
                    part.path.unlink()
            except FileNotFoundError:
                continue  # another process has deleted it
        for path in self._folder.glob(f"model=*/day=*/*{_UNFINISHED}"):
            try:
                if time.time() - path.stat().st_mtime > _FORGOTTEN_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                continue


def parts(
    folder: Path, model: str | None = None, *, since: float | None = None, until: float | None = None
) -> list[Part]:
    """Return the files of a log, in the order in which they were begun: of one model, of the days that some of the time
    from `since` to before `until` lies in."""
    name = "*" if model is None else f"model={quote(model, safe='')}"
    found = []
    for path in folder.glob(f"{name}/day=*/*{_SUFFIX}"):
        day = path.parent.name.removeprefix("day=")
        if (since is None or day >= _day(since)) and (until is None or day <= _day(until)):
            found.append(Part(path, unquote(path.parents[1].name.removeprefix("model=")), day, path.name))
    return sorted(found, key=lambda part: part.stamp)


def state_of(found: Sequence[Part]) -> str:
    """Return a digest of parts as they are now, by their names, sizes and times: another row is another digest."""
    digest = blake3.blake3()
    for part in found:
        try:
            state = part.path.stat()
        except FileNotFoundError:  # it was the oldest
            continue
        digest.update(f"{part.day}/{part.stamp} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def read_part(part: Part, columns: Sequence[str] | None = None) -> pa.Table | None:
    """Return the rows of a part, or those of some columns that it has; None where it was the oldest, and has been
    deleted since."""
    try:
        with pq.ParquetFile(part.path) as file:
            known = file.schema_arrow.names
            return file.read(None if columns is None else [name for name in columns if name in known])
    except FileNotFoundError:
        return None


def write_part(folder: Path, model: str, day: str, rows: pa.Table, stamp: str) -> Path:
    """Write rows as a part of their own, whole or not at all."""
    path = folder / f"model={quote(model, safe='')}" / f"day={day}" / f"{stamp}{_SUFFIX}"
    _replace(path, rows)
    return path


def _replace(path: Path, rows: pa.Table) -> None:
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


def _by_day(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield runs of rows of one day. They come in order, so there is one run a day but for clocks that are set back."""
    column = rows.column("time").cast(pa.timestamp("us")).cast(pa.date32())
    ends = pc.min_max(column).as_py()
    if ends["min"] == ends["max"]:
        yield ends["min"].isoformat(), rows
        return
    days, start = column.to_pylist(), 0
    for at in range(1, len(days) + 1):
        if at == len(days) or days[at] != days[start]:
            yield days[start].isoformat(), rows.slice(start, at - start)
            start = at


def _pieces(rows: pa.Table, most_bytes: int) -> Iterator[pa.Table]:
    """Yield rows in pieces of which one fills no more than a part."""
    each = max(1, min(PART_ROWS, int(rows.num_rows * most_bytes / max(rows.nbytes, 1))))
    for start in range(0, rows.num_rows, each):
        yield rows.slice(start, each)


def _day(seconds: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).date().isoformat()
