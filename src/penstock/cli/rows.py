"""Rows on the command line: given as a file, a table's name or JSON; written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.core.schema import SCALAR_TYPES, Schema
from penstock.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_WRITTEN_AS_TEXT = ("date", "time", "datetime", "timestamp", "bytes")


def inline_rows(text: str) -> str | list[dict[str, Any]]:
    """Return the rows that a text is (a JSON object, or an array of them), else the text: a path or a table's name."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        decoded = msgspec.json.decode(text, type=dict[str, Any] | list[dict[str, Any]])
    except msgspec.DecodeError as error:
        raise DataError(f"ROWS are not a JSON object or an array of objects: {error}") from error
    return decoded if isinstance(decoded, list) else [decoded]


def typed_rows(rows: list[dict[str, Any]], inputs: Schema) -> list[dict[str, Any]]:
    """Return rows of JSON with the texts of dates, times and bytes as values of the types that a model takes."""
    wanted = {field.name: SCALAR_TYPES[field.type] for field in inputs if field.type in _WRITTEN_AS_TEXT}
    return [{name: _typed(value, name, wanted.get(name)) for name, value in row.items()} for row in rows]


def _typed(value: Any, name: str, wanted: type | None) -> Any:
    if wanted is None or not isinstance(value, str):
        return value
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise DataError(f"'{name}' is '{value}': {error}", field=name) from error


def write_rows(table: pa.Table, path: Path) -> None:
    """Write a table to a file, in the format that its suffix says."""
    from penstock.tables.writing import write_rows as write  # here: it loads libraries that --help does not need

    write(table, path)
