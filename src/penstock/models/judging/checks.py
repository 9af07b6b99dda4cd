"""The checks of a blessing, each with what was found, what was asked, on how many rows, and why in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Check: TypeAlias = dict[str, Any]
"""`name`, `slice` ("": all rows), `kind`, `value`, `bound`, `rows`, `passed`, `why`: plain JSON."""
Interval: TypeAlias = tuple[float, float] | None


def check(
    name: str, *, kind: str, value: Any, bound: Any, passed: bool, why: str, rows: int = 0, slice: str = ""
) -> Check:
    """Return one check of any blessing."""
    made = {"name": name, "slice": slice, "kind": kind, "value": value, "bound": bound, "rows": rows}
    return {**made, "passed": passed, "why": why}


def above(metric: str, slice: str, rows: int, value: float | None, least: float, interval: Interval) -> Check:
    """Hold a metric, or the lower end of its interval, against what it has to be at least."""
    held = interval[0] if interval is not None else value
    passed = held is not None and held >= least
    why = _said(metric, slice, rows, value, interval, "at least", least)
    return check(metric, slice=slice, kind="min", value=value, bound=least, rows=rows, passed=passed, why=why)


def below(metric: str, slice: str, rows: int, value: float | None, most: float, interval: Interval) -> Check:
    """Hold a metric, or the upper end of its interval, against what it may be at most."""
    held = interval[1] if interval is not None else value
    passed = held is not None and held <= most
    why = _said(metric, slice, rows, value, interval, "at most", most)
    return check(metric, slice=slice, kind="max", value=value, bound=most, rows=rows, passed=passed, why=why)


def better(metric: str, slice: str, rows: int, gain: float | None, least: float, interval: Interval) -> Check:
    """Hold the gain over the baseline, or the lower end of its interval, against what it has to be at least."""
    held = interval[0] if interval is not None else gain
    passed = held is not None and held >= least
    why = _said(f"the gain of {metric} over the baseline", slice, rows, gain, interval, "at least", least)
    return check(metric, slice=slice, kind="better_by", value=gain, bound=least, rows=rows, passed=passed, why=why)


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


def _said(what: str, slice: str, rows: int, value: float | None, interval: Interval, asked: str, bound: float) -> str:
    where = f" where {slice}" if slice else ""
    if value is None:
        return f"{what}{where} has no value on {rows:,} rows; it has to be {asked} {bound:g}"
    sure = "" if interval is None else f" (surely between {interval[0]:.6g} and {interval[1]:.6g})"
    return f"{what}{where} is {value:.6g}{sure} on {rows:,} rows; it has to be {asked} {bound:g}"
