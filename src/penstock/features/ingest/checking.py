"""Rows on their way into a history: each value has the declared type, exactly, or its row is set aside or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.schema import SCALAR_TYPES, Field
from penstock.errors import DataError
from penstock.features.declared.definition import Definition
from penstock.tables import arrow_type, schema_of

OnBad = Literal["fail", "set_aside", "dead_letter"]
"""Where rows go that cannot be stored: nowhere, nor does any other; back to the caller; to the dead letters."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Rows that may be stored, those that may not with the reason for each and their places among the rows given, and
    columns that no feature reads."""

    rows: pa.Table
    refused: pa.Table
    reasons: tuple[str, ...]
    unread: tuple[str, ...]
    positions: np.ndarray


def check_rows(definition: Definition, rows: pa.Table, *, on_bad: OnBad = "fail", first: int = 0) -> Checked:
    """Return the columns that the set's history keeps, each in its declared type.

    No value is changed: an integer may stand for a float that equals it, and the other way round, nothing else is
    converted. Raises `DataError` for a column that is missing or of another type; and, if `on_bad` is "fail", for a key
    or time that is NULL and a value that does not fit. `first` is the number of the first row, where these are a part.
    """
    where = f"feature set '{definition.name}'"
    wanted = [field for field in definition.columns]
    _check_names(where, rows, wanted, ". Give NULLs where there are no values")
    bad = np.zeros(rows.num_rows, dtype=bool)
    reasons = np.full(rows.num_rows, "", dtype=object)
    needed = {*definition.keys, definition.set.timestamp, definition.set.created}
    columns = []
    for field in wanted:
        column, unfit, reason = _fitted(where, rows.column(field.name), field)
        _blame(bad, reasons, unfit, f"'{field.name}' {reason}")
        if field.name in needed:
            _blame(bad, reasons, column.is_null().to_numpy(zero_copy_only=False) & ~unfit, f"'{field.name}' is NULL")
        columns.append(column)
    if bad.any() and on_bad == "fail":
        odd = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{where}: row {first + odd}: {reasons[odd]} ({int(bad.sum())} of {len(bad)} rows cannot be stored); "
            "nothing was stored. Correct them, or ingest with on_bad='set_aside' or 'dead_letter'",
            field=next(field.name for field in wanted if reasons[odd].startswith(f"'{field.name}' ")),
        )
    schema = pa.schema([(field.name, arrow_type(field.type)) for field in wanted])
    kept = pa.table(columns, schema=schema)
    names = {field.name for field in wanted}
    unread = tuple(name for name in rows.column_names if name not in names)
    if not bad.any():
        return Checked(kept, rows.slice(0, 0), (), unread, np.flatnonzero(bad))
    places = np.flatnonzero(bad)
    return Checked(kept.filter(pa.array(~bad)), rows.filter(pa.array(bad)), tuple(reasons[bad]), unread, places)


def fitted_keys(definition: Definition, rows: pa.Table) -> list[pa.ChunkedArray]:
    """Return the key columns of rows that ask for entities, in the declared types; a key that fits none is NULL, which
    no entity has. Raises `DataError` for a column that is missing or of another type."""
    where = f"feature set '{definition.name}'"
    return list(fitted(rows, {key: definition.columns[key].type for key in definition.keys}, where).values())


def lacking(key: str, entity: Mapping[str, Any]) -> DataError:
    """Return the error that an entity has no such key."""
    return DataError(f"the entity has no '{key}'; it has: {', '.join(entity) or 'nothing'}", field=key)


def refused(types: Mapping[str, str], entities: Sequence[Mapping[str, Any]]) -> DataError | None:
    """Return the error that a key of entities is of another type than it was declared, naming the first that is."""
    for entity in entities:
        for key, type in types.items():
            if not isinstance(entity[key], SCALAR_TYPES[type]):
                return DataError(f"the entity's '{key}' is {entity[key]!r}, it was declared {type}", field=key)
    return None


def fitted(rows: pa.Table, types: Mapping[str, str], where: str) -> dict[str, pa.ChunkedArray]:
    """Return columns of rows in the types that are declared for them; a value that does not fit is NULL."""
    fields = [Field(name, type) for name, type in types.items()]
    _check_names(where, rows, fields)
    return {field.name: _fitted(where, rows.column(field.name), field)[0] for field in fields}


def fitted_requests(rows: pa.Table, types: Mapping[str, str]) -> dict[str, pa.ChunkedArray]:
    """Return values of requests, which rows have as columns, in the declared types. Raises `DataError` for a column
    that is missing or of another type, and for a value that does not fit."""
    found = {}
    for name, type in types.items():
        if name not in rows.column_names:
            raise DataError(
                f"the rows have no column '{name}', a value of the request that an on-demand feature reads; they have: "
                f"{', '.join(rows.column_names) or 'none'}",
                field=name,
            )
        column, odd, reason = _fitted("values of the request", rows.column(name), Field(name, type))
        if odd.any():
            first = int(np.flatnonzero(odd)[0])
            raise DataError(f"row {first}: the request's '{name}' {reason}", field=name)
        found[name] = column
    return found


def _check_names(where: str, rows: pa.Table, wanted: list[Field], hint: str = "") -> None:
    missing = [field.name for field in wanted if field.name not in rows.column_names]
    if missing:
        raise DataError(
            f"{where}: the rows have no column {', '.join(map(repr, missing))}; they have: "
            f"{', '.join(rows.column_names) or 'none'}{hint}",
            field=missing[0],
        )


def _blame(bad: np.ndarray, reasons: np.ndarray, odd: np.ndarray, reason: str) -> None:
    fresh = odd & ~bad
    reasons[fresh] = reason
    bad |= odd


def _fitted(where: str, column: pa.ChunkedArray, field: Field) -> tuple[pa.ChunkedArray, np.ndarray, str]:
    """Return a column in the type of its field, which of its values do not fit, and why."""
    given = schema_of(pa.schema([(field.name, column.type)])).fields[0].type
    target = arrow_type(field.type)
    none = np.zeros(len(column), dtype=bool)
    if given in (field.type, "null"):
        return column.cast(target), none, ""
    exact = _EXACT.get((given, field.type))
    if exact is not None:
        values, odd = exact(column)
        return values.cast(target), odd.to_numpy(zero_copy_only=False), f"is no {field.type} exactly"
    hint = "; give it a zone: 2026-01-01T00:00:00Z" if (given, field.type) == ("datetime", "timestamp") else ""
    raise DataError(
        f"{where}: the column '{field.name}' is {given}, it was declared {field.type}{hint}", field=field.name
    )


def _whole(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return floats as integers, and which are none."""
    whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), float(2**63)))
    odd = pc.fill_null(pc.invert(whole), False)
    return pc.if_else(odd, pa.scalar(None, column.type), column).cast(pa.int64()), odd


def _floating(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return integers as floats, and which are none: beyond 2**53 not every integer is one."""
    floats = column.cast(pa.float64(), safe=False)
    inside = pc.and_(pc.less(floats, float(2**63)), pc.greater_equal(floats, float(-(2**63))))
    back = pc.if_else(inside, floats, 0.0).cast(pa.int64(), safe=False)
    odd = pc.fill_null(pc.or_(pc.not_equal(back, column), pc.invert(inside)), False)
    return pc.if_else(odd, pa.scalar(None, pa.float64()), floats), odd


_EXACT: dict[tuple[str, str], Callable[[pa.ChunkedArray], tuple[pa.ChunkedArray, pa.ChunkedArray]]] = {
    ("float64", "int64"): _whole,
    ("int64", "float64"): _floating,
}
