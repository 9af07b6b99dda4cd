"""Rows by slices: those that share a value of a column, or of any expression over the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.core.expression import Expr
from penstock.errors import DataError, DeclarationError
from penstock.models.learning.matrix import Integers
from penstock.operations import is_learned, parse, text
from penstock.transforms import apply

MOST = 50
"""How many slices one expression may make; it would be told of too few rows each otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Some of the rows: those for which an expression has a value (None: NULL)."""

    by: str
    value: str | None
    rows: Integers

    @property
    def name(self) -> str:
        """What it is called: `carrier = AA`; of a condition itself, or `not (...)`."""
        match self.value:
            case None:
                return f"{self.by} is NULL"
            case "true" | "false":
                return self.by if self.value == "true" else f"not ({self.by})"
        return f"{self.by} = {self.value}"


def sliced(rows: pa.Table, by: Sequence[str | Expr]) -> list[Slice]:
    """Return the slices of rows by expressions (a text in BigQuery's dialect, or an `Expr`), each by its own, the
    largest slice of each first.

    Raises `DataError` where an expression has too many values to be slices, `DeclarationError` for one that learns.
    """
    found = []
    for each in by:
        expr = parse(each) if isinstance(each, str) else each
        name = each if isinstance(each, str) else text(each)
        if is_learned(expr):
            raise DeclarationError(f"slice '{name}' is learned from rows; a slice is by what stands in a row")
        column = apply({"value": expr}, rows).column("value")
        found += [Slice(by=name, value=value, rows=numbers) for value, numbers in _parts(name, column)]
    return found


def _parts(name: str, column: pa.ChunkedArray) -> Iterator[tuple[str | None, Integers]]:
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    codes, values = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    if len(values) > MOST:
        raise DataError(
            f"slice '{name}' has {len(values):,} values in {len(column):,} rows, and at most {MOST} make sense; put "
            "them into buckets (hour < 6), or slice by something coarser"
        )
    counts = np.bincount(codes, minlength=len(values))
    for code in sorted(range(len(values)), key=lambda code: (-counts[code], str(values[code]))):
        yield _shown(values[code]), np.flatnonzero(codes == code)


def _shown(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
