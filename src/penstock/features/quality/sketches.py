"""What the values of a column are like, as plain JSON that can be put together: the same for any order of the parts.

Numbers are counted in buckets whose width grows with them: those of one bucket share their sign, their power of two
and the first bits of what is behind it. So buckets are the same for every column and every ingest, counts of two add
up, and a quantile is right to within a sixteenth of itself. Of anything else the most frequent values are counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.schema import Schema
from penstock.transforms import Distribution
from penstock.transforms.moments import mean_and_deviation

Sketch: TypeAlias = dict[str, Any]
"""{"rows": 3, "nulls": 1}; of numbers also min, max, mean, stddev, not_finite, level, buckets; of texts top, others."""

BUCKETS = 128
TOP = 100
_MOST_TIED = 10_000
_LONGEST_TEXT = 100
_KEPT_BITS, _ALL_BITS = 16, 64  # sign, 11 bits of exponent, 4 of what is behind it
_LARGEST = 0x7FEF_FFFF_FFFF_FFFF  # the bits of the largest finite number
_NUMBERS = ("int64", "float64")
_INSTANTS = ("date", "time", "datetime", "timestamp")


def sketch_rows(rows: pa.Table, schema: Schema) -> dict[str, Sketch]:
    """Return the sketch of each column."""
    return {field.name: sketch_column(rows.column(field.name), field.type) for field in schema}


def sketch_column(column: pa.ChunkedArray, type: str) -> Sketch:
    """Return the sketch of a column of one of our types."""
    counted: Sketch = {"rows": len(column), "nulls": column.null_count}
    if type in _NUMBERS:
        return counted | _numbers(column.drop_null())
    if type in _INSTANTS:
        ends = pc.min_max(column).as_py()
        return counted | {end: None if ends[end] is None else ends[end].isoformat() for end in ("min", "max")}
    if type in ("string", "bool"):
        return counted | _texts(column.drop_null())
    return counted


def merge_sketches(*sketches: Sketch) -> Sketch:
    """Return the sketch of the rows of all."""
    first = sketches[0]
    added = ("rows", "nulls", "others", "not_finite")
    merged: Sketch = {name: sum(each[name] for each in sketches) for name in added if name in first}
    for end, choose in (("min", min), ("max", max)):
        if end in first:
            merged[end] = choose((each[end] for each in sketches if each[end] is not None), default=None)
    if "buckets" in first:
        level = max(each["level"] for each in sketches)
        counts: Counter[int] = Counter()
        for each in sketches:
            for code, count in each["buckets"]:
                counts[code >> (level - each["level"])] += count
        merged |= _fitted(level, counts) | _moments(sketches)
    if "top" in first:
        texts: Counter[str] = Counter()
        for each in sketches:
            texts.update(dict(each["top"]))
        ranked = _ranked(texts.items())
        merged["top"] = ranked[:TOP]
        merged["others"] += sum(count for _, count in ranked[TOP:])
    return merged


def counted_values(sketch: Sketch) -> int:
    """Return how many values there are in a sketch's distribution."""
    return int(sketch["rows"] - sketch["nulls"] - sketch.get("not_finite", 0))


def distribution_of(sketch: Sketch, *, buckets: int = BUCKETS) -> Distribution | None:
    """Return the distribution of the values, of numbers in at most so many buckets; None where none is kept."""
    if "top" in sketch:
        return {"kind": "categories", "counts": sketch["top"], "others": sketch["others"]}
    if "buckets" not in sketch:
        return None
    if not sketch["buckets"]:
        return {"kind": "numbers", "edges": [], "counts": []}
    least, most = float(sketch["min"]), float(sketch["max"])
    if least == most:
        return {"kind": "numbers", "edges": [least, most], "counts": [counted_values(sketch)]}
    coarse = _fitted(sketch["level"], dict(map(tuple, sketch["buckets"])), buckets)
    ranges = sorted((*_range(code, coarse["level"]), count) for code, count in coarse["buckets"])
    edges, counts = [least], []
    for low, high, count in ranges:
        if low > edges[-1]:  # nothing lies between
            edges.append(low)
            counts.append(0)
        edges.append(min(max(high, edges[-1]), most))
        counts.append(count)
    edges[-1] = most
    return {"kind": "numbers", "edges": edges, "counts": counts}


def quantile(distribution: Distribution, part: float) -> float | None:
    """Return the number below which a part of the values lies, as far as a histogram tells."""
    counts, edges = distribution["counts"], distribution["edges"]
    rest = part * sum(counts)
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        if count and rest <= count:
            return float(low + (high - low) * max(rest, 0.0) / count)
        rest -= count
    return float(edges[-1]) if edges else None


def _numbers(values: pa.ChunkedArray) -> Sketch:
    numbers = values.cast(pa.float64(), safe=False).to_numpy()
    finite = np.isfinite(numbers)
    if not finite.all():
        values, numbers = values.filter(pa.array(finite)), numbers[finite]
    ends = pc.min_max(values).as_py()
    mean, deviation = mean_and_deviation(values) if len(numbers) else (None, None)
    codes = (np.ascontiguousarray(numbers + 0.0).view(np.uint64) >> np.uint64(_ALL_BITS - _KEPT_BITS)).astype(np.int64)
    counts = np.bincount(codes)
    there = np.flatnonzero(counts)
    return {
        "min": ends["min"],
        "max": ends["max"],
        "mean": mean,
        "stddev": deviation,
        "not_finite": int(len(finite) - len(numbers)),
        **_fitted(0, dict(zip(there.tolist(), counts[there].tolist(), strict=True))),
    }


def _texts(values: pa.ChunkedArray) -> Sketch:
    if _hardly_repeats(values):
        return {"top": [], "others": len(values)}
    counted = pc.value_counts(values.cast(pa.string()))
    counts = counted.field("counts").to_numpy()
    if len(counts) > _MOST_TIED:
        last = np.partition(counts, -TOP)[-TOP]  # of very many that are as frequent as the last none is told apart
        counted = counted.filter(pa.array(counts >= last if (counts >= last).sum() <= _MOST_TIED else counts > last))
    named = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    top = _ranked((value, count) for value, count in named if len(value) <= _LONGEST_TEXT)[:TOP]
    return {"top": top, "others": len(values) - sum(count for _, count in top)}


def _hardly_repeats(values: pa.ChunkedArray) -> bool:
    """Tell whether values, by a few of them, are names of their own: to count them would take long and say nothing."""
    if len(values) <= _MOST_TIED:
        return False
    some = values.take(pa.array(np.linspace(0, len(values) - 1, _MOST_TIED).astype(np.int64)))
    return bool(pc.count_distinct(some).as_py() > _MOST_TIED / 2)


def _ranked(counts: Iterable[tuple[str, int]]) -> list[list[Any]]:
    return [list(each) for each in sorted(counts, key=lambda each: (-each[1], each[0]))]


def _fitted(level: int, counts: Mapping[int, int], most: int = BUCKETS) -> Sketch:
    """Return buckets, wider ones where there would be too many. Each level leaves one bit more out."""
    while len(counts) > most:
        level += 1
        wider: Counter[int] = Counter()
        for code, count in counts.items():
            wider[code >> 1] += count
        counts = wider
    return {"level": level, "buckets": [list(each) for each in sorted(counts.items())]}


def _range(code: int, level: int) -> tuple[float, float]:
    """Return between which numbers those of a bucket lie."""
    sign_bit = _KEPT_BITS - 1 - level
    size, dropped = code & ((1 << sign_bit) - 1), _ALL_BITS - _KEPT_BITS + level
    ends = np.array([min(end << dropped, _LARGEST) for end in (size, size + 1)], dtype=np.uint64).view(np.float64)
    low, high = map(float, ends)
    return (-high, -low) if code >> sign_bit else (low, high)


def _moments(sketches: Sequence[Sketch]) -> Sketch:
    """Return mean and deviation of all values, of those of each sketch."""
    parts = [(counted_values(each), each["mean"], each["stddev"]) for each in sketches if counted_values(each)]
    if len(parts) < 2:
        return {"mean": parts[0][1] if parts else None, "stddev": parts[0][2] if parts else None}
    count = sum(number for number, _, _ in parts)
    mean = math.fsum(own * (number / count) for number, own, _ in parts)
    within = sum((number - 1) * (spread or 0.0) * (spread or 0.0) for number, _, spread in parts)
    between = sum(number * (own - mean) * (own - mean) for number, own, _ in parts)
    return {"mean": mean, "stddev": math.sqrt((within + between) / (count - 1))}


def merge_all(sketches: Iterable[Mapping[str, Sketch]]) -> dict[str, Sketch]:
    """Return the sketches of the columns of all; a column that some lack counts where it is."""
    by_name: dict[str, list[Sketch]] = {}
    for each in sketches:
        for name, sketch in each.items():
            by_name.setdefault(name, []).append(sketch)
    return {name: merge_sketches(*found) if len(found) > 1 else found[0] for name, found in by_name.items()}
