"""How the values of columns are distributed, small enough to keep, and how far two distributions are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import duckdb
import numpy as np

from penstock.tables import TableLike, bound, clear_errors, schema_of, to_arrow
from penstock.transforms.flattening import FlatColumn, flat_columns

Distribution: TypeAlias = dict[str, Any]
"""Plain JSON: {"kind": "numbers", "edges": [0.0, 5.0, 10.0], "counts": [7, 3]}, with one edge more than counts, or
{"kind": "categories", "counts": [["card", 6], ["cash", 3]], "others": 1}, the most frequent values first."""
Shares: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Metric: TypeAlias = Literal["L_INFTY", "JENSEN_SHANNON_DIVERGENCE"]

BUCKETS, RANKS = 10, 50  # BigQuery's defaults


def distributions(rows: TableLike, *, buckets: int = BUCKETS, ranks: int = RANKS) -> dict[str, Distribution]:
    """Return the distribution of the values of each column, NULLs left out; the same for any order of the rows.

    Of numbers a histogram with `buckets` of equal width, NaN and infinities left out; of anything else how often each
    of the `ranks` most frequent texts is there, and all others together. Structs count by field, arrays by element.
    """
    table = to_arrow(rows)
    columns = flat_columns(schema_of(table.schema))
    if not columns:
        return {}
    with bound({"rows": table}) as cursor, clear_errors("cannot look at the distribution of the rows"):
        return {
            column.name: _histogram(cursor, column, buckets) if column.is_number else ranked(cursor, column, ranks)
            for column in columns
        }


def distance(one: Distribution, other: Distribution, metric: Metric) -> float:
    """Return how far two distributions of one kind are apart, from 0 (equal) to 1 (nothing in common).

    L_INFTY is the greatest difference between the shares of one value; the Jensen-Shannon divergence is in bits. A
    distribution without values is at 0 from another such, and at 1 from any other.
    """
    p, q = number_counts(one, other) if one["kind"] == "numbers" else category_counts(one, other)
    if p.sum() == 0.0 or q.sum() == 0.0:
        return float(p.sum() != q.sum())
    p, q = p / p.sum(), q / q.sum()
    if metric == "L_INFTY":
        return float(np.abs(p - q).max())
    middle = (p + q) / 2
    return min(max((information(p, middle) + information(q, middle)) / 2, 0.0), 1.0)


def _histogram(cursor: duckdb.DuckDBPyConnection, column: FlatColumn, buckets: int) -> Distribution:
    return histogram(finite_values(cursor, column), buckets)


def finite_values(cursor: duckdb.DuckDBPyConnection, column: FlatColumn) -> Shares:
    """Return the numbers of a column of the table `rows`, in order, without NULLs, NaN and infinities."""
    table = cursor.sql(f"SELECT v FROM ({column.values()}) WHERE isfinite(v)").to_arrow_table()
    return np.asarray(table.column(0).to_numpy(), dtype=np.float64)


def histogram(values: Shares, buckets: int = BUCKETS) -> Distribution:
    """Return the histogram of numbers, in buckets of equal width from the least to the greatest."""
    if not len(values):
        return {"kind": "numbers", "edges": [], "counts": []}
    least, most = float(values.min()), float(values.max())
    between = (least * (1 - part / buckets) + most * (part / buckets) for part in range(1, buckets))  # never overflows
    if least == most:
        return {"kind": "numbers", "edges": [least, most], "counts": [len(values)]}
    edges = sorted({least, most, *(edge for edge in between if least < edge < most)})
    counts = np.bincount(np.searchsorted(edges[1:-1], values, side="right"), minlength=len(edges) - 1)
    return {"kind": "numbers", "edges": edges, "counts": counts.tolist()}


def ranked(cursor: duckdb.DuckDBPyConnection, column: FlatColumn, ranks: int = RANKS) -> Distribution:
    """Return the most frequent texts of a column of the table `rows`."""
    return count_texts(cursor, column, ranks)[0]


def count_texts(cursor: duckdb.DuckDBPyConnection, column: FlatColumn, ranks: int = RANKS) -> tuple[Distribution, int]:
    """Return the most frequent texts of a column of the table `rows`, and how many different ones there are.

    Values are counted as they are, and only those that are given are written as text: that takes longer than to count.
    """
    counted = f"SELECT v, count(*) AS n FROM ({column.raw_values()}) WHERE v IS NOT NULL GROUP BY v"
    first = f"SELECT v, n FROM counted ORDER BY n DESC, v LIMIT {ranks}"
    listed = f"list(struct_pack(v := {column.taken()}, n := n) ORDER BY n DESC, v)"
    [(total, distinct, top)] = cursor.sql(
        f"WITH counted AS MATERIALIZED ({counted}) SELECT (SELECT coalesce(sum(n), 0) FROM counted),"
        f" (SELECT count(*) FROM counted), (SELECT {listed} FROM ({first}))"
    ).fetchall()
    counts = [[entry["v"], entry["n"]] for entry in top or ()]
    others = int(total) - sum(count for _, count in counts)
    return {"kind": "categories", "counts": counts, "others": others}, int(distinct)


def category_counts(one: Distribution, other: Distribution) -> tuple[Shares, Shares]:
    """Return the counts of the values that both tell apart, and of all the rest together.

    A value that one side lumps with others may be among them: only where a side has no others is it really not there.
    """
    sides: list[Mapping[str, int]] = [dict(side["counts"]) for side in (one, other)]
    others = [int(side["others"]) for side in (one, other)]
    apart = [
        value
        for value in dict.fromkeys([*sides[0], *sides[1]])
        if all(value in side or not lumped for side, lumped in zip(sides, others, strict=True))
    ]
    p, q = (
        np.array(
            [*(side.get(value, 0) for value in apart), lumped + sum(side.values()) - sum(side.get(v, 0) for v in apart)]
        )
        for side, lumped in zip(sides, others, strict=True)
    )
    return p.astype(np.float64), q.astype(np.float64)


def number_counts(one: Distribution, other: Distribution) -> tuple[Shares, Shares]:
    """Return the counts in the buckets that both histograms' edges make; inside a bucket values lie evenly.

    A histogram of one value lies at a point: in the bucket that begins there, or the last one, if it ends there.
    """
    edges = sorted({*one["edges"], *other["edges"]})
    for side, beside in ((one, other), (other, one)):
        is_point = len(set(side["edges"])) == 1
        if is_point and side["edges"][0] == edges[-1] and (len(edges) == 1 or edges[-1] not in beside["edges"]):
            edges.append(math.inf)
    p, q = (_spread(side["edges"], side["counts"], edges) for side in (one, other))
    return p, q


def _spread(edges: Sequence[float], counts: Sequence[int], cells: Sequence[float]) -> Shares:
    shares = np.zeros(max(len(cells) - 1, 1))
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        first = min(int(np.searchsorted(cells, low, side="right")) - 1, len(shares) - 1)
        last = int(np.searchsorted(cells, high, side="left"))
        if low == high or last - first <= 1:
            shares[first] += count
            continue
        widths = np.diff(np.asarray(cells[first : last + 1]) / 2)  # halved: the width of all doubles is no double
        shares[first:last] += count * widths / widths.sum()
    return shares


def information(p: Shares, middle: Shares) -> float:
    """Return how much more shares say than those in the middle, in bits."""
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / middle[there])))
