"""The log of a history's Delta table: the table opened as it is now, and changes committed to it, each in its turn."""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.errors import ConflictError, DataError, MissingExtraError, StorageError
from penstock.features.history.history_errors import explained
from penstock.features.history.times import zoned

if TYPE_CHECKING:
    from deltalake import DeltaTable

T = TypeVar("T")
_TURN = "penstock:turn"
"""The application transaction of the table that says until when, in milliseconds since 1970, others wait for a large
commit that lost against smaller ones. Every change says 0: it had its turn, and what all say is found in the newest."""
_ATTEMPTS = 50
_LARGE_SECONDS = 2.0
_LONGEST_TURN_SECONDS = 600.0


class Overtaken(Exception):
    """Another commit came between."""


class CommitLog:
    """The log of the table at an address; `options` says what opens it, and may say another thing each time."""

    def __init__(self, uri: str, options: Callable[[], dict[str, str]]) -> None:
        self.uri = uri
        self.options = options
        self._idle: list[tuple[dict[str, str], DeltaTable]] = []

    @contextmanager
    def opened(self) -> Iterator[DeltaTable | None]:
        """Open the table as it is now, None where there is none; it is nobody else's until the block ends.

        Of a table in a bucket what was read of its log is kept: then only what came since is asked for.
        """
        options = self.options()
        table = self._caught_up(options) or self._read(options)
        try:
            yield table
        finally:
            if table is not None and "://" in self.uri:
                self._idle.append((options, table))

    def as_of(self, at: int | datetime.datetime) -> DeltaTable | None:
        """Return the table as it was in a version or at a time, None where there is none."""
        table = self._read(self.options())
        if table is not None:
            if isinstance(at, datetime.datetime):
                zoned(at, "as_of")
            elif at > table.version():
                raise DataError(f"the history '{self.uri}' has no version {at} yet; its newest is {table.version()}")
            try:
                table.load_as_version(at)
            except (deltalake().exceptions.DeltaError, ValueError, OSError) as error:
                raise DataError(f"the history '{self.uri}' has no version as of {at}: {error}") from error
        return table

    def commit(self, change: Callable[[DeltaTable | None], T]) -> T:
        """Change the table as it is now, again for as long as other writers are faster: theirs come first.

        `change` gets the table, None where there is none, and commits once. One that takes long and lost asks the
        others to wait.
        """
        mine = False
        for attempt in range(_ATTEMPTS):
            with self._opened_in_turn(mine=mine) as table:
                began = time.monotonic()
                try:
                    with self.explained("written", overtaken="already exists" if table is None else ""):
                        return change(table)
                except Overtaken:
                    took = time.monotonic() - began
            if took > _LARGE_SECONDS:
                mine = self.take_turn(min(4 * took, _LONGEST_TURN_SECONDS))
            else:  # so that writers do not meet again
                time.sleep(random.random() * 0.01 * (attempt + 1))  # noqa: S311
        raise ConflictError(f"'{self.uri}' is written to by so many that {_ATTEMPTS} attempts met another; try again")

    def take_turn(self, seconds: float) -> bool:
        """Ask the other writers to wait for at most so long; tell whether they were asked."""
        with self._opened_in_turn(mine=False) as table:
            if table is None:
                return False
            said = saying({_TURN: int((time.time() + seconds) * 1000)})
            columns = table.metadata().partition_columns
            try:
                with self.explained("written"):
                    table.create_write_transaction([], "append", table.schema(), columns, commit_properties=said)
            except Overtaken:
                return False
            return True

    @contextmanager
    def explained(self, done: str, *, overtaken: str = "") -> Iterator[None]:
        """Say what could not be done with which history, and why; `overtaken` is a text by which that is known, too."""
        delta = deltalake().exceptions
        try:
            yield
        except delta.CommitFailedError as error:
            raise Overtaken from error
        except (delta.DeltaError, OSError) as error:
            if overtaken and overtaken in str(error):
                raise Overtaken from error
            raise StorageError(explained(error, self.uri, done)) from error

    @contextmanager
    def _opened_in_turn(self, *, mine: bool) -> Iterator[DeltaTable | None]:
        """Open the table once nobody else has its turn: while a large commit is under way, small ones would beat it
        again and again."""
        while True:
            with self.opened() as table:
                left = 0.0 if table is None else int(table.transaction_version(_TURN) or 0) / 1000 - time.time()
                if mine or left <= 0:
                    yield table
                    return
            time.sleep(min(left, 0.1))

    def _caught_up(self, options: Mapping[str, str]) -> DeltaTable | None:
        while self._idle:
            before, table = self._idle.pop()
            if before == options:
                try:
                    table.update_incremental()
                except (deltalake().exceptions.DeltaError, OSError):
                    return None  # it is read anew, which says what is wrong
                return table
        return None

    def _read(self, options: dict[str, str]) -> DeltaTable | None:
        delta = deltalake()
        with self.explained("read"):
            try:
                table: DeltaTable = delta.DeltaTable(self.uri, storage_options=options)
                return table
            except delta.exceptions.TableNotFoundError:
                return None


def saying(numbers: Mapping[str, int], name: str = "") -> Any:
    """Return what a commit says beside its change: numbers by name, of which two at once cannot both say one, and its
    own name, by which `has_commit` finds it."""
    delta = deltalake()
    transactions = [delta.Transaction(name, number) for name, number in {_TURN: 0, **numbers}.items()]
    return delta.CommitProperties({"penstock:commit": name} if name else None, 0, transactions)


def has_commit(table: DeltaTable, name: str, *, since: int) -> bool:
    """Tell whether a commit is in the log, from a version on: a server may have stored what it said it had not."""
    commits = table.history(max(table.version() - since + 1, 1))
    return any(commit.get("penstock:commit") == name for commit in commits)


def deltalake() -> Any:
    """Return the library, loaded when a history is first used."""
    try:
        import deltalake
        import deltalake.exceptions
    except ImportError as error:
        raise MissingExtraError("deltalake", extra="features", purpose="a feature store's history") from error
    return deltalake
