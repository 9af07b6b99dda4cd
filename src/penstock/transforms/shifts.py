"""How a table has shifted from an earlier one, told from their profiles: other values, more NULLs, another unit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any, Literal

import numpy as np

from penstock.errors import UnknownNameError
from penstock.transforms.anomalies import Anomaly, anomaly
from penstock.transforms.distances import DISTANCES, Distance
from penstock.transforms.distributions import Distribution, category_counts, number_counts
from penstock.transforms.profiles import TOP, Profile

THRESHOLD = 0.3  # BigQuery's
COMPARED = ("int64", "float64", "string", "bool")  # times always go on, and what has no order is not described

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
    constant multiple of what they were, that is said (unit_changed).
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
    compared = [name for name in compared if name in own or not _is_key(before[name])]
    return [each for name in compared for each in _shift(before[name], now[name], kind, own.get(name, usual), metric)]


def column_distribution(column: Mapping[str, Any]) -> Distribution:
    """Return the distribution of a column of a profile."""
    if "distribution" in column:
        return dict(column["distribution"])
    counts = [[str(entry["value"]), entry["count"]] for entry in column["top"]]
    others = column["rows"] - column["nulls"] - sum(count for _, count in counts)
    return {"kind": "categories", "counts": counts, "others": others}


def _is_key(column: Mapping[str, Any]) -> bool:
    known = column["rows"] - column["nulls"]
    return column["type"] in ("int64", "string") and column["distinct"] == known > TOP


def _shift(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    kind: Literal["skew", "drift"],
    over: float,
    metric: Distance | None,
) -> Iterator[Anomaly]:
    if not before["rows"] or not now["rows"]:
        return
    one, other = column_distribution(before), column_distribution(now)
    numbers = one["kind"] == "numbers"
    by: Distance = metric or ("JENSEN_SHANNON_DIVERGENCE" if numbers else "L_INFTY")
    gap = abs(before["nulls"] / before["rows"] - now["nulls"] / now["rows"])
    p, q = number_counts(one, other) if numbers else category_counts(one, other)
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


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say what has changed most: the median of numbers, the category whose share has."""
    if quantiles := (before.get("quantiles") and now.get("quantiles")):
        return f": median {before['quantiles']['0.5']:g} -> {quantiles['0.5']:g}"
    shares = [
        {entry["value"]: entry["count"] / max(1, column["rows"] - column["nulls"]) for entry in column["top"]}
        for column in (before, now)
    ]
    if not (values := {*shares[0], *shares[1]}):
        return ""
    most = max(values, key=lambda value: (abs(shares[0].get(value, 0) - shares[1].get(value, 0)), str(value)))
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
