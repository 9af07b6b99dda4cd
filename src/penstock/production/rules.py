"""When a change is a breach: rules over the windows that have ended, and what they say at a moment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.mapping import FrozenMap
from penstock.errors import DataError
from penstock.models.judging.scores import is_rising
from penstock.production.changing import Against, Change, Compared, Tolerance, drift, skew
from penstock.production.joined import Place, Served, served, state
from penstock.production.performance import chosen, counted, slice_expressions, slices_of_each
from penstock.production.windows import Window, last_windows

LATE_WINDOWS, LATE_SECONDS = 30, 7 * 86400.0
"""Labels come late: the newest window that has enough of them is looked for among so many, and those of so long."""

_DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """How often, and how soon again: a breach is one of `consecutive` windows in a row, and after it there is none that
    ends less than `cooldown` seconds later."""

    window: float
    consecutive: int = 1
    cooldown: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRule:
    """What is served changes: against what the model has learned from, or the window `lag` windows before."""

    model: str
    repeated: Repeated
    tolerance: Tolerance = field(default_factory=Tolerance)
    against: Against = "training"
    lag: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRule:
    """A metric of the rows that have labels is over a bound, or under one; of all of them, or of those for which the
    condition `where` holds, if there are at least `minimum`."""

    model: str
    repeated: Repeated
    metric: str
    bound: float
    is_over: bool
    where: str = ""
    minimum: int = 100


Rule = DriftRule | MetricRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """That a rule is broken: in which window, of which version, and what it is about, as plain JSON."""

    model: str
    version: int | None
    window: Window
    data: FrozenMap[Any]


def rule_of(kind: str, spec: Mapping[str, Any]) -> Rule:
    """Return the rule that a trigger's record has: of the kinds `drift` and `degraded`."""
    repeated = Repeated(
        window=spec["window_seconds"], consecutive=spec["consecutive"], cooldown=spec["cooldown_seconds"]
    )
    if kind == "degraded":
        return MetricRule(
            model=spec["model"],
            repeated=repeated,
            metric=spec["metric"],
            bound=spec["over"] if spec["over"] is not None else spec["under"],
            is_over=spec["over"] is not None,
            where=spec["where"],
            minimum=spec["minimum"],
        )
    tolerance = Tolerance(
        over=spec["over"],
        metric=spec["metric"],
        thresholds=FrozenMap(spec["thresholds"]),
        features=tuple(spec["features"]),
        minimum=spec["minimum"],
    )
    return DriftRule(
        model=spec["model"], repeated=repeated, tolerance=tolerance, against=spec["against"], lag=spec["lag"]
    )


def judge(place: Place, rule: Rule, *, now: float, last: float | None = None) -> Breach | None:
    """Return the breach of the newest window that has ended and can be judged, if it is one; `last` is when the window
    of the breach before ended."""
    found = _judge_metric(place, rule, now) if isinstance(rule, MetricRule) else _judge_drift(place, rule, now)
    if found is None or (last is not None and found.window.end < last + max(rule.repeated.cooldown, 1e-6)):
        return None
    return found


def judged_on(place: Place, rule: Rule, *, now: float) -> str:
    """Return a digest of what `judge` looks at: as long as it is the same, so is what it says."""
    windows, is_metric = _looked_at(rule, now), isinstance(rule, MetricRule)
    until = windows[-1].end
    return f"{until} {state(place, rule.model, since=windows[0].start, until=until, with_labels=is_metric)}"


def _looked_at(rule: Rule, now: float) -> list[Window]:
    """Return the windows, the newest last, of which a rule reads rows."""
    window, consecutive = rule.repeated.window, rule.repeated.consecutive
    if isinstance(rule, DriftRule):
        return last_windows(now, window, consecutive + (rule.lag if rule.against == "before" else 0))
    return last_windows(now, window, consecutive + max(LATE_WINDOWS, math.ceil(LATE_SECONDS / window)))


def _judge_drift(place: Place, rule: DriftRule, now: float) -> Breach | None:
    windows = _looked_at(rule, now)
    rows = served(place, rule.model, since=windows[0].start, until=windows[-1].end, with_labels=False)
    compared = [_compared(rows, window, rule) for window in windows[-rule.repeated.consecutive :]]
    if any(each is None for each in compared):
        return None
    return _drift_breach(rule, [each for each in compared if each is not None])


def _compared(rows: Sequence[Served], window: Window, rule: DriftRule) -> Compared | None:
    """Return the comparison that counts in a window: of the newest version that has answered enough of its rows."""
    if rule.against == "before":
        found = drift(rows, window, rule.tolerance, lag=rule.lag)
    else:
        enough = [each for each in rows if each.within(window).rows.num_rows >= rule.tolerance.minimum]
        found = skew(enough[-1:], window, rule.tolerance)
    return found[0] if found and found[0].above else None


def _drift_breach(rule: DriftRule, compared: Sequence[Compared]) -> Breach | None:
    newest = compared[-1]
    lasting = set.intersection(*({each.feature for each in one.above} for one in compared))
    above = [each for each in newest.above if each.feature in lasting]
    if not above:
        return None
    before = newest.window.back(rule.lag)
    against = {"before_start": _iso(before.begins), "before_end": _iso(before.ends)} if newest.version is None else {}
    data = {
        **_told(above[0]),
        "model": rule.model,
        "version": newest.version,
        "against": rule.against,
        "metric": rule.tolerance.metric,
        "rows": above[0].rows,
        "rows_before": above[0].rows_before,
        "features": [_told(each) for each in above],
        **_window(newest.window),
        **against,
    }
    return Breach(model=rule.model, version=newest.version, window=newest.window, data=FrozenMap(data))


def _told(change: Change) -> dict[str, Any]:
    return {"feature": change.feature, "distance": change.distance, "threshold": change.threshold}


def _judge_metric(place: Place, rule: MetricRule, now: float) -> Breach | None:
    repeated = rule.repeated
    broken: list[tuple[Window, int, dict[str, Any]]] = []
    for window, rows in _newest_first(place, rule, now):
        told = _measured(rows, window, rule)
        if told is None and not broken:
            continue  # its labels may come later
        if told is None or not _is_broken(rule, told[1][rule.metric]):
            return None
        broken.append((window, *told))
        if len(broken) == repeated.consecutive:
            break
    if len(broken) < repeated.consecutive:
        return None
    window, version, counts = broken[0]
    data = {
        "model": rule.model,
        "version": version,
        "metric": rule.metric,
        "value": counts[rule.metric],
        "threshold": rule.bound,
        "where": rule.where,
        "rows": counts["rows"],
        "labelled": counts["labelled"],
        **_window(window),
    }
    return Breach(model=rule.model, version=version, window=window, data=FrozenMap(data))


def _newest_first(place: Place, rule: MetricRule, now: float) -> Iterator[tuple[Window, list[Served]]]:
    """Yield windows with what was answered in them; rows of a day or of a window are read at a time, when asked for."""
    windows = _looked_at(rule, now)[::-1]
    at_once = max(1, int(_DAY_SECONDS // rule.repeated.window))
    for start in range(0, len(windows), at_once):
        some = windows[start : start + at_once]
        span: Any = {"since": some[-1].start, "until": some[0].end}
        rows = served(place, rule.model, **span, with_inputs=bool(rule.where))
        if not any(each.label_count >= rule.minimum for each in rows):
            rows = []  # no window of them has enough labels
        yield from ((window, rows) for window in some)


def _measured(rows: Sequence[Served], window: Window, rule: MetricRule) -> tuple[int, dict[str, Any]] | None:
    """Return what is known of the newest version that has enough labels in a window, with the metric."""
    slices = slices_of_each(rows, slice_expressions([rule.where] if rule.where else []))
    for version in reversed(rows):
        if rule.where and rule.where not in slices[version.version]:
            continue  # it has no such column
        found = version.within(window)
        if found.rows.num_rows and rule.where:
            found = chosen(found, rule.where)
        if found.label_count >= rule.minimum:
            told = counted(found)
            if rule.metric not in told:
                names = ", ".join(name for name in told if name not in ("rows", "labelled", "labelled_share"))
                raise DataError(f"model '{rule.model}' is not judged by '{rule.metric}'; there are: {names}")
            return version.version, told
    return None


def _is_broken(rule: MetricRule, value: float | None) -> bool:
    return value is not None and (value > rule.bound if rule.is_over else value < rule.bound)


def worse(metric: str) -> str:
    """Return which side of a bound is the worse one of a metric: `over` or `under`."""
    return "under" if is_rising(metric) else "over"


def _window(window: Window) -> dict[str, str]:
    return {"window_start": _iso(window.begins), "window_end": _iso(window.ends)}


def _iso(moment: Any) -> str:
    return str(moment.isoformat().replace("+00:00", "Z"))
