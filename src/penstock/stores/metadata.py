"""Records in a SQL database: runs, steps, artifacts, cache entries, versions, aliases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import sqlalchemy as sa

from penstock.core.ports import MetadataStore
from penstock.core.run import Record
from penstock.errors import ConflictError
from penstock.stores.database import FileIdentity, connect, database_errors, file_identity, make_folder, uncollected
from penstock.stores.migrations import migrate
from penstock.stores.records import RECORDS

R = TypeVar("R", bound=Record)


class SqlMetadata:
    """A `MetadataStore` in a SQL database (today SQLite, in WAL mode). Any number of threads and processes may use it,
    also those forked after it was opened; `sqlite://` is a store in the memory of this process. Where the file is
    deleted meanwhile, the next use begins a new one."""

    def __init__(self, url: str) -> None:
        self.engine = connect(url)
        self._file: FileIdentity | None = None
        with self._transaction():
            pass

    def write(self, *records: Record) -> None:
        """Insert or replace, all or none."""
        with self._quick() as cursor:
            for kind, same in _by_kind(records).items():
                table = RECORDS[kind]
                cursor.executemany(table.upsert, [table.row(record) for record in same])

    def insert(self, *records: Record) -> None:
        """Insert, all or none; raises `ConflictError` if one is there."""
        try:
            with self._quick() as cursor:
                for kind, same in _by_kind(records).items():
                    table = RECORDS[kind]
                    cursor.executemany(table.insert, [table.row(record) for record in same])
        except sqlite3.IntegrityError as error:
            raise ConflictError(self._conflict(records)) from error

    def get(self, kind: type[R], *identity: Any) -> R | None:
        """Return the record of that identity, or None."""
        table = RECORDS[kind]
        with self._quick() as cursor:
            row = cursor.execute(table.select_one, identity).fetchone()
        return None if row is None else table.record(row)

    def find(
        self,
        kind: type[R],
        /,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        after: Record | None = None,
        **equal: Any,
    ) -> list[R]:
        """Return the records whose fields equal the given values (a list: any of them), by creation or position; with
        `after` only those that come behind that record in this order: the next page."""
        table = RECORDS[kind]
        query = sa.select(table.table).where(table.condition(equal)).limit(limit)
        if after is not None:
            query = query.where(table.behind(after, newest_first=newest_first))
        ordered = query.order_by(*table.ordering(newest_first=newest_first))
        with self._transaction() as connection, uncollected():
            return [table.record(row) for row in connection.execute(ordered).all()]

    def delete(self, kind: type[R], /, **equal: Any) -> int:
        """Delete the records whose fields equal the given values; return how many."""
        table = RECORDS[kind]
        with self._transaction() as connection:
            return connection.execute(sa.delete(table.table).where(table.condition(equal))).rowcount

    def close(self) -> None:
        """Close the connections of this process."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with database_errors(self.engine):
            self._look()
            with self.engine.begin() as connection:
                yield connection

    @contextmanager
    def _quick(self) -> Iterator[sqlite3.Cursor]:
        """A transaction past SQLAlchemy, whose layers cost four times what SQLite does where a statement is small."""
        with database_errors(self.engine):
            self._look()
            connection = self.engine.raw_connection()
            try:
                yield cast(sqlite3.Cursor, connection.cursor())  # the driver's own: `connect` takes no other database
                connection.commit()
            finally:
                connection.close()  # back to the pool, which rolls back what was not committed

    def _look(self) -> None:
        """Make the tables where there are none: in a new file, or in one that was deleted meanwhile."""
        found = file_identity(self.engine)
        if found is None or found != self._file:
            self.engine.dispose()  # a connection to a deleted file would go on as if nothing had happened
            make_folder(self.engine)
            migrate(self.engine)
            self._file = file_identity(self.engine)

    def _conflict(self, records: Sequence[Record]) -> str:
        for record in records:
            identity = tuple(getattr(record, field) for field in RECORDS[type(record)].identity)
            if self.get(type(record), *identity) is not None:
                return f"{type(record).__name__} {'/'.join(map(str, identity))} exists already"
        return "two of the records to insert have one identity"


def open_metadata(url: str) -> MetadataStore:
    """Open the records at `url` (`sqlite:///path/metadata.db`); an empty place becomes a store."""
    return SqlMetadata(url)


def _by_kind(records: Sequence[Record]) -> dict[type, list[Record]]:
    groups: dict[type, list[Record]] = {}
    for record in records:
        groups.setdefault(type(record), []).append(record)
    return groups
