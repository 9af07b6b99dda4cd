"""How a table has shifted from an earlier one, or from what a model has learned from: other values, more NULLs, another
unit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Literal

import numpy as np

from penstock.errors import UnknownNameError
from penstock.transforms.anomalies import Anomaly, anomaly
from penstock.transforms.distances import DISTANCES, Cells, Distance, cells_of_statistics, total
from penstock.transforms.distributions import Distribution, Shares, category_counts, number_counts
from penstock.transforms.profiles import Profile, is_key

THRESHOLD = 0.3  # BigQuery's
COMPARED = ("int64", "float64", "string", "bool")  # times always go on, and what has no order is not described
LEAST_ROWS = 20
"""Fewer rows say nothing of how values are distributed."""

_UNITS = (
    (60.0, "seconds instead of minutes, or minutes instead of hours"),
    (3600.0, "seconds instead of hours"),
    (24.0, "hours instead of days"),
    (1000.0, "thousandths: metres instead of kilometres, milliseconds instead of seconds"),
    (1e6, "millionths: microseconds instead of seconds"),
    (100.0, "hundredths: cents, per cent"),
    (1.609344, "kilometres instead of miles"),
    (1 / 0.3048, "feet instead of metres"),
    (1 / 0.45359237, "pounds instead of kilograms"),
)
_LIKE = 1.25  # how far a factor may be from that of a unit
_ABOUT = 3.0  # and where all values are its multiples
_PLAIN = 24.0  # the least unit of which values are multiples by no accident
_EVEN = 2.0  # how far the quantiles' own factors may be from one another
_AT = ("0.05", "0.25", "0.5", "0.75", "0.95")
_VALUES = 5  # so many in each cell that is compared, in the mean of both sides, where one is of few rows


def shifts(
    base: Profile,
    study: Profile,
    *,
    kind: Literal["skew", "drift"] = "skew",
    over: float | Mapping[str, float] = THRESHOLD,
    metric: Distance | None = None,
) -> list[Anomaly]:
    """Return the columns whose values are further than `over` from what they were; `over` may be of single columns.

    Whole numbers and texts that never came twice are names of rows: they are compared where `over` names them. Numbers
    are compared by their Jensen-Shannon divergence, categories by L-infinity, unless `metric` says which; that a value
    is missing counts as one, and a share of NULLs that changed by more than `over` is a shift too. Where numbers are a
    constant multiple of what they were, that is said (unit_changed). Where one side has fewer than LEAST_ROWS rows
    nothing is compared.

    Numbers are compared best where `study` has counted them by the `edges_of` the base: else their histograms are laid
    over one another, as if values lay evenly in each bucket.
    """
    before = {column["name"]: column for column in base["columns"]}
    now = {column["name"]: column for column in study["columns"]}
    compared = [
        name
        for name, column in before.items()
        if name in now and column["type"] == now[name]["type"] and column["type"] in COMPARED
    ]
    own = over if isinstance(over, Mapping) else {}
    for name in own:
        if name not in compared:
            raise UnknownNameError("column", name, compared, within=f"what is compared for {kind}")
    usual = THRESHOLD if isinstance(over, Mapping) else over
    if min(base["rows"], study["rows"]) < LEAST_ROWS:
        return []
    compared = [name for name in compared if name in own or not is_key(before[name])]
    return [each for name in compared for each in _shift(before[name], now[name], kind, own.get(name, usual), metric)]


def edges_of(base: Profile) -> dict[str, list[float]]:
    """Return the edges by which the numbers of a profile are counted, by column."""
    kept = {column["name"]: cells_of_statistics(column) for column in base["columns"]}
    return {name: found["edges"] for name, found in kept.items() if found is not None and found["kind"] == "numbers"}


def profile_of_learned(statistics: Sequence[Mapping[str, Any]]) -> Profile:
    """Return what a model's facts keep of the rows that it learned from as a profile, as far as they tell it: quantiles
    are those of the cells in which numbers were counted."""
    counted = [(each, cells_of_statistics(each)) for each in statistics if each["type"] in COMPARED]
    columns = [_learned(each, kept) for each, kept in counted if kept is not None]
    return {"rows": max((column["rows"] for column in columns), default=0), "columns": columns}


def _learned(statistic: Mapping[str, Any], kept: Cells) -> dict[str, Any]:
    found = {"name": statistic["name"], "type": statistic["type"], "rows": total(kept), "nulls": kept["nulls"]}
    if kept["kind"] == "categories":
        top = [{"value": value, "count": count} for value, count in kept["counts"]]
        return {**found, "distinct": statistic["categories"], "top": top}
    ends = {"min": statistic.get("min"), "max": statistic.get("max"), "not_finite": kept["not_finite"]}
    cells = {"edges": kept["edges"], "counts": kept["counts"]}
    return {**found, **ends, "cells": cells, "distribution": statistic["distribution"], "quantiles": _quantiles(kept)}


def _quantiles(kept: Cells) -> dict[str, float]:
    """Return the lower edges of the cells in which the quantiles lie: cells hold about as many values each."""
    counts = np.cumsum(kept["counts"])
    if not len(kept["edges"]) or not counts[-1]:
        return {}
    places = {at: int(np.searchsorted(counts, float(at) * counts[-1], side="right")) for at in _AT}
    return {at: kept["edges"][min(max(place - 1, 0), len(kept["edges"]) - 1)] for at, place in places.items()}


def _categories(column: Mapping[str, Any]) -> Distribution:
    """Return how often each category is there, by its text, as models keep it too."""
    counts = [[_as_text(entry["value"]), entry["count"]] for entry in column["top"]]
    others = column["rows"] - column["nulls"] - sum(count for _, count in counts)
    return {"kind": "categories", "counts": counts, "others": others}


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shift(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    kind: Literal["skew", "drift"],
    over: float,
    metric: Distance | None,
) -> Iterator[Anomaly]:
    numbers = "distribution" in before
    by: Distance = metric or ("JENSEN_SHANNON_DIVERGENCE" if numbers else "L_INFTY")
    gap = abs(before["nulls"] / before["rows"] - now["nulls"] / now["rows"])
    p, q = _numbers(before, now) if numbers else category_counts(_categories(before), _categories(now))
    p, q = (np.append(each, column["nulls"]) for each, column in ((p, before), (q, now)))
    apart = DISTANCES["L_INFTY" if by == "KS" and not numbers else by](p, q)
    if max(gap, apart) <= over:
        return
    name, than = before["name"], "in training" if kind == "skew" else "before"
    if factor := _unit(before, now):
        times, unit = factor
        middle = f"median {before['quantiles']['0.5']:g} -> {now['quantiles']['0.5']:g}"
        text = f"is about {times:g} times what it was {than} ({middle}){f': {unit}?' if unit else ''}"
        yield anomaly("unit_changed", text, column=name, expected=1.0, found=times)
        return
    if gap > over:
        text = f"has {now['nulls'] / now['rows']:.1%} NULLs, {before['nulls'] / before['rows']:.1%} {than}"
    else:
        text = f"has other values than {than} ({by} {apart:.3f} > {over:g}){_changed(before, now)}"
    yield anomaly(kind, text, column=name, expected=over, found=round(max(gap, apart), 6))


def _numbers(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Shares, Shares]:
    """Return the counts of both sides in the same cells, few enough that chance leaves none of them empty, and how many
    values are not finite."""
    kept, counted = cells_of_statistics(before), cells_of_statistics(now)
    if "cells" in now and kept is not None and counted is not None and kept["edges"] == counted["edges"]:
        p, q = (np.asarray(each["counts"], np.float64) for each in (kept, counted))
    else:
        p, q = number_counts(before["distribution"], now["distribution"])
    shares = (p / max(p.sum(), 1.0) + q / max(q.sum(), 1.0)) / 2
    places = np.floor(np.cumsum(shares) * min(p.sum(), q.sum()) / _VALUES - 1e-9).astype(np.int64)
    cells = np.unique(places.clip(0), return_inverse=True)[1]
    pooled = (np.bincount(cells, each) for each in (p, q))
    p, q = (np.append(each, side.get("not_finite", 0)) for each, side in zip(pooled, (before, now), strict=True))
    return p, q


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say what has changed most: the median of numbers, the category whose share has."""
    if quantiles := (before.get("quantiles") and now.get("quantiles")):
        return f": median {before['quantiles']['0.5']:g} -> {quantiles['0.5']:g}"
    shares = [
        {_as_text(entry["value"]): entry["count"] / max(1, column["rows"] - column["nulls"]) for entry in column["top"]}
        for column in (before, now)
    ]
    if not (values := {*shares[0], *shares[1]}):
        return ""
    most = max(values, key=lambda value: (abs(shares[0].get(value, 0) - shares[1].get(value, 0)), value))
    return f": {most!r} {shares[0].get(most, 0):.1%} -> {shares[1].get(most, 0):.1%}"


def _unit(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[float, str] | None:
    """Return by what numbers seem to be multiplied, and the unit that this would be."""
    one, other = before.get("quantiles") or {}, now.get("quantiles") or {}
    factors = [other[at] / one[at] for at in _AT if one.get(at) and other.get(at) and other[at] / one[at] > 0]
    if len(factors) < 3:
        return None
    times = median(factors)
    for known, unit in _UNITS:
        if _are_multiples(now, known) and not _are_multiples(before, known) and _near(times, known, _ABOUT):
            return known, unit
        if max(factors) / min(factors) <= _EVEN and _near(times, known):
            return round(known, 4), unit
        if max(factors) / min(factors) <= _EVEN and _near(times, 1 / known):
            return round(1 / known, 6), f"the other way round: {unit}"
    if max(factors) / min(factors) <= _LIKE and abs(math.log(times)) > math.log(_EVEN):
        return float(f"{times:.3g}"), ""
    return None


def _are_multiples(column: Mapping[str, Any], of: float) -> bool:
    """Tell whether values are multiples of a unit, as they are where whole numbers were multiplied by it."""
    values = [column.get("min"), column.get("max"), *column["quantiles"].values()]
    return of >= _PLAIN and all(isinstance(each, int | float) and each % of == 0 for each in values)


def _near(times: float, known: float, like: float = _LIKE) -> bool:
    """Units that are little more than one need to be met more closely: prices may rise by a half."""
    closeness = min(like, 1 + abs(math.log(known)) / 10) if like == _LIKE else like
    return 1 / closeness <= times / known <= closeness
