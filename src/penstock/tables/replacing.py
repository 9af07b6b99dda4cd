"""Rows written into a table that others write to as well: a DuckDB file, a Delta table, Parquet files in folders.

Rows replace those that are there with the same values of some columns, in one transaction. So whoever writes the same
rows again, after a crash too, adds nothing twice.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pyarrow as pa

from penstock.errors import DataError, DeclarationError, MissingExtraError, StorageError
from penstock.operations import quoted, sql_literal
from penstock.tables.delta_tables import is_delta
from penstock.tables.types import schema_of
from penstock.tables.writing import write_rows

DELTA = "delta:"
"""How the address of a Delta table begins that is to be made; one that is there is known by its log."""
_DUCKDB = (".duckdb", ".ddb")
_TYPES = ("string", "int64", "bool", "date")
_AGAIN_SECONDS = 60.0
_WAIT_SECONDS = 0.05
_PART = "part-0.parquet"
_NULL = "__HIVE_DEFAULT_PARTITION__"


def write_to(rows: pa.Table, to: str, root: Path, *, table: str = "", by: Sequence[str] = ()) -> list[str]:
    """Write rows to a file of their own, or, as `replace_rows` does, into a table of more; return what it returns."""
    path = Path(root, to.removeprefix(DELTA)).absolute()
    if to.startswith(DELTA) or path.suffix in _DUCKDB or path.suffix == "" or is_delta(path):
        return replace_rows(rows, to, root, table=table, by=by)
    if by or table:
        raise DeclarationError(f"{to} is a file of these rows alone; by and table are for a table of more")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(rows, path)
    return [f"file:{path}"]


def replace_rows(rows: pa.Table, to: str, root: Path, *, table: str = "", by: Sequence[str] = ()) -> list[str]:
    """Write rows into a table, instead of those that are there with the same values of the columns `by`; without `by`
    instead of all. Return what a step is to look at later (see `penstock.pipelines.observe`): whether the table is
    there, which others may have changed; of files of their own whether these are as they were.

    Raises `DeclarationError` for columns that cannot be asked by, `DataError` where the table has other columns,
    `StorageError` where it cannot be written.
    """
    path = Path(root, to.removeprefix(DELTA)).absolute()
    _check(rows, to, by)
    if path.suffix in _DUCKDB:
        if not table:
            raise DeclarationError(f"{to} is a file of tables; say which: table='...'")
        path.parent.mkdir(parents=True, exist_ok=True)
        _patiently(lambda: _into_duckdb(rows, path, table, by), duckdb.Error, _is_locked, to)
        return [f"matches:{path}"]
    if table:
        raise DeclarationError(f"table='{table}' is for a .duckdb file; {to} is a table by itself")
    if to.startswith(DELTA) or is_delta(path):
        _into_delta(rows, path, by)
        return [f"matches:{path / '_delta_log'}"]
    if not by:
        raise DeclarationError(
            f"{to} is a folder: say by which columns its rows are in files, by=['day']; or give a file, "
            f"{to.rstrip('/')}.parquet, or a Delta table, {DELTA}{to}"
        )
    return [f"file:{file}" for file in _into_folders(rows, path, by)]


def _check(rows: pa.Table, to: str, by: Sequence[str]) -> None:
    types = {field.name: field.type for field in schema_of(rows.schema)}
    for name in by:
        if types.get(name) not in _TYPES:
            what = f"are {types[name]}" if name in types else "are not there"
            raise DeclarationError(
                f"by='{name}' says which rows of {to} are replaced, and the values of '{name}' {what}; "
                f"give columns of {', '.join(_TYPES)}; there are: {', '.join(types)}"
            )


def _into_duckdb(rows: pa.Table, path: Path, table: str, by: Sequence[str]) -> None:
    name = quoted(table)
    with _alone(path), duckdb.connect(str(path)) as database:
        database.register("_new", rows)
        database.begin()
        there = database.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = ? AND table_schema = 'main'", [table]
        ).fetchall()
        if there and by:
            _check_columns(f"table '{table}' of {path.name}", [each for (each,) in there], rows)
            same = " AND ".join(f"{name}.{quoted(each)} IS NOT DISTINCT FROM _gone.{quoted(each)}" for each in by)
            distinct = f"SELECT DISTINCT {', '.join(map(quoted, by))} FROM _new"
            database.execute(f"DELETE FROM {name} USING ({distinct}) AS _gone WHERE {same}")
            database.execute(f"INSERT INTO {name} BY NAME SELECT * FROM _new")
        else:
            database.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM _new")
        database.commit()


def _into_delta(rows: pa.Table, path: Path, by: Sequence[str]) -> None:
    try:
        import deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError
    except ModuleNotFoundError as error:
        raise MissingExtraError("deltalake", extra="delta", purpose=f"to write the Delta table {path.name}") from error
    path.mkdir(parents=True, exist_ok=True)

    def write() -> None:
        how: dict[str, Any] = {"mode": "overwrite"}
        if is_delta(path) and by:
            _check_columns(
                f"the Delta table {path.name}", deltalake.DeltaTable(str(path)).schema().to_arrow().names, rows
            )
            how["predicate"] = _predicate(rows, by)
        elif is_delta(path):
            how["schema_mode"] = "overwrite"
        else:
            how["partition_by"] = list(by) or None
        deltalake.write_deltalake(str(path), rows, **how)

    if rows.num_rows or not by:
        _patiently(write, DeltaError, lambda error: isinstance(error, CommitFailedError), path.name)


def _predicate(rows: pa.Table, by: Sequence[str]) -> str:
    """Return the condition on which a row has the same values of some columns as one of these."""
    types = {field.name: field.type for field in schema_of(rows.schema)}

    def same(name: str, value: Any) -> str:
        return f"{quoted(name)} IS NULL" if value is None else f"{quoted(name)} = {sql_literal(value, types[name])}"

    found = rows.select(by).group_by(list(by)).aggregate([]).to_pylist()
    return " OR ".join(f"({' AND '.join(same(name, each[name]) for name in by)})" for each in found)


def _into_folders(rows: pa.Table, path: Path, by: Sequence[str]) -> Iterator[Path]:
    """Yield the files, one for the rows of the same values, in folders that are named by them as Hive does. The columns
    are in the files too: not every reader looks at the folders."""
    numbered = rows.append_column("_row", pa.array(range(rows.num_rows), pa.int64()))
    parts = numbered.group_by(list(by)).aggregate([("_row", "list")]).to_pylist()
    for each in sorted(parts, key=lambda part: part["_row_list"][0]):
        names = [f"{name}={_NULL if each[name] is None else quote(_shown(each[name]), safe=' ')}" for name in by]
        file = path.joinpath(*names, _PART)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_rows(rows.take(pa.array(each["_row_list"])), file)
        yield file


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_columns(where: str, there: Sequence[str], rows: pa.Table) -> None:
    said = []
    if odd := [name for name in rows.column_names if name not in there]:
        said.append(f"has no {', '.join(odd)}")
    if lacking := [name for name in there if name not in rows.column_names]:
        said.append(f"has {', '.join(lacking)} too")
    if said:
        raise DataError(
            f"{where} {' and '.join(said)}; the rows have: {', '.join(rows.column_names)}; give them the same columns, "
            "or write them to a new table"
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Raise `BlockingIOError` where another process writes: one that opens a DuckDB file while another closes it may
    find it cut off, for all of DuckDB's own locks."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _is_locked(error: Exception) -> bool:
    """Tell whether another process has the file open, or has written the same rows meanwhile."""
    passing = isinstance(error, duckdb.TransactionException | BlockingIOError)
    return passing or "Could not set lock" in str(error)


def _patiently(write: Callable[[], None], kind: type[Exception], passes: Callable[[Exception], bool], to: str) -> None:
    """Write, again and again while another process does."""
    until = time.monotonic() + _AGAIN_SECONDS
    while True:
        try:
            return write()
        except (kind, OSError) as error:
            if not passes(error) or time.monotonic() > until:
                raise StorageError(f"{to} cannot be written: {error}") from error
            time.sleep(_WAIT_SECONDS)
