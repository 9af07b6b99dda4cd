"""The history of a feature set: every row that was ever ingested, as a Delta Lake table that any engine reads.

Rows are appended, never changed. Each has a sequence number, given when its commit succeeds: a commit carries, as an
application transaction of Delta, the last number it used, and of two concurrent ones Delta lets only one through. So
the order of sequence numbers is the order of commits, across processes and hosts, without a lock of ours.
"""

from __future__ import annotations

import datetime
import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import ConflictError, UnknownNameError
from penstock.features.history.commits import CommitLog, Overtaken, deltalake, has_commit, saying
from penstock.features.history.delta_log import LogEntry, entry_of, is_newest
from penstock.operations import quoted

if TYPE_CHECKING:
    from deltalake import DeltaTable

SEQUENCE, DAY = "_sequence", "_day"
_LAST, _REMOVALS = "penstock:sequence", "penstock:removals"
"""Application transactions of the table: the last sequence number, and how often rows were taken out."""
_CONFIGURATION = {"delta.dataSkippingStatsColumns": SEQUENCE, "delta.checkpointInterval": "20"}
"""The log keeps the range of the numbers alone: what keys and values were is in the files only. A log that is opened,
or looked through for a batch, is read from its last checkpoint on."""
_LONG_RUN = 1000


@dataclass(frozen=True, slots=True)
class Commit:
    """What one ingest added: the table's version, and the first and the last sequence number of the rows."""

    version: int
    first: int
    last: int


class Rows(Protocol):
    """Rows that are gone through once for each attempt to commit them, a batch at a time: an Arrow table, a staging."""

    @property
    def num_rows(self) -> int:
        """How many there are."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """Their columns."""
        ...

    def to_batches(self) -> Iterable[pa.RecordBatch]:
        """Return all of them, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Move:
    """How far rows bring a source on: from the last sequence that is in the history to that of the last row."""

    before: int
    after: int


class History:
    """The Delta table of a feature set's rows, in a folder or a bucket; it is made with the first rows. `log` is the
    table's, which histories of one process share: of a bucket it knows what it read."""

    def __init__(self, uri: str, log: CommitLog | None = None) -> None:
        self.uri = uri
        self._log = log or CommitLog(uri, dict)
        self._kept: _Kept | None = None
        self._seen: tuple[LogEntry | None, tuple[int, int]] = None, (0, 0)

    def append(
        self,
        rows: Rows,
        *,
        timestamp: str,
        batch: str = "",
        moves: Mapping[str, Move] | None = None,
        tell: Callable[[int], None] = lambda _: None,
    ) -> Commit | None:
        """Commit rows as a whole, in their order; return what was added.

        `batch` names the rows: those of a batch that is there already are not added again, and None comes back. So it
        does where a source of `moves` is not where they begin: another writer brought it on. `tell` hears how many
        rows are written.
        """

        name, tried = uuid.uuid4().hex, list[Commit]()

        def added(table: DeltaTable | None) -> Commit | None:
            if tried and table is not None and has_commit(table, name, since=tried[-1].version):
                return tried[-1]  # it was not another one that came before, its answer was lost
            if table is not None and _is_there(table, batch, moves or {}):
                return None
            first = 1 if table is None else self.last_sequence(table) + 1
            last = first + rows.num_rows - 1
            removals = _removals(table)
            said = {_LAST: last, _REMOVALS: removals, **({f"batch:{batch}": 1} if batch else {})}
            said |= {f"source:{name}": move.after for name, move in (moves or {}).items()}
            tried.append(Commit(0 if table is None else int(table.version()) + 1, first, last))
            self._write(table, _numbered(rows, timestamp, first, tell), saying(said, name))
            self._kept = _Kept(first, last, removals, rows) if isinstance(rows, pa.Table) else None
            return tried[-1]

        return self._log.commit(added)

    def sources(self, names: Iterable[str]) -> dict[str, int]:
        """Return up to which sequence the rows of each source are in the history; 0 where none is."""
        with self._log.opened() as table:
            return {
                name: 0 if table is None else int(table.transaction_version(f"source:{name}") or 0) for name in names
            }

    def has_batch(self, batch: str) -> bool:
        """Tell whether the rows of a batch are in the history."""
        with self._log.opened() as table:
            return table is not None and _is_there(table, batch, {})

    def read(
        self, columns: Sequence[str], *, after: int = 0, until: int | None = None, version: int | None = None
    ) -> pa.Table:
        """Return rows in the order of their sequence numbers, above `after` and up to `until`, with those numbers.

        Files that hold no such rows are not opened. A column that older rows lack is NULL there.
        """
        with self._opened(version) as table:
            if table is None:
                raise UnknownNameError("history", self.uri, [])
            kept = self._kept
            if version is None and kept is not None and kept.has(after, until, _removals(table)):
                return kept.rows_after(columns, after, until)
            needed = pc.field(SEQUENCE) > after
            if until is not None:
                needed &= pc.field(SEQUENCE) <= until
            with self._log.explained("read"):
                dataset = table.to_pyarrow_dataset()
                there = [name for name in columns if name in dataset.schema.names]
                return _in_order(dataset.to_table(columns=[*there, SEQUENCE], filter=needed))

    def let_go(self) -> None:
        """Forget the rows that were appended last: until then they are not read from files again."""
        self._kept = None

    def state(self) -> tuple[int, int]:
        """Return how often rows were taken out, and the last sequence number: what is made of the history holds as long
        as the first stays."""
        entry, state = self._seen
        if is_newest(self.uri, entry):
            return state
        with self._log.opened() as table:
            state = _removals(table), 0 if table is None else self.last_sequence(table)
            self._seen = None if table is None else entry_of(self.uri, table.version()), state
        return state

    def remove(self, sequences: np.ndarray[Any, np.dtype[np.int64]]) -> int:
        """Take rows out for good: the files that held them are written anew and the old ones deleted, with the versions
        that needed them. Return how many rows there were. The log names them by their numbers only."""
        return self._removed(f"{SEQUENCE} IN ({', '.join(map(str, sequences.tolist()))})")

    def remove_before(self, timestamp: str, instant: datetime.datetime) -> int:
        """Take rows out whose event is older than an instant, for good; return how many there were."""
        text = instant.astimezone(datetime.UTC).isoformat(sep=" ", timespec="microseconds").removesuffix("+00:00")
        condition = f"{quoted(timestamp)} < arrow_cast('{text}Z', 'Timestamp(Microsecond, Some(\"UTC\"))')"
        return self._removed(condition)

    def _removed(self, condition: str) -> int:
        """Take out the rows of a condition: what was made of the history does not hold from then on."""

        def taken_out(table: DeltaTable | None) -> int:
            if table is None:
                raise UnknownNameError("history", self.uri, [])
            said = {_LAST: self.last_sequence(table), _REMOVALS: _removals(table) + 1}
            told = table.delete(condition, commit_properties=saying(said))
            return int(told["num_deleted_rows"])

        removed = self._log.commit(taken_out)
        self._vacuum(hours=0)
        return removed

    def compact(self) -> int:
        """Put small files together; return how many files fewer there are. Old versions can be read for a week more."""
        with self._log.opened() as table:
            if table is None:
                return 0
            before = len(table.file_uris())
            try:
                with self._log.explained("written"):
                    table.optimize.compact()
            except Overtaken as error:
                raise ConflictError(f"rows were taken out of '{self.uri}' just now; compact it again") from error
            fewer = before - len(table.file_uris())
        self._vacuum(hours=None)
        return fewer

    def _vacuum(self, *, hours: int | None) -> None:
        """Delete files that no version needs any more: those of `hours` ago, or of a week ago."""

        def emptied(table: DeltaTable | None) -> None:
            if table is not None:
                table.vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False)

        self._log.commit(emptied)

    def version(self) -> int | None:
        """Return the newest version of the table; None where there are no rows yet."""
        with self._log.opened() as table:
            return None if table is None else int(table.version())

    def sequence_at(self, at: int | datetime.datetime | None = None) -> int:
        """Return the last sequence number of the newest version, of version `at`, or of the version at a time."""
        with self._opened(at) as table:
            return 0 if table is None else self.last_sequence(table)

    @contextmanager
    def _opened(self, at: int | datetime.datetime | None) -> Iterator[DeltaTable | None]:
        if at is None:
            with self._log.opened() as table:
                yield table
        else:
            yield self._log.as_of(at)

    @staticmethod
    def last_sequence(table: DeltaTable) -> int:
        """Return the last sequence number that an open table holds."""
        return int(table.transaction_version(_LAST) or 0)

    def _write(self, table: DeltaTable | None, rows: pa.RecordBatchReader, said: Any) -> None:
        delta = deltalake()
        if table is None and "://" not in self.uri:
            Path(self.uri).mkdir(parents=True, exist_ok=True)
        delta.write_deltalake(
            self.uri if table is None else table,
            rows,
            mode="error" if table is None else "append",
            partition_by=[DAY],
            schema_mode=None if table is None else "merge",
            configuration=_CONFIGURATION if table is None else None,
            storage_options=self._log.options(),
            writer_properties=_writer(delta, rows.schema),
            commit_properties=said,
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    """Rows that were appended, as they are in the history while rows are not taken out of it."""

    first: int
    last: int
    removals: int
    rows: pa.Table

    def has(self, after: int, until: int | None, removals: int) -> bool:
        """Tell whether these are all rows above `after` and up to `until`."""
        return self.first <= after + 1 and until is not None and until <= self.last and removals == self.removals

    def rows_after(self, columns: Sequence[str], after: int, until: int | None) -> pa.Table:
        """Return rows as `History.read` does."""
        end = self.last if until is None else until
        rows = self.rows.slice(after + 1 - self.first, end - after)
        numbers = pa.array(np.arange(after + 1, end + 1, dtype=np.int64))
        return rows.select([name for name in columns if name in rows.column_names]).append_column(SEQUENCE, numbers)


def _in_order(rows: pa.Table) -> pa.Table:
    """Return rows in the order of their numbers. Long runs, as of rows that came by time, are put in order uncopied."""
    numbers = rows.column(SEQUENCE).to_numpy()
    edges = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
    if len(edges) == 2:
        return rows
    if len(edges) > len(numbers) // _LONG_RUN:
        return rows.take(pa.array(np.argsort(numbers)))
    runs = sorted(itertools.pairwise(edges), key=lambda run: numbers[run[0]])
    return pa.concat_tables([rows.slice(first, end - first) for first, end in runs])


def _removals(table: DeltaTable | None) -> int:
    return 0 if table is None else int(table.transaction_version(_REMOVALS) or 0)


def _writer(delta: Any, schema: pa.Schema) -> Any:
    """Return how files are written: numbers without a dictionary take a quarter of the time, and half of the space."""
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    plain = delta.ColumnProperties(dictionary_enabled=False)
    return delta.WriterProperties(
        compression="ZSTD",
        compression_level=1,
        default_column_properties=plain,
        column_properties={name: delta.ColumnProperties(dictionary_enabled=True) for name in texts},
    )


def _is_there(table: DeltaTable, batch: str, moves: Mapping[str, Move]) -> bool:
    if batch and table.transaction_version(f"batch:{batch}") is not None:
        return True
    return any(int(table.transaction_version(f"source:{name}") or 0) != move.before for name, move in moves.items())


def _numbered(rows: Rows, timestamp: str, first: int, tell: Callable[[int], None]) -> pa.RecordBatchReader:
    """Return rows with their sequence numbers and their days, made as they are asked for."""
    schema = rows.schema.append(pa.field(SEQUENCE, pa.int64())).append(pa.field(DAY, pa.date32()))

    def made() -> Iterator[pa.RecordBatch]:
        number = first
        for batch in rows.to_batches():
            day = pc.cast(batch.column(rows.schema.get_field_index(timestamp)), pa.date32(), safe=False)
            numbers = pa.array(np.arange(number, number + batch.num_rows, dtype=np.int64))
            number += batch.num_rows
            yield pa.RecordBatch.from_arrays([*batch.columns, numbers, day], schema=schema)
            tell(number - first)

    return pa.RecordBatchReader.from_batches(schema, made())
