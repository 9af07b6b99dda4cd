"""The history of a feature set: every row that was ever ingested, as a Delta Lake table that any engine reads.

Rows are appended, never changed. Each has a sequence number, given when its commit succeeds: a commit carries, as an
application transaction of Delta, the last number it used, and of two concurrent ones Delta lets only one through. So
the order of sequence numbers is the order of commits, across processes and hosts, without a lock of ours.
"""

from __future__ import annotations

import datetime
import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import ConflictError, DataError, MissingExtraError, StorageError, UnknownNameError
from penstock.features.delta_log import LogEntry, entry_of, is_newest
from penstock.features.history_errors import explained
from penstock.operations import quoted

if TYPE_CHECKING:
    from deltalake import DeltaTable

SEQUENCE, DAY = "_sequence", "_day"
_LAST, _REMOVALS, _TURN = "penstock:sequence", "penstock:removals", "penstock:turn"
"""Application transactions of the table: the last sequence number; how often rows were taken out; and until when, in
milliseconds since 1970, others wait for a large commit that lost against smaller ones."""
_ATTEMPTS = 50
_LARGE_SECONDS = 2.0
_LONGEST_TURN_SECONDS = 600.0
_LONG_RUN = 1000
T = TypeVar("T")


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
    """The Delta table of a feature set's rows, in a folder or a bucket; it is made with the first rows. `options` says
    what opens the bucket."""

    def __init__(self, uri: str, options: Callable[[], dict[str, str]] = dict) -> None:
        self.uri = uri
        self._options = options
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

        def added(table: DeltaTable | None, turn: Mapping[str, int]) -> Commit | None:
            if table is not None and _is_there(table, batch, moves or {}):
                return None
            first = 1 if table is None else self.last_sequence(table) + 1
            last = first + rows.num_rows - 1
            transactions = {_LAST: last, **{f"source:{name}": move.after for name, move in (moves or {}).items()}}
            transactions |= {f"batch:{batch}": 1} if batch else {}
            version = self._write(table, _numbered(rows, timestamp, first, tell), {**transactions, **turn})
            self._kept = _Kept(first, last, _removals(table), rows) if isinstance(rows, pa.Table) else None
            return Commit(version, first, last)

        return self._committed(added)

    def _committed(self, change: Callable[[DeltaTable | None, Mapping[str, int]], T]) -> T:
        """Change the table as it is now, again for as long as other writers are faster: theirs come first.

        `change` gets the table, None where there is none, and what its commit has to say beside its own.
        """
        turn: Mapping[str, int] = {}
        for attempt in range(_ATTEMPTS):
            table = self._open() if turn else self._open_in_turn()
            began = time.monotonic()
            try:
                with self._explained("written", conflict="already exists" if table is None else ""):
                    return change(table, turn)
            except _Conflict:
                took = time.monotonic() - began
                if took > _LARGE_SECONDS:
                    turn = {_TURN: 0} if self._take_turn(min(4 * took, _LONGEST_TURN_SECONDS)) else {}
                else:  # so that writers do not meet again
                    time.sleep(random.random() * 0.01 * (attempt + 1))  # noqa: S311
        raise ConflictError(f"'{self.uri}' is written to by so many that {_ATTEMPTS} attempts met another; try again")

    @contextmanager
    def _explained(self, done: str, *, conflict: str = "") -> Iterator[None]:
        """Say what could not be done with which history, and why; `conflict` is a text by which one is known, too."""
        delta = _deltalake().exceptions
        try:
            yield
        except delta.CommitFailedError as error:
            raise _Conflict from error
        except (delta.DeltaError, OSError) as error:
            if conflict and conflict in str(error):
                raise _Conflict from error
            raise StorageError(explained(error, self.uri, done)) from error

    def sources(self, names: Iterable[str]) -> dict[str, int]:
        """Return up to which sequence the rows of each source are in the history; 0 where none is."""
        table = self._open()
        return {name: 0 if table is None else int(table.transaction_version(f"source:{name}") or 0) for name in names}

    def has_batch(self, batch: str) -> bool:
        """Tell whether the rows of a batch are in the history."""
        table = self._open()
        return table is not None and _is_there(table, batch, {})

    def _open_in_turn(self) -> DeltaTable | None:
        """Open the table once nobody has its turn: while a large commit is under way, small ones would beat it again
        and again."""
        while True:
            table = self._open()
            left = 0.0 if table is None else int(table.transaction_version(_TURN) or 0) / 1000 - time.time()
            if left <= 0:
                return table
            time.sleep(min(left, 0.1))

    def _take_turn(self, seconds: float) -> bool:
        """Ask the other writers to wait for at most so long; tell whether they were asked."""
        delta, table = _deltalake(), self._open_in_turn()
        if table is None:
            return False
        until = delta.Transaction(_TURN, int((time.time() + seconds) * 1000))
        properties = delta.CommitProperties(app_transactions=[until], max_commit_retries=0)
        try:
            with self._explained("written"):
                table.create_write_transaction([], "append", table.schema(), [DAY], commit_properties=properties)
        except _Conflict:
            return False
        return True

    def read(
        self, columns: Sequence[str], *, after: int = 0, until: int | None = None, version: int | None = None
    ) -> pa.Table:
        """Return rows in the order of their sequence numbers, above `after` and up to `until`, with those numbers.

        Files that hold no such rows are not opened. A column that older rows lack is NULL there.
        """
        table = self._open(version)
        if table is None:
            raise UnknownNameError("history", self.uri, [])
        if version is None and self._kept is not None and self._kept.has(after, until, _removals(table)):
            return self._kept.rows_after(columns, after, until)
        needed = pc.field(SEQUENCE) > after
        if until is not None:
            needed &= pc.field(SEQUENCE) <= until
        with self._explained("read"):
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
        table = self._open()
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

        def taken_out(table: DeltaTable | None, turn: Mapping[str, int]) -> int:
            if table is None:
                raise UnknownNameError("history", self.uri, [])
            told = table.delete(condition, commit_properties=_saying({_REMOVALS: _removals(table) + 1, **turn}))
            return int(told["num_deleted_rows"])

        removed = self._committed(taken_out)
        self._vacuum(hours=0)
        return removed

    def compact(self) -> int:
        """Put small files together; return how many files fewer there are. Old versions can be read for a week more."""
        table = self._open()
        if table is None:
            return 0
        before = len(table.file_uris())
        try:
            with self._explained("written"):
                table.optimize.compact()
        except _Conflict as error:
            raise ConflictError(f"rows were taken out of '{self.uri}' just now; compact it again") from error
        self._vacuum(hours=None)
        return before - len(table.file_uris())

    def _vacuum(self, *, hours: int | None) -> None:
        """Delete files that no version needs any more: those of `hours` ago, or of a week ago."""
        table = self._open()
        if table is not None:
            with self._explained("written"):
                table.vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False)

    def version(self) -> int | None:
        """Return the newest version of the table; None where there are no rows yet."""
        table = self._open()
        return None if table is None else int(table.version())

    def sequence_at(self, at: int | datetime.datetime | None = None) -> int:
        """Return the last sequence number of the newest version, of version `at`, or of the version at a time."""
        table = self._open(at)
        return 0 if table is None else self.last_sequence(table)

    @staticmethod
    def last_sequence(table: DeltaTable) -> int:
        """Return the last sequence number that an open table holds."""
        return int(table.transaction_version(_LAST) or 0)

    def _open(self, at: int | datetime.datetime | None = None) -> DeltaTable | None:
        delta = _deltalake()
        with self._explained("read"):
            try:
                table: DeltaTable = delta.DeltaTable(self.uri, storage_options=self._options())
            except delta.exceptions.TableNotFoundError:
                return None
        if at is not None:
            try:
                table.load_as_version(at)
            except (delta.exceptions.DeltaError, ValueError, OSError) as error:
                raise DataError(f"the history '{self.uri}' has no version as of {at}: {error}") from error
        return table

    def _write(self, table: DeltaTable | None, rows: pa.RecordBatchReader, numbers: Mapping[str, int]) -> int:
        delta = _deltalake()
        if table is None and "://" not in self.uri:
            Path(self.uri).mkdir(parents=True, exist_ok=True)
        delta.write_deltalake(
            self.uri if table is None else table,
            rows,
            mode="error" if table is None else "append",
            partition_by=[DAY],
            schema_mode=None if table is None else "merge",
            # The log keeps the range of the numbers alone: what keys and values were is in the files only.
            configuration={"delta.dataSkippingStatsColumns": SEQUENCE} if table is None else None,
            storage_options=self._options(),
            writer_properties=_writer(delta, rows.schema),
            commit_properties=_saying(numbers),
        )
        return 0 if table is None else int(table.version())


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


def _saying(numbers: Mapping[str, int]) -> Any:
    """Return what a commit says beside its change: numbers by name; two at once cannot both say one of a name."""
    delta = _deltalake()
    transactions = [delta.Transaction(name, number) for name, number in numbers.items()]
    return delta.CommitProperties(app_transactions=transactions, max_commit_retries=0)


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


class _Conflict(Exception):  # never seen outside this file
    """Another commit came between."""


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


def _deltalake() -> Any:
    try:
        import deltalake
        import deltalake.exceptions
    except ImportError as error:
        raise MissingExtraError("deltalake", extra="features", purpose="a feature store's history") from error
    return deltalake
