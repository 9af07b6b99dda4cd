"""Metrics over time: of each window, version and slice how many rows were answered, how many have labels, how good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.expression import Expr, columns_of
from penstock.errors import DataError
from penstock.operations import parse, text
from penstock.production.joined import Served, flat
from penstock.production.judged import judged
from penstock.production.windows import Window
from penstock.transforms import apply

MOST_VALUES = 50
"""A slice by more values than this shows the most frequent ones."""

COLUMNS: dict[str, pa.DataType] = {
    "window_start": pa.timestamp("us", "UTC"), "window_end": pa.timestamp("us", "UTC"), "complete": pa.bool_(),
    "version": pa.int64(), "slice": pa.string(), "value": pa.string(), "rows": pa.int64(), "labelled": pa.int64(),
    "labelled_share": pa.float64(), "latency_median_seconds": pa.float64(), "latency_p99_seconds": pa.float64(),
}  # fmt: skip
"""What every row tells; a column for each metric stands behind them. `slice` is "" for all rows."""


def slice_expressions(by: Sequence[str | Expr]) -> dict[str, Expr]:
    """Return the expressions that rows are sliced by, by their texts."""
    found = {}
    for each in by:
        expr = parse(each) if isinstance(each, str) else each
        found[each if isinstance(each, str) else text(expr)] = expr
    return found


def performance(found: Sequence[Served], windows: Sequence[Window], by: Sequence[str | Expr], now: float) -> pa.Table:
    """Return a row for each window, version and slice that rows were answered in, the oldest window first.

    A version that has no such column is not sliced by it: it may be new.
    """
    slices = slices_of_each(found, slice_expressions(by))
    told: list[dict[str, Any]] = []
    for window in windows:
        for version in found:
            rows = version.within(window)
            if rows.rows.num_rows:
                told += [
                    {**_told(window, now), "version": rows.version, "slice": name, "value": value, **counted(part)}
                    for name, value, part in _parts(rows, slices[rows.version])
                ]
    names = [*COLUMNS, *dict.fromkeys(name for each in told for name in each if name not in COLUMNS)]
    columns = {name: [each.get(name) for each in told] for name in names}
    return pa.table({name: pa.array(values, COLUMNS.get(name, pa.float64())) for name, values in columns.items()})


def slices_of_each(found: Sequence[Served], slices: Mapping[str, Expr]) -> dict[int, dict[str, Expr]]:
    """Return the slices that the rows of each version have; one that none has is tried, so that an error names it."""
    columns = {each.version: set(flat(each).column_names) for each in found} if slices else {}
    needed = {name: set(columns_of(expr)) for name, expr in slices.items()}
    nowhere = {name for name, wanted in needed.items() if not any(wanted <= each for each in columns.values())}
    return {
        each.version: {
            name: expr for name, expr in slices.items() if name in nowhere or needed[name] <= columns[each.version]
        }
        for each in found
    }


def counted(found: Served) -> dict[str, Any]:
    """Return how many rows there are, how many have labels, how long they took, and how good they are."""
    latencies = found.rows["latency_seconds"].to_numpy()
    labels = found.label_count
    return {
        "rows": found.rows.num_rows,
        "labelled": labels,
        "labelled_share": labels / found.rows.num_rows if found.rows.num_rows else None,
        "latency_median_seconds": float(np.median(latencies)) if len(latencies) else None,
        "latency_p99_seconds": float(np.quantile(latencies, 0.99)) if len(latencies) else None,
        **judged(found),
    }


def chosen(found: Served, where: str | Expr) -> Served:
    """Return the rows for which a condition holds."""
    [(name, expr)] = slice_expressions([where]).items()
    flags = _values(found, {name: expr})[name]
    if not pa.types.is_boolean(flags.type):
        raise DataError(f"'{name}' is no condition: it is {flags.type}; compare it, as in city = 'Zug'")
    return found.where(pc.fill_null(flags, False))


def _told(window: Window, now: float) -> dict[str, Any]:
    return {"window_start": window.begins, "window_end": window.ends, "complete": window.end <= now}


def _parts(found: Served, slices: Mapping[str, Expr]) -> Iterator[tuple[str, str | None, Served]]:
    yield "", None, found
    if not slices:
        return
    for name, values in _values(found, slices).items():
        counts = sorted(pc.value_counts(values).to_pylist(), key=lambda each: (-each["counts"], str(each["values"])))
        for each in counts[:MOST_VALUES]:
            value = pa.scalar(each["values"], values.type)
            flags = values.is_null() if each["values"] is None else pc.fill_null(pc.equal(values, value), False)
            yield name, None if each["values"] is None else _written(each["values"]), found.where(flags)


def _values(found: Served, slices: Mapping[str, Expr]) -> dict[str, pa.Array]:
    made = apply({f"s{at}": expr for at, expr in enumerate(slices.values())}, flat(found))
    return {name: made[f"s{at}"].combine_chunks() for at, name in enumerate(slices)}


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
