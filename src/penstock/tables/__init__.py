"""Tables: Arrow in and out, files as sources, and the DuckDB connection of a thread."""

from __future__ import annotations

from pyarrow import Table

from penstock.tables.batches import BATCH_ROWS, Batched, batches, known_rows
from penstock.tables.connection import cache_folder, clear_errors, connection, with_natives
from penstock.tables.differences import table_difference
from penstock.tables.query import bound, query
from penstock.tables.rows import ArrowStream, TableLike, to_arrow
from penstock.tables.scan import numbered_scan, read, scan_sql, source_schema
from penstock.tables.sources import FORMATS, FileState, resolve
from penstock.tables.spans import ALL, has_spans, span_labels
from penstock.tables.types import arrow_schema, arrow_type, normalize, schema_of

__all__ = [
    "ALL",
    "BATCH_ROWS",
    "FORMATS",
    "ArrowStream",
    "Batched",
    "FileState",
    "Table",
    "TableLike",
    "arrow_schema",
    "arrow_type",
    "batches",
    "bound",
    "cache_folder",
    "clear_errors",
    "connection",
    "has_spans",
    "known_rows",
    "normalize",
    "numbered_scan",
    "query",
    "read",
    "resolve",
    "scan_sql",
    "schema_of",
    "source_schema",
    "span_labels",
    "table_difference",
    "to_arrow",
    "with_natives",
]
