"""The log of answered requests, as a process writes it: what was answered, a while at a time, no more than is kept."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from penstock.production.parts import (
    day_of,
    delete_part,
    delete_unfinished,
    part_path,
    parts,
    replace,
    size_of,
    tail_path,
)

PART_ROWS, PART_BYTES, PART_SECONDS = 20_000, 8 << 20, 600.0
"""A part that has so many rows, or is so large or so old, is left as it is, and a new one begun."""
MOST_UNWRITTEN_BYTES = 64 << 20
"""While nothing can be written so much is kept in memory, and tried again; what comes then pushes out the oldest."""

_SHARES = 16
"""The log is kept in no fewer parts than about so many: the oldest goes when there is more than may be kept."""
_TAILS = 16
"""So often the newest rows are written as a file of their own, before the whole part is written once more."""


class Written(NamedTuple):
    """What came of writing: so many rows are in files now, and so many are given up; what kept rows from being written,
    "" if nothing did. Those that are neither are tried again."""

    rows: int = 0
    lost: int = 0
    problem: str = ""


@dataclass(slots=True)
class _Open:
    """A part that is written to: all its rows, of which the first `whole` are in its file, and all `written` in that or
    in its tail, which was written so many times."""

    path: Path
    began: float
    rows: list[pa.Table] = field(default_factory=list)
    written: int = 0
    whole: int = 0
    tails: int = 0
    size: int = 0

    @property
    def count(self) -> int:
        return sum(each.num_rows for each in self.rows)

    @property
    def unwritten(self) -> int:
        return self.count - self.written


class RequestLog:
    """Where one process adds to the log of a folder. Others may add to it, and read it, meanwhile.

    `add` takes rows, `flush` writes them: the tail of a part is replaced by one that has the new rows too, in one step,
    and now and then the part itself, until it is full. So what is there can be read at any moment, and a process that
    is killed loses what it has added since the last `flush`. Where all parts together hold more than `most_bytes`, the
    oldest are deleted, as are those of days before the last `keep_seconds`.
    """

    def __init__(
        self, folder: Path, most_bytes: int, keep_seconds: float | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder, self._most_bytes, self._keep_seconds, self._clock = folder, most_bytes, keep_seconds, clock
        self._part_bytes = min(most_bytes // _SHARES, PART_BYTES)
        self._open: dict[tuple[str, int, str, str], _Open] = {}
        self._names = 0
        self._has_begun, self._day = False, ""

    def check(self) -> Written:
        """Say what keeps the folder from being written to, if anything does, before there is anything to write."""
        probe = self._folder / f".{secrets.token_hex(4)}.probe"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            return Written(problem=str(error))
        return Written()

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
        return self._flush(ends=False)

    def _flush(self, *, ends: bool) -> Written:
        wrote, problem = 0, ""
        for key, part in list(self._open.items()):
            before, is_done = part.written, ends or self._is_full(part)
            try:
                self._write(part, whole=is_done)
                if is_done:
                    del self._open[key]
            except OSError as error:
                problem = str(error)
            wrote += part.written - before
        today = day_of(self._clock())
        if self._has_begun or today != self._day:  # not each time: a long log has thousands of files
            self._has_begun, self._day = False, today
            try:
                self._forget()
            except OSError as error:
                problem = str(error)
        return Written(wrote, self._give_up() if problem else 0, problem)

    def _write(self, part: _Open, *, whole: bool) -> None:
        """Write what is not in files yet: as a tail, or with all rows of the part, where that is to be `whole` now, has
        no file yet, or has had many tails."""
        if part.written == part.count and (part.whole == part.count or not whole):
            return
        rows, start = pa.concat_tables(part.rows), part.whole
        if whole or not start or part.tails == _TAILS or not part.path.exists():  # others may have deleted it
            replace(part.path, rows)
            part.written = part.whole = part.count
            part.tails = 0
            tail_path(part.path, start).unlink(missing_ok=True)
        else:
            replace(tail_path(part.path, start), rows.slice(start))
            part.written = part.count
            part.tails += 1

    def close(self) -> Written:
        """Write what was added, as `flush`, and end the parts that are written to: what is not written now is lost."""
        found = self._flush(ends=True)
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
        part = self._open[key] = _Open(part_path(self._folder, model, day, f"{stamp}-v{version}"), now)
        self._has_begun = True
        return part

    def _forget(self) -> None:
        """Delete the oldest parts until the others are no more than may be kept, and what others left unfinished."""
        now, kept = self._clock(), 0
        writing = {part.path for part in self._open.values()}
        oldest = "" if self._keep_seconds is None else day_of(now - self._keep_seconds)
        for part in reversed(parts(self._folder)):
            try:
                kept += size_of(part)
            except FileNotFoundError:
                continue  # another process has deleted it
            if (kept > self._most_bytes or part.day < oldest) and part.path not in writing:
                delete_part(part)
        delete_unfinished(self._folder)


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
