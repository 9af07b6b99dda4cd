"""The checks of a blessing, each with what was found, what was asked, on how many rows, and why in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

Check: TypeAlias = dict[str, Any]
"""`name`, `slice` ("": all rows), `kind`, `value`, `bound`, `rows`, `passed`, `why`: plain JSON."""
Interval: TypeAlias = tuple[float, float] | None
Kind: TypeAlias = Literal["min", "max", "better_by"]


def check(
    name: str, *, kind: str, value: Any, bound: Any, passed: bool, why: str, rows: int = 0, slice: str = ""
) -> Check:
    """Return one check of any blessing."""
    made = {"name": name, "slice": slice, "kind": kind, "value": value, "bound": bound, "rows": rows}
    return {**made, "passed": passed, "why": why}


def held(
    metric: str, slice: str, rows: int, value: float | None, kind: Kind, limit: float, *, sure: bool, interval: Interval
) -> Check:
    """Hold a metric, or its gain over the baseline, against its bound; with `sure` the worse end of its interval. Where
    there is none nothing is sure, and it does not pass."""
    most = kind == "max"
    worst = value if not sure else None if interval is None else interval[1 if most else 0]
    passed = worst is not None and (worst <= limit if most else worst >= limit)
    what = f"the gain of {metric} over the baseline" if kind == "better_by" else metric
    where, asked = f" where {slice}" if slice else "", f"it has to be {'at most' if most else 'at least'} {limit:g}"
    if value is None:
        found = f"has no value on {rows:,} rows"
    elif not sure:
        found = f"is {value:.6g} on {rows:,} rows"
    elif interval is None:
        found = f"is {value:.6g}, and how sure that is cannot be told, on {rows:,} rows"
    else:
        found = f"is {value:.6g} (surely between {interval[0]:.6g} and {interval[1]:.6g}) on {rows:,} rows"
    why = f"{what}{where} {found}; {asked}"
    return check(metric, slice=slice, kind=kind, value=value, bound=limit, rows=rows, passed=passed, why=why)


def even(metric: str, by: str, values: Mapping[str, tuple[float | None, int]], most: float) -> Check:
    """Hold the difference between the slices of one expression against what it may be at most."""
    known = {name: value for name, (value, _) in values.items() if value is not None}
    rows = sum(count for _, count in values.values())
    if not known:
        why = f"{metric} has no value in any slice of {by}"
        return check(metric, slice=by, kind="gap", value=None, bound=most, rows=rows, passed=False, why=why)
    low, high = min(known, key=lambda name: known[name]), max(known, key=lambda name: known[name])
    gap = known[high] - known[low]
    why = (
        f"{metric} differs by {gap:.6g} between '{low}' ({known[low]:.6g}, {values[low][1]:,} rows) and '{high}' "
        f"({known[high]:.6g}, {values[high][1]:,} rows); it may by {most:g}"
    )
    return check(metric, slice=by, kind="gap", value=gap, bound=most, rows=rows, passed=gap <= most, why=why)
