"""The retrieval index of a feature set: a sorted segment on disk, memory-mapped, and one in memory of the rows since.

It is made of the history and may be deleted at any time. A segment on disk covers the history up to a sequence number;
what was ingested after it is read from the history and searched the same way, until that is much, and a new segment is
made.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import StorageError
from penstock.features.declared.definition import Definition
from penstock.features.history.tables import SEQUENCE, History
from penstock.features.index.keys import KeyIndex, Numbers
from penstock.features.index.layout import Layout
from penstock.features.index.moments import Moments
from penstock.features.index.segment import Segment, build_segment
from penstock.features.index.window_rows import WindowRows, window_rows
from penstock.tables import arrow_type
from penstock.transforms import apply

_ARRAYS = ("starts", "events", "created", "sequences", "records", "inputs")
_FORMAT = 3
_SMALL_ROWS = 100_000
"""So many rows are kept in memory before they become a segment on disk, or a quarter of what is on disk."""

Zeros = Callable[[str, tuple[int, int]], Numbers]
"""Makes a large array of a segment, by its name and shape, full of zeros."""


@dataclass(frozen=True, slots=True)
class Found:
    """Which row of which segment counts for each question: `segment` -1 where there is none."""

    segment: Numbers
    row: Numbers
    events: Numbers


class FeatureIndex:
    """The index of one definition of a feature set over its history."""

    def __init__(self, definition: Definition, history: History, folder: Path) -> None:
        self.definition, self.layout = definition, Layout(definition.stored_schema)
        self.inputs = Layout(definition.windows.input_schema)
        self.history = history
        self._folder = folder
        self._lock = threading.Lock()
        self._segments: tuple[Segment, ...] = ()
        self._covered = (0, 0)
        self._base: tuple[tuple[int, int], Segment] | None = None
        self._window_rows: tuple[tuple[Segment, ...], list[WindowRows]] = ((), [])
        self._is_pinned = False

    def pinned(self) -> FeatureIndex:
        """Return the index as it is now: rows that come into the history later do not come into it."""
        segments = self.segments()
        made = FeatureIndex(self.definition, self.history, self._folder)
        made._segments, made._is_pinned = segments, True
        return made

    def segments(self) -> tuple[Segment, ...]:
        """Return segments that hold every row that is in the history now."""
        if self._is_pinned:
            return self._segments
        state = self.history.state()
        with self._lock:
            if not self._segments or state != self._covered:
                self._segments, self._covered = self._refreshed(*state), state
            return self._segments

    def window_rows(self) -> list[WindowRows]:
        """Return every row of the history as windows read them."""
        segments = self.segments()
        with self._lock:
            known, made = self._window_rows
            if known is not segments:
                made = window_rows(segments, self.inputs, made)
                self._window_rows = segments, made
            return made

    def _refreshed(self, removals: int, newest: int) -> tuple[Segment, ...]:
        base, covered = self._open_base(removals)
        if base is None or newest - covered > max(_SMALL_ROWS, covered // 4):
            base, covered = self._rebuilt(removals, newest), newest
        if newest == covered:
            return (base,)
        return base, self.build(self.history.read(self._needed, after=covered, until=newest))

    @property
    def _needed(self) -> list[str]:
        return [*self.definition.columns.names, *([] if self.definition.set.created else [self.definition.created])]

    def build(self, rows: pa.Table, zeros: Zeros | None = None) -> Segment:
        """Return rows of the history as a segment, in memory unless `zeros` makes its large arrays elsewhere."""
        definition = self.definition
        return build_segment(
            self.layout,
            [rows.column(key) for key in definition.keys],
            microseconds(rows.column(definition.set.timestamp)),
            microseconds(rows.column(definition.created)),
            rows.column(SEQUENCE).to_numpy(),
            stored_values(definition, rows),
            self.inputs,
            zeros,
        )

    def _open_base(self, removals: int) -> tuple[Segment | None, int]:
        """Return the segment on disk that covers most, made since rows were last taken out, and up to where."""
        found = sorted(
            (int(path.name.partition("-")[2]), path)
            for path in self._folder.glob(f"{removals}-*")
            if (path / "manifest.json").exists()
        )
        for covered, path in reversed(found):
            mark = _told_apart(path / "manifest.json")
            if self._base is not None and self._base[0] == mark:  # it stays open, with what was worked out of it
                return self._base[1], covered
            segment = open_segment(path)
            if segment is not None:
                self._base = None if mark is None else (mark, segment)
                return segment, covered
        return None, 0

    def _rebuilt(self, removals: int, newest: int) -> Segment:
        rows = self.history.read(self._needed, until=newest)
        folder = self._folder / f"{removals}-{newest}"
        if folder.is_dir() and open_segment(folder) is None:  # of another format: it would stay in the way for good
            shutil.rmtree(folder, ignore_errors=True)
        segment = save_segment(folder, lambda zeros: self.build(rows, zeros))
        for path in self._folder.glob("[0-9]*-[0-9]*"):
            if tuple(map(int, path.name.split("-"))) < (
                removals,
                newest,
            ):  # open ones stay until they are closed
                shutil.rmtree(path, ignore_errors=True)
        return open_segment(folder) or segment

    def newest(self) -> int:
        """Return the newest sequence number of the history."""
        return self.history.sequence_at()

    def since(self, mark: int, newest: int) -> tuple[tuple[Segment, ...], bool]:
        """Return segments that hold every row above `mark` up to `newest`, and whether they hold no others."""
        if newest - mark > _SMALL_ROWS:
            return self.segments(), False
        return (self.between(mark, newest),), True

    def between(self, after: int, until: int) -> Segment:
        """Return the rows above one sequence number and up to another as a segment in memory."""
        return self.build(self.history.read(self._needed, after=after, until=until))


def _told_apart(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of its name; None where it is gone by now."""
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    return told.st_ino, told.st_mtime_ns


def best(
    segments: Sequence[Segment],
    ordinals: Sequence[Numbers],
    times: Numbers,
    *,
    known: Numbers | None = None,
    until: int | None = None,
) -> Found:
    """Return which row counts for each key, by its ordinal in each segment, at its time: of the segments' newest ones
    the one with the latest event, then the latest creation, then the highest sequence number."""
    rows, events = segments[0].locate(ordinals[0], times, known=known, until=until)
    winner = np.where(rows >= 0, 0, -1)
    for number, segment in enumerate(segments[1:], start=1):
        other, at = segment.locate(ordinals[number], times, known=known, until=until)
        better = _later(segments, winner, rows, segment, other)
        winner, rows = np.where(better, number, winner), np.where(better, other, rows)
        events = np.where(better, at, events)
    return Found(winner, rows, events)


def _later(
    segments: Sequence[Segment], winner: Numbers, rows: Numbers, segment: Segment, other: Numbers
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell where the other segment's row comes after the best so far."""
    result = (other >= 0) & (winner < 0)
    for number, before in enumerate(segments):
        both = np.flatnonzero((other >= 0) & (winner == number))
        if not len(both):
            continue
        mine, theirs = rows[both], other[both]
        wins, tied = np.zeros(len(both), dtype=bool), np.ones(len(both), dtype=bool)
        for part in ("events", "created", "sequences"):
            old, new = getattr(before, part)[mine], getattr(segment, part)[theirs]
            wins |= tied & (new > old)
            tied &= new == old
        result[both] = wins
    return result


def stored_values(definition: Definition, rows: pa.Table) -> pa.Table:
    """Return the stored features of rows of the history, and what windows aggregate; columns that the rows lack are
    NULL."""
    for field in definition.columns:
        if field.name not in rows.column_names:
            rows = rows.append_column(field.name, pa.nulls(rows.num_rows))
    wanted = definition.stored | definition.windows.inputs
    plain = {name: rows.column(e.args[0]) for name, e in wanted.items() if e.op == "column"}
    computed = {name: e for name, e in wanted.items() if name not in plain}
    values = dict(plain)
    if computed:
        made = apply(computed, rows.select(list(definition.columns.names)), definition.columns)
        values |= {name: made.column(name) for name in computed}
    fields = (*definition.stored_schema, *definition.windows.input_schema)
    return pa.table({field.name: values[field.name].cast(arrow_type(field.type)) for field in fields})


def microseconds(column: pa.ChunkedArray) -> Numbers:
    """Return times as microseconds since 1970."""
    whole = pc.cast(column, pa.timestamp("us", "UTC"), safe=False)
    return np.asarray(whole.cast(pa.int64()).to_numpy())


def save_segment(folder: Path, build: Callable[[Zeros], Segment]) -> Segment:
    """Write a segment as a folder, whole or not at all, and return it. Its large arrays are made in their files, so
    that it may be larger than memory has room for."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))

    def zeros(name: str, shape: tuple[int, int]) -> Numbers:
        path = partial / f"{name}.npy"
        made = np.lib.format.open_memmap(path, mode="w+", dtype=np.int64, shape=shape)
        with path.open("r+b") as file:  # a full disk is an error here, and would kill the process later
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return made

    try:
        segment = build(zeros)
        for name in _ARRAYS:
            if not (partial / f"{name}.npy").exists():
                np.save(partial / f"{name}.npy", getattr(segment, name))
        np.save(partial / "moments.npy", segment.moments.numbers)
        np.save(partial / "places.npy", segment.moments.places)
        for number, values in enumerate(segment.keys.values):
            _write_array(partial / f"key-{number}.arrow", values)
        for number, pairs in enumerate(segment.keys.pairs):
            np.save(partial / f"pairs-{number}.npy", pairs)
        for number, values in enumerate(segment.dictionaries.values()):
            _write_array(partial / f"dictionary-{number}.arrow", values)
        manifest = {
            "format": _FORMAT,
            "keys": len(segment.keys.values),
            "dictionaries": list(segment.dictionaries),
            "moments": dict(segment.moments.scale),
        }
        (partial / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        os.replace(partial, folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if not folder.is_dir():  # or another process made the same just now
            raise StorageError(f"the index '{folder}' cannot be written: {error}") from error
    return segment


def open_segment(folder: Path) -> Segment | None:
    """Return the segment in a folder, memory-mapped; None if it is not there, or of another format."""
    try:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
        if manifest["format"] != _FORMAT:
            return None
        count = manifest["keys"]
        keys = KeyIndex(
            tuple(_read_array(folder / f"key-{number}.arrow") for number in range(count)),
            tuple(_mapped(folder / f"pairs-{number}.npy") for number in range(count - 1)),
        )
        dictionaries = {
            name: _read_array(folder / f"dictionary-{number}.arrow")
            for number, name in enumerate(manifest["dictionaries"])
        }
        arrays = {name: _mapped(folder / f"{name}.npy") for name in _ARRAYS}
        moments = Moments(_mapped(folder / "moments.npy"), _mapped(folder / "places.npy"), **manifest["moments"])
    except (OSError, ValueError, pa.ArrowException, msgspec.DecodeError):
        return None  # it is made again from the history
    return Segment(keys=keys, dictionaries=dictionaries, moments=moments, **arrays)


def _mapped(path: Path) -> Numbers:
    return np.asarray(np.load(path, mmap_mode="r"))  # a plain array: each look at a memmap costs more


def _write_array(path: Path, values: pa.Array) -> None:
    table = pa.table({"values": values})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _read_array(path: Path) -> pa.Array:
    column = pa.ipc.open_file(pa.memory_map(str(path))).read_all().column("values")
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
