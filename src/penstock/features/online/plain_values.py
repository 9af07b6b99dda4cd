"""Values as JSON has them, and columns of declared types: exactly, in both directions.

What JSON has no form for is text: times as ISO 8601, bytes as base64, floats that are no numbers as "NaN", "Infinity"
and "-Infinity" (the forms that Protocol Buffers and Feast have).
"""

from __future__ import annotations

import base64
import binascii
import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from penstock.core.schema import element_type, struct_fields
from penstock.errors import DataError
from penstock.operations.notation import value_from_json
from penstock.tables import arrow_type

ARROW_FORM = b"penstock"
"""The key, in the metadata of an Arrow stream's schema, with the form that JSON has around the rows."""

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def columns_from_json(columns: Mapping[str, Any], types: Mapping[str, str], what: str) -> pa.Table:
    """Return lists of JSON values as a table: a column in the type that is declared for it, any other in its own.

    Numbers are not converted here: whether one fits is told where the table is taken. Raises `DataError` naming the
    column whose values are of several types, or cannot be read; and for lists of several lengths.
    """
    made = {name: _column(values, types.get(name, ""), name, what) for name, values in columns.items()}
    lengths = {name: len(column) for name, column in made.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{what} has columns of several lengths: {lengths}; give one value of each for each row")
    return pa.table(made)


def rows_as_columns(rows: Sequence[Any], what: str) -> dict[str, list[Any]]:
    """Return a list of JSON objects by columns; a key that an object lacks is null."""
    for position, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(f"{what}: row {position} is {row!r}; a row is an object of columns and values")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def plain_values(values: Sequence[Any], type: str) -> Sequence[Any]:
    """Return values of one of our types as JSON can say them; what needs no change is given back as it is."""
    if type == "float64":
        return values if _all_finite(values) else [_plain_float(value) for value in values]
    if "float64" in type:
        return [_plain(value, type) for value in values]
    return values


def _all_finite(values: Sequence[float | None]) -> bool:
    """Tell whether no value is NaN or infinite. Their sum tells it in one step, unless it overflows."""
    try:
        return math.isfinite(sum(values))  # type: ignore[arg-type]
    except TypeError:  # there are NULLs among them
        return math.isfinite(sum(value for value in values if value is not None))


def _plain(value: Any, type: str) -> Any:
    if value is None:
        return None
    if type.startswith("array<"):
        return [_plain(item, element_type(type)) for item in value]
    if type.startswith("struct<"):
        return {name: _plain(value[name], member) for name, member in struct_fields(type)}
    return _plain_float(value) if type == "float64" else value


def _plain_float(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _column(values: Any, type: str, name: str, what: str) -> pa.Array:
    if not isinstance(values, list):
        raise DataError(f"{what}: '{name}' is {values!r}; give a list with one value for each row", field=name)
    try:
        if type in ("timestamp", "datetime", "date"):
            return _texts(values, name, what, type).cast(arrow_type(type))
        if type in ("time", "bytes"):
            texts = _texts(values, name, what, type).to_pylist()
            return pa.array([_READ[type](text) if text is not None else None for text in texts], arrow_type(type))
        if type.startswith(("array<", "struct<")):
            return pa.array([_nested(value, type) for value in values], arrow_type(type))
        if type == "float64":
            values = [_NOT_FINITE.get(value, value) if isinstance(value, str) else value for value in values]
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError, ValueError, AttributeError) as error:
        said = f"is no {type}{_HINTS.get(type, '')}" if type else "cannot be read"
        raise DataError(f"{what}: '{name}' {said}: {_two_kinds(values) or error}", field=name) from error


def _two_kinds(values: list[Any]) -> str:
    """Return words for two values of a list that are of several types, if there are."""
    kinds = {type(value): value for value in reversed(values) if value is not None}
    if kinds.keys() <= {int, float} or len(kinds) < 2:
        return ""
    return f"it holds {' and '.join(repr(value) for value in list(kinds.values())[:2])}"


_HINTS = {
    "timestamp": " (an ISO 8601 time with its zone: 2026-01-31T08:30:00Z)",
    "datetime": " (an ISO 8601 time without a zone: 2026-01-31T08:30:00)",
    "date": " (2026-01-31)",
    "time": " (08:30:00)",
    "bytes": " (base64)",
}


def _texts(values: list[Any], name: str, what: str, type: str) -> pa.Array:
    other = next((value for value in values if value is not None and not isinstance(value, str)), None)
    if other is not None:
        raise DataError(f"{what}: '{name}' holds {other!r}; it is {type}, a text{_HINTS[type]}", field=name)
    return pa.array(values, pa.string())


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


_READ = {"time": datetime.time.fromisoformat, "bytes": _from_base64}


def _nested(value: Any, type: str) -> Any:
    """Return a value of an array or a struct as Arrow takes it, its parts read by their own types."""
    if value is None:
        return None
    if type.startswith("array<"):
        return [_nested(item, element_type(type)) for item in value]
    if type.startswith("struct<"):
        return {name: _nested(value.get(name), member) for name, member in struct_fields(type)}
    if type == "float64" and isinstance(value, str):
        return _NOT_FINITE.get(value, value)
    return value_from_json(value, type) if isinstance(value, str) else value
