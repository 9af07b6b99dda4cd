"""Rows in any form that a user has them, as one Arrow table."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import pyarrow as pa

from penstock.core.artifact import Source
from penstock.errors import DataError
from penstock.tables.scan import read
from penstock.tables.sources import resolve
from penstock.tables.types import normalize


@runtime_checkable
class ArrowStream(Protocol):
    """Anything that hands out its rows as Arrow: PyArrow, polars, pandas, DuckDB, ..."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a capsule with an Arrow stream."""
        ...


TableLike: TypeAlias = "pa.Table | ArrowStream | Source | Sequence[Mapping[str, Any]] | str | Path"
"""What may stand for rows: an Arrow table or whatever offers its stream, a source, a list of dicts, a path."""


def heed_zones() -> None:
    """Let PyArrow take the zone of a Python time into account, whatever other libraries want.

    Where this variable is set PyArrow reads 20:00+02:00 as 20:00 in UTC, without a word. Spark wants that for itself,
    and `import pandera` sets it for the whole process.
    """
    os.environ.pop("PYARROW_IGNORE_TIMEZONE", None)


def to_arrow(rows: TableLike) -> pa.Table:
    """Return rows as an Arrow table whose columns have our types.

    In a list of dicts a missing key is NULL. A text or path is read from the current folder. Raises `DataError` naming
    the column (and row) whose values are of several types.
    """
    heed_zones()
    match rows:
        case pa.Table():
            return normalize(rows)
        case Source():
            return read(rows)
        case str() | Path():
            return read(resolve(str(rows), root=Path.cwd()))
        case list() | tuple():
            return _from_dicts(rows)
        case ArrowStream():
            return _from_stream(rows)
    raise DataError(
        f"rows cannot be {type(rows).__module__}.{type(rows).__name__}; give a pyarrow, polars or pandas table, "
        "a list of dicts, or a path"
    )


def _from_stream(rows: ArrowStream) -> pa.Table:
    try:
        return normalize(pa.RecordBatchReader.from_stream(rows).read_all())
    except (pa.ArrowException, TypeError) as error:  # pandas' objects become Arrow's here
        if "ndarray" not in str(error) and "PIL." not in str(error) and "1-dimensional" not in str(error):
            raise
        raise DataError(f"a column holds what is no value of a table: {error}; {_IMAGES}") from error


_IMAGES = "images enter as bytes: ps.image_bytes(array or PIL image)"


def _is_picture(value: Any) -> bool:
    """Tell whether a value is an array of several dimensions, or an image of Pillow's."""
    return getattr(value, "ndim", 1) > 1 or type(value).__module__.startswith("PIL.")


def _from_dicts(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    for position, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(f"row {position} is {row!r}; a row is a dict of column names and values")
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _column(name, [row.get(name) for row in rows]) for name in names}
    return normalize(pa.table(columns)) if columns else pa.table({})


def _column(name: str, values: list[Any]) -> pa.Array:
    if any(map(_is_picture, values)):
        raise DataError(f"column '{name}' holds arrays or images of Pillow's; {_IMAGES}", field=name)
    try:
        kinds = {value.tzinfo is None for value in values if isinstance(value, datetime.datetime)}
        if len(kinds) > 1:
            raise pa.ArrowInvalid("some times have a zone and some have none")
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise DataError(f"column '{name}' does not hold one type: {error}{_first_odd(values)}", field=name) from error


def _first_odd(values: Sequence[Any]) -> str:
    """Point at the first value whose type is not that of the first."""
    present = [(position, value) for position, value in enumerate(values) if value is not None]
    odd = next((item for item in present if type(item[1]) is not type(present[0][1])), None)
    if odd is None:
        return ""
    return f" (row {present[0][0]} has {present[0][1]!r}, row {odd[0]} has {odd[1]!r})"
