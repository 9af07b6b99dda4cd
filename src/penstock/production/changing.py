"""How far what is served is from what a model has learned from (skew), and from what was served before (drift)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.mapping import FrozenMap
from penstock.errors import DeclarationError, UnknownNameError
from penstock.models.judging.predicted import FACT
from penstock.production.joined import Served, watched
from penstock.production.windows import Window
from penstock.transforms import Cells, Distance, cells, cells_of_statistics, distance_of_cells

Against: TypeAlias = Literal["training", "before"]

AGAINST: tuple[Against, ...] = ("training", "before")
METRICS: tuple[Distance, ...] = ("PSI", "JENSEN_SHANNON_DIVERGENCE", "L_INFTY", "KS")
MOST_ROWS = 50_000
"""So many rows of a window are counted: by them the share of a cell is known to a thousandth."""
COLUMNS: dict[str, pa.DataType] = {
    "window_start": pa.timestamp("us", "UTC"), "window_end": pa.timestamp("us", "UTC"), "complete": pa.bool_(),
    "against": pa.string(), "version": pa.int64(), "feature": pa.string(), "metric": pa.string(),
    "distance": pa.float64(), "threshold": pa.float64(), "rows": pa.int64(), "rows_before": pa.int64(),
    "is_above": pa.bool_(),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far is too far: `over` a distance, or the feature's own of `thresholds`, where there are at least `minimum`
    rows on both sides; of all features, or only of some."""

    over: float = 0.2
    metric: Distance = "PSI"
    thresholds: FrozenMap[float] = field(default_factory=FrozenMap)
    features: tuple[str, ...] = ()
    minimum: int = 500

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise UnknownNameError("distance", str(self.metric), METRICS)
        for name, value in {"over": self.over, **self.thresholds}.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise DeclarationError(f"the threshold '{name}' is {value!r}; give a number, 0 or more")
        if self.minimum < 1:
            raise DeclarationError(f"minimum is {self.minimum}; give how many rows a window needs, 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How far one feature is from what it was."""

    feature: str
    metric: str
    distance: float
    threshold: float
    rows: int
    rows_before: int
    is_above: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The changes of a window: against what a version has learned from, or (no version) the rows of another window."""

    window: Window
    against: Against
    version: int | None
    changes: tuple[Change, ...]

    @property
    def above(self) -> tuple[Change, ...]:
        """Those that are too far, the farthest beyond its threshold first."""
        return tuple(sorted((each for each in self.changes if each.is_above), key=_excess, reverse=True))


def _excess(change: Change) -> float:
    return change.distance / max(change.threshold, 1e-9)


def training_cells(graph: ModelGraph) -> dict[str, Cells]:
    """Return what a model has learned from, and what it predicted of rows held out, as cells of their values."""
    kept = [*graph.facts.get("statistics", ()), *graph.facts.get(FACT, ())]
    found = {each["name"]: cells_of_statistics(each) for each in kept if each.get("type") != "bytes"}
    return {name: each for name, each in found.items() if each is not None}


def training_rows(graph: ModelGraph) -> int:
    """Return how many rows a model has learned from."""
    return int(graph.facts.get("rows", {}).get("train", 0))


def skew(found: Sequence[Served], window: Window, tolerance: Tolerance) -> list[Compared]:
    """Compare the rows of each version in a window with what that version has learned from."""
    told = []
    for version in found:
        rows = version.within(window)
        if rows.rows.num_rows:
            before = training_cells(version.graph)
            changes = _changes(before, training_rows(version.graph), watched(rows), tolerance)
            told.append(Compared(window=window, against="training", version=version.version, changes=changes))
    return told


def drift(found: Sequence[Served], window: Window, tolerance: Tolerance, *, lag: int = 1) -> list[Compared]:
    """Compare the rows of a window, whatever version answered, with those of the window `lag` windows before."""
    now, before = (_together(each.within(one) for each in found) for one in (window, window.back(lag)))
    if not now.num_rows or not before.num_rows:
        return []
    changes = _changes(cells(_thinned(before)), before.num_rows, now, tolerance)
    return [Compared(window=window, against="before", version=None, changes=changes)]


def table_of(found: Iterable[Compared], now: float) -> pa.Table:
    """Return a row for each feature that was compared."""
    told: list[dict[str, Any]] = [
        {
            "window_start": each.window.begins,
            "window_end": each.window.ends,
            "complete": each.window.end <= now,
            "against": each.against,
            "version": each.version,
            **{name: getattr(change, name) for name in Change.__dataclass_fields__},
        }
        for each in found
        for change in each.changes
    ]
    return pa.table({name: pa.array([each[name] for each in told], type) for name, type in COLUMNS.items()})


def _changes(before: Mapping[str, Cells], rows_before: int, rows: pa.Table, tolerance: Tolerance) -> tuple[Change, ...]:
    edges = {name: each["edges"] for name, each in before.items() if each["kind"] == "numbers"}
    now = cells(_thinned(rows), edges)
    shared = [name for name in now if name in before and before[name]["kind"] == now[name]["kind"]]
    if odd := [name for name in (*tolerance.features, *tolerance.thresholds) if name not in shared]:
        raise UnknownNameError("feature", odd[0], shared, within="what is compared")
    enough = min(rows.num_rows, rows_before) >= tolerance.minimum
    found = []
    for name in tolerance.features or shared:
        threshold = float(tolerance.thresholds.get(name, tolerance.over))
        distance = distance_of_cells(before[name], now[name], tolerance.metric)
        sizes: Any = {"rows": rows.num_rows, "rows_before": rows_before, "is_above": enough and distance > threshold}
        found.append(Change(feature=name, metric=tolerance.metric, distance=distance, threshold=threshold, **sizes))
    return tuple(found)


def _thinned(rows: pa.Table) -> pa.Table:
    """Return rows as they are, or of very many every n-th: their shares are those of all."""
    every = max(1, rows.num_rows // MOST_ROWS)
    return rows if every == 1 else rows.take(pa.array(range(0, rows.num_rows, every)))


def _together(found: Iterable[Served]) -> pa.Table:
    tables = [watched(each) for each in found if each.rows.num_rows]
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
