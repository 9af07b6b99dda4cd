"""A SQLite database that many threads and processes use at once: connections, settings, forks, errors in words."""

from __future__ import annotations

import gc
import os
import sqlite3
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa

from penstock.errors import DeclarationError, StorageError
from penstock.secrets import without_password

FileIdentity: TypeAlias = tuple[int, int]
"""Device and inode of a database's file."""

_BUSY_SECONDS = 30
_MEMORY: FileIdentity = (0, 0)

_engines: weakref.WeakSet[sa.Engine] = weakref.WeakSet()
_of_the_parent: list[object] = []


def connect(url: str) -> sa.Engine:
    """Return the engine of a database address: `sqlite:///path`, or `sqlite://` for one in memory, of this process."""
    shown = without_password(url)
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise DeclarationError(f"'{shown}' is not an address of a database; write sqlite:///path/metadata.db") from None
    if parsed.get_backend_name() != "sqlite":
        raise DeclarationError(f"records cannot be kept at '{shown}'; today SQLite can: sqlite:///path/metadata.db")
    if _path(parsed) is None:
        # One connection that all threads take turns with: every other one would be another, empty database.
        return _configured(
            sa.create_engine(
                parsed,
                poolclass=sa.QueuePool,
                pool_size=1,
                max_overflow=0,
                connect_args={"check_same_thread": False},
            )
        )
    engine = _configured(sa.create_engine(parsed))
    _engines.add(engine)
    return engine


def driver_connection(path: str) -> sqlite3.Connection:
    """Open a SQLite file with the settings that ours have, for a library that makes its engine itself."""
    connection = sqlite3.connect(path, check_same_thread=False)
    _configure(connection, None)
    return connection


def close_before_forks(engine: sa.Engine) -> None:
    """Have an engine that another library made keep no connection open over a fork."""
    _engines.add(engine)


def file_identity(engine: sa.Engine) -> FileIdentity | None:
    """Say which file the database is now: another one at the same path has another identity; None: there is none."""
    path = engine.url.database
    if not path or path == ":memory:":
        return _MEMORY
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def make_folder(engine: sa.Engine) -> None:
    """Make the folder in which the database's file will lie."""
    path = _path(engine.url)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder of the metadata store {path}: {error}") from error


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python's collector of cycles away while very many rows become records, which have none: it would go through
    all of them again and again, for a third of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def database_errors(engine: sa.Engine) -> Iterator[None]:
    """Turn what the database reports into a `StorageError` that says what to do."""
    try:
        yield
    except (sa.exc.IntegrityError, sqlite3.IntegrityError):
        raise
    except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
        path, reason = engine.url.database, str(getattr(error, "orig", error))
        advice = next((advice for sign, advice in _ADVICE.items() if sign in reason), "")
        raise StorageError(f"the metadata store {path} cannot be used: {reason}{advice}") from error


_ADVICE = {
    "disk is full": "; free some space on its disk and run again: what is recorded stays recorded",
    "disk I/O": "; look at its disk, and at the space left there",
    "readonly": "; give write permission on the file and its folder, or choose another ([stores] in penstock.toml)",
    "unable to open": "; look at the permissions of the file and its folder",
    "is locked": "; another process has been writing for more than half a minute: see which with `fuser`",
    "not a database": "; the file is not SQLite's: move it away, or choose another ([stores] in penstock.toml)",
    "malformed": "; the file is damaged: restore a copy, or delete it and run again (artifacts are kept apart)",
}


def _path(url: sa.URL) -> Path | None:
    return None if not url.database or url.database == ":memory:" else Path(url.database)


def _configured(engine: sa.Engine) -> sa.Engine:
    sa.event.listen(engine, "connect", _configure)
    return engine


def _configure(connection: sqlite3.Connection, _: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = NORMAL")  # with WAL: a power cut loses the last commits, never the file


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Choose the journal in which readers do not wait for the writer. Of processes that open an empty file at once one
    does it, and SQLite does not let the others wait, so they try again."""
    limit = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "is locked" not in str(error) or time.monotonic() > limit:
                raise
            time.sleep(0.002)
        else:
            return


def _close_connections() -> None:
    """Before a fork: SQLite in the child would count the parent's open connection as one of its own, and so take no
    lock for its next ones. When the parent then closes that connection it finds the file unlocked, and deletes the
    journal that the child is writing to."""
    for engine in list(_engines):
        engine.dispose()


def _leave_connections_to_the_parent() -> None:
    """After a fork, in the child: use no connection that a thread of the parent was using, and never close one
    (SQLite's rule)."""
    for engine in _engines:
        _of_the_parent.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(before=_close_connections, after_in_child=_leave_connections_to_the_parent)
