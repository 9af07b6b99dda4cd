"""Tables of databases, as files: SQLite, PostgreSQL and DuckDB are read through in batches, with honest types."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import blake3
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from penstock.core.schema import Field, Schema
from penstock.errors import DataError, DeclarationError, MissingExtraError, UnknownNameError
from penstock.operations import quoted
from penstock.tables.types import arrow_schema, normalize, schema_of

Rows: TypeAlias = tuple[Schema, Iterator[pa.Table]]
"""The columns of a table, and its rows in batches."""

_BATCH_ROWS = 1 << 16
_VIEW = "penstock_query"


class Query(str):
    """A query in the dialect of a database, which stands for a table of it."""

    __slots__ = ()


def database_file(name: str, url: str, table: str, *, root: Path, cache: Path) -> Path:
    """Return a Parquet file with the rows that a table of a database has now; equal rows are one file.

    `url` is `sqlite:///path`, `duckdb:///path` (a path from `root`) or `postgresql://user@host/database`; `table` may
    name its schema (`public.trips`), or be a `Query`, which the database runs. Rows come in the order of the primary
    key, if there is one, those of a query in its own. No error, and no file, holds the address's password.

    Raises `DeclarationError` for an address of another kind, `MissingExtraError` without PostgreSQL's driver,
    `UnknownNameError` for a table that is not there, and `DataError` for a value that is not of its column's type.
    """
    address = _address(name, url)
    where = f"table '{name}' at {address.render_as_string(hide_password=True)}"
    read = _read_duckdb if address.drivername == "duckdb" else _read_tables
    with _clear_errors(where, address), tempfile.NamedTemporaryFile(dir=cache, delete=False) as partial:
        try:
            with read(address, table, root, where) as (schema, batches):
                _write(partial.name, schema, batches)
            return _kept(partial.name, cache)
        except BaseException:
            os.unlink(partial.name)
            raise


def _write(path: str, schema: Schema, batches: Iterator[pa.Table]) -> None:
    with pq.ParquetWriter(path, arrow_schema(schema), compression="lz4") as writer:
        for batch in batches:
            writer.write_table(batch.cast(arrow_schema(schema)))


def _kept(path: str, cache: Path) -> Path:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, blake3.blake3).hexdigest()  # type: ignore[arg-type]  # it has what hashlib's have
    target = cache / f"{digest}.parquet"
    os.replace(path, target)
    return target


def _address(name: str, url: str) -> sa.URL:
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise DeclarationError(
            f"table '{name}' has an address that cannot be read; write sqlite:///path, duckdb:///path or "
            "postgresql://user@host/database"
        ) from None
    kind = address.get_backend_name()
    if kind not in ("sqlite", "duckdb", "postgresql"):
        raise DeclarationError(f"table '{name}' is in a database of {kind}; there are: sqlite, duckdb, postgresql")
    if kind != "postgresql" and not address.database:
        raise DeclarationError(f"table '{name}': {kind} in memory has no tables; give a file: {kind}:///path")
    return address.set(drivername="postgresql+psycopg" if kind == "postgresql" else kind)


@contextmanager
def _clear_errors(where: str, address: sa.URL) -> Iterator[None]:
    """Raise the databases' errors as ours, without the password, should a driver repeat it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "psycopg", extra="postgres", purpose=where) from error
    except (sa.exc.SQLAlchemyError, sqlite3.Error, duckdb.Error) as error:
        said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        for secret in {address.password, quote(str(address.password), safe="")} if address.password else ():
            said = said.replace(str(secret), "***")
        raise DataError(f"cannot read {where}: {said}") from None


@contextmanager
def _read_duckdb(address: sa.URL, table: str, root: Path, where: str) -> Iterator[Rows]:
    path = _file(address, root, where)
    with duckdb.connect(str(path), read_only=True) as database:
        if isinstance(table, Query):
            selected: str = table
        else:
            selected = f"SELECT * FROM {_of_duckdb(database, table, where)}"
        schema = schema_of(database.sql(f"SELECT * FROM ({selected}) LIMIT 0").to_arrow_table().schema)
        reader = database.sql(selected).to_arrow_reader(_BATCH_ROWS)
        yield schema, (normalize(pa.Table.from_batches([batch])) for batch in reader)


def _of_duckdb(database: duckdb.DuckDBPyConnection, table: str, where: str) -> str:
    """Return the quoted name of a table."""
    found = database.execute(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema != 'information_schema'"
    ).fetchall()
    names = {name if schema == "main" else f"{schema}.{name}": (schema, name) for schema, name in found}
    if table not in names:
        raise UnknownNameError("table", table, names, within=where)
    return ".".join(map(quoted, names[table]))


@contextmanager
def _read_tables(address: sa.URL, table: str, root: Path, where: str) -> Iterator[Rows]:
    """Read a table of a database that SQLAlchemy knows, in one statement, a batch of rows in memory at a time."""
    engine = _engine(address, root, where)
    try:
        with engine.connect().execution_options(yield_per=_BATCH_ROWS) as connection:
            found = _reflected(connection, table, where)
            columns = [_Column(column, connection, where) for column in found.columns]
            rows = connection.execute(sa.select(*found.columns).order_by(*found.primary_key.columns))
            batches = (_table(columns, batch) for batch in rows.partitions())
            yield Schema(tuple(Field(column.name, column.type) for column in columns)), batches
    finally:
        engine.dispose()


def _engine(address: sa.URL, root: Path, where: str) -> sa.Engine:
    if address.get_backend_name() != "sqlite":
        return sa.create_engine(address)
    uri = f"file:{quote(str(_file(address, root, where)))}?mode=ro"  # a file that is not there is not made
    return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True))


def _file(address: sa.URL, root: Path, where: str) -> Path:
    path = root / Path(str(address.database)).expanduser()
    if not path.is_file():
        raise DataError(f"{where}: there is no file {path}")
    return path


def _reflected(connection: sa.Connection, table: str, where: str) -> sa.Table:
    if isinstance(table, Query):  # a view of this connection alone, which knows the types of the columns
        connection.exec_driver_sql(
            f"CREATE TEMP VIEW {_VIEW} AS {table}", execution_options={"stream_results": False, "yield_per": None}
        )
        return sa.Table(_VIEW, sa.MetaData(), autoload_with=connection)
    inspector = sa.inspect(connection)
    schema, _, bare = table.rpartition(".")
    for name, within in ((table, None), (bare, schema or None)):
        if name in (*inspector.get_table_names(within), *inspector.get_view_names(within)):
            return sa.Table(name, sa.MetaData(), schema=within, autoload_with=connection)
    there = sorted([*inspector.get_table_names(), *inspector.get_view_names()])
    raise UnknownNameError("table", table, there, within=where)


class _Column:
    """A column of a database's table: its type among ours, and its values in it."""

    def __init__(self, column: sa.Column[Any], connection: sa.Connection, where: str) -> None:
        self.name = column.name
        self._where = f"column '{self.name}' of {where}"
        self.type, self._convert = _our_type(column.type) or self._seen(column, connection)

    def values(self, values: list[Any]) -> pa.Array:
        """Return values as Arrow has them; raises `DataError` for one that is not of the column's type."""
        type = arrow_schema(Schema((Field(self.name, self.type),))).field(0).type
        try:
            if self._convert is not None:
                values = [None if value is None else self._convert(value) for value in values]
            return pa.array(values, type)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise DataError(f"{self._where} does not hold {self.type}: {error}", field=self.name) from None

    def _seen(self, column: sa.Column[Any], connection: sa.Connection) -> tuple[str, None]:
        """Return the type of the values of a column that SQLite has no type for: a view's, an expression's."""
        if connection.dialect.name == "sqlite":
            kinds = {row[0] for row in connection.execute(sa.select(sa.func.typeof(column)).distinct())} - {"null"}
            for type, stored in (("int64", {"integer"}), ("float64", {"integer", "real"}), ("string", {"text"})):
                if kinds and kinds <= stored:
                    return type, None
        raise DataError(f"{self._where} is {column.type!s:.40}, for which there is no type here; CAST it in a view")


def _table(columns: list[_Column], rows: Any) -> pa.Table:
    values = list(zip(*rows, strict=True))
    return pa.table(
        [column.values(list(each)) for column, each in zip(columns, values, strict=True)],
        names=[column.name for column in columns],
    )


def _our_type(type: sa.types.TypeEngine[Any]) -> tuple[str, Callable[[Any], Any] | None] | None:
    """Return our type for one of a database, and what makes its values ours; None where there is none."""
    match type:
        case sa.types.NullType():
            return None
        case sa.Boolean():
            return "bool", None
        case sa.Integer():
            return "int64", None
        case sa.Float():
            return "float64", float
        case sa.Numeric():
            return ("int64", int) if type.scale == 0 else ("float64", float)
        case sa.Date():
            return "date", None
        case sa.DateTime():
            return ("timestamp" if type.timezone else "datetime"), None
        case sa.Time():
            return "time", None
        case sa.LargeBinary():
            return "bytes", bytes
        case sa.JSON():
            return "string", lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        case sa.ARRAY():
            inner = _our_type(type.item_type)
            return None if inner is None else (f"array<{inner[0]}>", None)
        case sa.String() | sa.Uuid():
            return "string", str
    return None
