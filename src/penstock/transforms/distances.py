"""How far values now are from values before: both counted in the same cells, and four distances of the counts.

A cell is an interval of numbers or a category; that a value is missing is a cell too. The cells are those of what was
before, with one below and one above, so that nothing that comes later falls outside.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import duckdb
import numpy as np
import pyarrow as pa

from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.tables import bound, clear_errors, schema_of
from penstock.transforms.clock import TIMES
from penstock.transforms.distributions import Shares, category_counts, count_texts, finite_values, information
from penstock.transforms.flattening import FlatColumn, flat_columns

Cells: TypeAlias = dict[str, Any]
"""Plain JSON: {"kind": "numbers", "edges": [0.0, 5.0], "counts": [0, 7, 3], "nulls": 1, "not_finite": 0}, with one
count more than edges, as the first cell is what lies below the first edge; or {"kind": "categories",
"counts": [["card", 6]], "others": 1, "nulls": 0}."""
Distance: TypeAlias = Literal["PSI", "JENSEN_SHANNON_DIVERGENCE", "L_INFTY", "KS"]

PARTS = 20
"""Numbers are counted in about so many cells, which have about as many values each."""

_RARE = 0.005  # categories with a smaller share, before and now, are counted together
_MOST_VALUES = 50_000  # the share of a cell is known to a thousandth by so many
_HALF = 0.5  # what PSI adds to each count, so that an empty cell has a logarithm


def quantile_edges(values: Shares, parts: int = PARTS) -> list[float]:
    """Return edges that divide numbers into cells of about as many values each, the least and the greatest within.

    An edge is rounded down to a tenth of the way to the next one: it tells no value of some row.
    """
    if not len(values):
        return []
    ranks = sorted({(len(values) - 1) * part // parts for part in range(1, parts)})
    inner = np.partition(values, ranks)[ranks].tolist()
    found = sorted({float(values.min()), *inner, float(values.max())})
    gaps = [high / 2 - low / 2 for low, high in itertools.pairwise(found)]  # halved: that of all doubles is no double
    gaps = [gaps[0], *gaps, gaps[-1]] if gaps else [max(abs(found[0]) / 2, 0.5)] * 2
    steps = [
        10.0 ** math.floor(math.log10(2 * min(pair))) / 10 if min(pair) else 0.0 for pair in itertools.pairwise(gaps)
    ]
    begin = {found[0], *inner}  # a cell begins there: not at the greatest, unless it is there often
    edges = {_rounded_down(value, step) for value, step in zip(found, steps, strict=True) if value in begin}
    beyond = _rounded_down(found[-1] + 2 * steps[-1], steps[-1])
    return sorted({*edges, max(beyond, math.nextafter(found[-1], math.inf))})


def _rounded_down(value: float, step: float) -> float:
    if step == 0.0 or not math.isfinite(value / step):
        return value
    return min(float(f"{math.floor(value / step) * step:.12g}"), value)


def number_cells(values: Shares, edges: Sequence[float], *, nulls: int = 0, not_finite: int = 0) -> Cells:
    """Count finite numbers by the edges of cells: a cell has its lower edge, and not its upper one."""
    counts = np.bincount(np.searchsorted(np.asarray(edges), values, side="right"), minlength=len(edges) + 1)
    found: Cells = {"kind": "numbers", "edges": list(edges), "counts": counts.tolist()}
    return {**found, "nulls": nulls, "not_finite": not_finite}


def learned_cells(values: Shares) -> dict[str, Any]:
    """Return the edges and counts that a model keeps of numbers that it learned from: of very many, as every n-th of
    them has it, so that it costs no time to speak of."""
    every = max(1, len(values) // _MOST_VALUES)
    found = number_cells(values[::every], quantile_edges(values[::every]))
    scale = len(values) / max(len(values[::every]), 1)
    return {"edges": found["edges"], "counts": [round(count * scale) for count in found["counts"]]}


def cells(rows: pa.Table, edges: Mapping[str, Sequence[float]] | None = None) -> dict[str, Cells]:
    """Count the values of each column in cells: by the `edges` that are given for it, or by its own quantiles.

    Structs count by field, arrays by element; columns that nothing can be counted of are left out.
    """
    columns = [flat for field in schema_of(rows.schema) for flat in _flat(field)]
    if not columns or not rows.num_rows:
        return {}
    with bound({"rows": rows}) as cursor, clear_errors("cannot count the values of the rows"):
        return {column.name: _counted(cursor, column, (edges or {}).get(column.name)) for column in columns}


def kept_cells(statistic: Mapping[str, Any]) -> dict[str, Cells]:
    """Return the cells that a model's facts have of a column that it learned from, by what is counted of it: of times
    their range, hours and weekdays, where they are kept; none of bytes."""
    if statistic.get("type") in (*TIMES, "bytes"):
        return dict(statistic.get("clock", {}))
    found = cells_of_statistics(statistic)
    return {} if found is None else {statistic["name"]: found}


def cells_of_statistics(statistic: Mapping[str, Any]) -> Cells | None:
    """Return the cells of numbers or categories that a model's facts have of a column; None where they have none."""
    nulls, before = int(statistic.get("nulls", 0)), statistic.get("distribution")
    if before is None:
        return None
    if before["kind"] == "categories":
        return {**before, "nulls": nulls}
    kept = statistic.get("cells") or _as_cells(before)
    return {"kind": "numbers", **kept, "nulls": nulls, "not_finite": int(statistic.get("not_finite", 0))}


def distance_of_cells(before: Cells, now: Cells, metric: Distance) -> float:
    """Return how far values are from what they were before, 0 if they are as before.

    - `PSI`, the population stability index: above 0.1 is a change, above 0.25 a great one. It has no upper bound.
    - `JENSEN_SHANNON_DIVERGENCE` in bits, from 0 to 1.
    - `L_INFTY`, the largest change of the share of one cell, from 0 to 1.
    - `KS`, the largest change of the share of all below a value, from 0 to 1; of categories it is L_INFTY.
    """
    if before["kind"] != now["kind"]:
        raise DataError(f"the values were {before['kind']} and are {now['kind']} now; they cannot be compared")
    p, q = _numbers(before, now) if before["kind"] == "numbers" else _categories(before, now)
    if p.sum() == 0.0 or q.sum() == 0.0:
        return 0.0
    if metric == "KS" and before["kind"] == "categories":
        metric = "L_INFTY"
    return float(DISTANCES[metric](p, q))


def total(found: Cells) -> int:
    """Return how many values were counted, missing ones among them."""
    if found["kind"] == "numbers":
        return int(sum(found["counts"]) + found["nulls"] + found["not_finite"])
    return int(sum(count for _, count in found["counts"]) + found["others"] + found["nulls"])


def stability_index(p: Shares, q: Shares) -> float:
    """Return the population stability index of counts; half a value is added to each, as if it had been seen."""
    one, other = ((each + _HALF) / (each.sum() + _HALF * len(each)) for each in (p, q))
    return float(np.sum((other - one) * np.log(other / one)))


def jensen_shannon(p: Shares, q: Shares) -> float:
    """Return the Jensen-Shannon divergence of counts, in bits."""
    one, other = p / p.sum(), q / q.sum()
    middle = (one + other) / 2
    return min(max((information(one, middle) + information(other, middle)) / 2, 0.0), 1.0)


def largest_change(p: Shares, q: Shares) -> float:
    """Return the largest difference between the shares of one cell."""
    return float(np.abs(p / p.sum() - q / q.sum()).max())


def kolmogorov_smirnov(p: Shares, q: Shares) -> float:
    """Return the largest difference between the shares of all cells up to one."""
    return float(np.abs(np.cumsum(p) / p.sum() - np.cumsum(q) / q.sum()).max())


DISTANCES: dict[str, Callable[[Shares, Shares], float]] = {
    "PSI": stability_index,
    "JENSEN_SHANNON_DIVERGENCE": jensen_shannon,
    "L_INFTY": largest_change,
    "KS": kolmogorov_smirnov,
}
"""The distances by name, of counts in the same cells."""


def _flat(field: Field) -> list[FlatColumn]:
    try:
        return flat_columns(Schema((field,)))
    except DataError:  # arrays of arrays and the like: an expression makes features of them
        return []


def _counted(cursor: duckdb.DuckDBPyConnection, column: FlatColumn, edges: Sequence[float] | None) -> Cells:
    [(count, there)] = cursor.sql(f"SELECT count(*), count(v) FROM ({column.raw_values()})").fetchall()
    if not column.is_number:
        return {**count_texts(cursor, column)[0], "nulls": count - there}
    values = finite_values(cursor, column)
    how = {"nulls": count - there, "not_finite": there - len(values)}
    return number_cells(values, quantile_edges(values) if edges is None else edges, **how)


def _as_cells(distribution: Mapping[str, Any]) -> dict[str, Any]:
    """Return a histogram of buckets as cells: of models that were fitted before they kept cells."""
    edges = list(distribution["edges"])
    if not edges:
        return {"edges": [], "counts": [0]}
    edges[-1] = math.nextafter(edges[-1], math.inf)  # the last bucket has its upper edge
    return {"edges": edges, "counts": [0, *distribution["counts"], 0]}


def _numbers(before: Cells, now: Cells) -> tuple[Shares, Shares]:
    if before["edges"] != now["edges"]:
        raise DataError("numbers that were counted by other edges cannot be compared; count both by those before")
    p, q = (np.array([*each["counts"], each["not_finite"], each["nulls"]], np.float64) for each in (before, now))
    return p, q


def _categories(before: Cells, now: Cells) -> tuple[Shares, Shares]:
    p, q = category_counts(before, now)
    often = np.ones(len(p), bool)
    often[:-1] = np.maximum(p[:-1] / max(p.sum(), 1.0), q[:-1] / max(q.sum(), 1.0)) >= _RARE
    pooled = [np.append(each[often], float(nulls)) for each, nulls in ((p, before["nulls"]), (q, now["nulls"]))]
    for each, whole in zip(pooled, (p, q), strict=True):
        each[-2] += whole[~often].sum()
    return pooled[0], pooled[1]
