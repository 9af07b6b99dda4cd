"""Rows of any form, a batch at a time, so that what is larger than memory passes through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import pyarrow as pa

from penstock.core.artifact import Source
from penstock.operations import quoted
from penstock.tables.connection import clear_errors, connection
from penstock.tables.rows import ArrowStream, TableLike, to_arrow
from penstock.tables.scan import scan_sql, source_schema
from penstock.tables.types import normalize

BATCH_ROWS = 1 << 17

Batched: TypeAlias = "TableLike | Iterator[TableLike]"
"""Rows in any form; an iterator gives them in parts."""


def batches(rows: Batched) -> Iterator[pa.Table]:
    """Yield rows in their order as tables of at most `BATCH_ROWS`, in our types; at least one, if need be an empty one.

    A file, a table of a database, a DuckDB relation, a record batch reader, a lazy frame of polars and an iterator of
    parts are not loaded as a whole. Raises what `to_arrow` does, once it comes to it.
    """
    match rows:
        case pa.Table():
            yield from _slices(rows)
        case Source() if rows.format != "arrow":
            yield from _scanned(rows)
        case ArrowStream():
            with clear_errors("cannot read the rows"):
                reader = pa.RecordBatchReader.from_stream(rows)
                yield from _read(reader)
        case _ if hasattr(rows, "collect_batches"):  # a lazy frame of polars, which is no Arrow stream
            yield from batches(frame for frame in rows.collect_batches(maintain_order=True))
        case Iterator():
            for part in rows:
                yield from batches(part)
        case _:
            yield from _slices(to_arrow(rows))


def known_rows(rows: Batched) -> int | None:
    """Return how many rows there are, where that costs nothing."""
    match rows:
        case pa.Table():
            return int(rows.num_rows)
        case list() | tuple():
            return len(rows)
        case Source() if rows.format in ("parquet", "delta"):  # footers tell it
            with clear_errors(f"cannot read '{rows.name}'"):
                counted = connection().cursor().sql(f"SELECT count(*) FROM {scan_sql(rows)}").to_arrow_table()
            return int(counted.column(0)[0].as_py())
    return None


def _slices(table: pa.Table) -> Iterator[pa.Table]:
    for first in range(0, max(table.num_rows, 1), BATCH_ROWS):
        yield normalize(table.slice(first, BATCH_ROWS))


def _scanned(source: Source) -> Iterator[pa.Table]:
    names = ", ".join(map(quoted, source_schema(source).names))
    with clear_errors(f"cannot read '{source.name}'"), connection().cursor() as cursor:
        relation = cursor.sql(f"SELECT {names} FROM {scan_sql(source)}")
        yield from _read(relation.to_arrow_reader(BATCH_ROWS))


def _read(reader: Any) -> Iterator[pa.Table]:
    empty = True
    for batch in reader:
        if batch.num_rows:
            empty = False
            yield from _slices(pa.Table.from_batches([batch]))
    if empty:
        yield normalize(reader.schema.empty_table())
