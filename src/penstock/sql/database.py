"""The DuckDB database that runs a bound text: it can read the files of the declared tables in it, and nothing else."""

from __future__ import annotations

import glob
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from penstock.core.artifact import Source
from penstock.operations import sql_literal
from penstock.tables import cache_folder, clear_errors, normalize, with_natives


@contextmanager
def locked_database(files: Iterable[Source]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a fresh in-memory database that can read these files; its settings cannot be changed any more.

    The text that runs is written by us, clause by clause, and holds no name of a file that a user has typed. This is
    the second lock on the same door.
    """
    uris = dict.fromkeys(path for source in files for uri in source.uris for path in (uri, glob.escape(uri)))
    paths = ", ".join(sql_literal(path, "string") for path in uris)  # DuckDB looks at a name before and after globbing
    spill = str(cache_folder() / f"spill-{uuid.uuid4().hex}")  # made only when memory runs out, removed at the end
    with duckdb.connect(config={"python_enable_replacements": False, "temp_directory": spill}) as database:
        with_natives(database, os.cpu_count() or 1).execute("SET TimeZone = 'UTC'")
        database.execute(f"SET allowed_paths = [{paths}]")
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        yield database


def rows_of(database: duckdb.DuckDBPyConnection, text: str) -> pa.Table:
    """Run a query to its end and return its rows, in our types."""
    with clear_errors():
        return normalize(database.sql(text).to_arrow_table())
