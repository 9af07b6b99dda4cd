"""The in-memory DuckDB connection of this thread, and its errors turned into ours."""

from __future__ import annotations

import functools
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling, PythonUDFType

from penstock.errors import DataError, PenstockError, SqlError, StorageError
from penstock.operations import NATIVES, sql_type
from penstock.tables.in_threads import in_threads


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.connections: dict[tuple[int, int], duckdb.DuckDBPyConnection] = {}


_databases: dict[tuple[int, int], duckdb.DuckDBPyConnection] = {}
_of_thread = _OfThread()
_STREAMED = {"Out of Memory": duckdb.OutOfMemoryException, "IO": duckdb.IOException, "HTTP": duckdb.HTTPException}
_lock = threading.Lock()


def connection(*, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Return this thread's connection to this process's in-memory database.

    The zone is UTC, Python variables are no tables, nothing is downloaded, and rows keep the order they were read in.
    `threads` is how many threads one statement uses (default: those that the step asked for, else every core); 1 makes
    sums over floats reproducible.
    A forked process gets a database of its own: DuckDB's threads do not survive a fork. Fetch a result to its end
    before the next statement, or take a `cursor()`.
    """
    key = (os.getpid(), threads or int(os.environ.get("PENSTOCK_CPUS", 0)) or os.cpu_count() or 1)
    mine = _of_thread.connections
    if key not in mine:
        with _lock:
            if key not in _databases:
                _databases[key] = _open(key[1])
            mine[key] = _databases[key].cursor()
    return mine[key]


def cache_folder() -> Path:
    """Return the folder for files that can be made again (unzipped tables, spilled rows), private to this user."""
    folder = Path(tempfile.gettempdir()) / f"penstock-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise StorageError(f"'{folder}' belongs to another user, who could change our files; point TMPDIR elsewhere")
    return folder


@contextmanager
def clear_errors(doing: str = "") -> Iterator[None]:
    """Raise DuckDB's errors as ours, with `doing` ("cannot read 'a.csv'") in front of the message.

    `DataError` where the rows are wrong, `SqlError` where the text is, `StorageError` where memory or the disk is full.
    Ctrl-C in a statement is a `KeyboardInterrupt`, as anywhere else.
    """
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":  # what DuckDB makes of a KeyboardInterrupt
            raise KeyboardInterrupt from error
        raise
    except duckdb.Error as error:
        raise _translate(error, doing) from error
    except OSError as error:  # what Arrow makes of an error of DuckDB's in a stream of batches
        kind, found, _ = str(error).partition(" Error: ")
        if not found:
            raise
        raise _translate(_STREAMED.get(kind, duckdb.InvalidInputException)(str(error)), doing) from error


def _open(threads: int) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(
        config={
            "threads": threads,
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": str(cache_folder() / f"spill-{os.getpid()}-{threads}"),
        }
    )
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    return with_natives(database, threads)


def with_natives(database: duckdb.DuckDBPyConnection, threads: int) -> duckdb.DuckDBPyConnection:
    """Register the functions that our texts call and DuckDB lacks; return the database, which has as many threads."""
    for native in NATIVES:
        types: list[Any] = [sql_type(type) for type in native.parameters]
        if native.in_threads:
            function, nulls = in_threads(native, threads), FunctionNullHandling.SPECIAL
            database.create_function(
                native.name, function, types, sql_type(native.result), type=PythonUDFType.ARROW, null_handling=nulls
            )
        elif native.may_be_null:
            function, nulls = _unless_null(native.function), FunctionNullHandling.SPECIAL
            database.create_function(native.name, function, types, sql_type(native.result), null_handling=nulls)
        else:
            database.create_function(native.name, native.function, types, sql_type(native.result))
    return database


def _unless_null(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that gives None where an argument is: DuckDB calls all with NULL, or lets none give it."""

    @functools.wraps(function)  # DuckDB reads from the signature how many arguments there are
    def called(*arguments: Any) -> Any:
        return None if None in arguments else function(*arguments)

    return called


def _translate(error: duckdb.Error, doing: str) -> PenstockError:
    text = str(error).partition(": ")[2] or str(error)
    if "CSV Error on Line" in text:
        return DataError(_csv_message(text))
    message = f"{doing}: {text}" if doing else text
    match error:
        case duckdb.OutOfMemoryException():
            return StorageError(message)
        case duckdb.IOException() | duckdb.HTTPException() if (
            "No space left" in text or "could not write" in text.lower()
        ):
            return StorageError(message)
        case duckdb.ParserException() | duckdb.SyntaxException() | duckdb.BinderException() | duckdb.CatalogException():
            return SqlError(message)
        case duckdb.NotImplementedException() | duckdb.PermissionException():
            return SqlError(message)
        case _:
            return DataError(message)


def _csv_message(text: str) -> str:
    """Say which line of which file is wrong and why; DuckDB's text goes on with every option of its reader."""
    line = re.search(r"CSV Error on Line: (\d+)", text)
    file = re.search(r"\n  file = (.*)", text)
    reason = text.partition("\nPossible")[0].strip().splitlines()[-1]
    return f"cannot read '{file[1] if file else 'the file'}', line {line[1] if line else '?'}: {reason}"


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)
