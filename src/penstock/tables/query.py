"""One SQL text over tables that are handed in by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from penstock.core.artifact import Source
from penstock.operations import quoted
from penstock.tables.connection import clear_errors, connection
from penstock.tables.rows import TableLike, to_arrow
from penstock.tables.scan import scan_sql
from penstock.tables.types import normalize


def query(sql: str, /, **tables: TableLike) -> pa.Table:
    """Run one SELECT over the given tables and return its rows, in our types.

    A source is streamed from its files, not loaded. Raises `SqlError` where the text is wrong and `DataError` where a
    value is.
    """
    with bound(tables) as cursor, clear_errors():
        return normalize(cursor.sql(sql).to_arrow_table())


@contextmanager
def bound(tables: Mapping[str, TableLike], *, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a cursor on which the tables have these names, for as long as the block lasts."""
    with connection(threads=threads).cursor() as cursor:
        for name, rows in tables.items():
            with clear_errors(f"cannot read '{rows.name if isinstance(rows, Source) else name}'"):
                if isinstance(rows, Source) and rows.format != "arrow":
                    cursor.execute(f"CREATE TEMP VIEW {quoted(name)} AS SELECT * FROM {scan_sql(rows)}")
                else:
                    cursor.register(name, to_arrow(rows))
        yield cursor
