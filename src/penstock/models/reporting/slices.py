"""A metric by slices: the rows that share a value of a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.models.judging.scores import measured
from penstock.models.learning.matrix import Floats
from penstock.tables import schema_of

_FEW, _MOST = 12, 50


def slices_of(
    table: pa.Table,
    columns: Mapping[str, bool],
    labels: Any,
    estimates: Sequence[Floats | None],
    classes: Sequence[Any],
    metric: str,
) -> list[dict[str, Any]]:
    """Return, for each value of columns, how many rows have it, and the metric of a cascade and of one model of them.

    Of columns that nobody named (False) those count which are texts or booleans of two to twelve values; of a named one
    the fifty most frequent.
    """
    found = []
    for column, named in columns.items():
        for value, rows in _values(table.column(column), named):
            cascade, alone = (
                None if each is None else measured(labels[rows], each[rows], classes) for each in estimates
            )
            found.append(
                {
                    "column": column,
                    "value": value,
                    "rows": int(rows.sum()),
                    "cascade": (cascade or {}).get(metric),
                    "baseline": None if alone is None else alone.get(metric),
                }
            )
    return found


def _values(column: pa.ChunkedArray, named: bool) -> Iterator[tuple[str | None, Any]]:
    """Yield the values of a column as texts, the most frequent first (None: NULL), and which rows have each."""
    if not named and schema_of(pa.schema([("column", column.type)]))["column"].type not in ("string", "bool"):
        return
    counted = pc.value_counts(column).to_pylist()
    if not named and not 2 <= len(counted) <= _FEW:
        return
    for each in sorted(counted, key=lambda one: (-one["counts"], str(one["values"])))[:_MOST]:
        value = each["values"]
        rows = (
            column.is_null() if value is None else pc.fill_null(pc.equal(column, pa.scalar(value, column.type)), False)
        )
        yield None if value is None else str(value), np.asarray(rows.to_numpy(), dtype=bool)
