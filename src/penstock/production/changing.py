"""How far what is served is from what a model has learned from (skew), and from what was served before (drift)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.mapping import FrozenMap
from penstock.errors import DeclarationError, UnknownNameError
from penstock.models.judging.predicted import FACT
from penstock.production.joined import Served, answered
from penstock.production.times import asked_against_before, asked_against_training, comparable, names_of_times
from penstock.production.windows import Window
from penstock.transforms import Cells, Distance, cells, distance_of_cells, kept_cells
from penstock.transforms.distances import total

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
    return {name: each for statistic in kept for name, each in kept_cells(statistic).items()}


def skew(found: Sequence[Served], window: Window, tolerance: Tolerance) -> list[Compared]:
    """Compare the rows of each version in a window with what that version has learned from, and what it says with what
    it said of rows held out then."""
    told = []
    for version in found:
        rows = version.within(window)
        if rows.rows.num_rows:
            before, ends = training_cells(version.graph), comparable(window.end - window.start)
            sides = [_Side(before, each) for each in (asked_against_training(rows, before, ends), answered(rows))]
            changes = _changes(sides, tolerance, names_of_times(rows))
            told.append(Compared(window=window, against="training", version=version.version, changes=changes))
    return told


def drift(found: Sequence[Served], window: Window, tolerance: Tolerance, *, lag: int = 1) -> list[Compared]:
    """Compare the rows of a window, whatever version answered, with those of the window `lag` windows before; what was
    predicted only where one version answered in both: another one says something else of the same rows."""
    both = [(each.within(window.back(lag)), each.within(window)) for each in found]
    if not all(any(pair[side].rows.num_rows for pair in both) for side in (0, 1)):
        return []
    same = [pair for pair in both if all(each.rows.num_rows for each in pair)]
    length = window.end - window.start
    ends = comparable(length, lag * length)
    sides = [
        _Side(cells(_thinned(before)), now, before.num_rows)
        for columns, pairs in ((lambda rows: asked_against_before(rows, ends), both), (answered, same))
        for before, now in _together([(columns(one), columns(other)) for one, other in pairs])
    ]
    known = [name for each in found for name in (*answered(each).column_names, *names_of_times(each))]
    changes = _changes(sides, tolerance, known)
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


@dataclass(frozen=True, slots=True)
class _Side:
    """Values before, as cells, and rows now; how many rows there were before, where the cells do not say it."""

    before: Mapping[str, Cells]
    now: pa.Table
    rows_before: int | None = None


def _changes(sides: Sequence[_Side], tolerance: Tolerance, known: Sequence[str] = ()) -> tuple[Change, ...]:
    """Return the changes of what both sides have, or of the features that are named; of those `known` some may be on
    neither side just now."""
    found: dict[str, Change] = {}
    for side in sides:
        edges = {name: each["edges"] for name, each in side.before.items() if each["kind"] == "numbers"}
        there = side.now.select([name for name in side.now.column_names if name in side.before])
        for name, now in cells(_thinned(there), edges).items():
            if side.before[name]["kind"] == now["kind"]:
                found[name] = _change(name, side, now, tolerance)
    names = dict.fromkeys([*found, *known])
    if odd := [name for name in (*tolerance.features, *tolerance.thresholds) if name not in names]:
        raise UnknownNameError("feature", odd[0], names, within="what is compared")
    return tuple(found[name] for name in tolerance.features or found if name in found)


def _change(name: str, side: _Side, now: Cells, tolerance: Tolerance) -> Change:
    before, rows = side.before[name], side.now.num_rows
    rows_before = total(before) if side.rows_before is None else side.rows_before
    threshold = float(tolerance.thresholds.get(name, tolerance.over))
    distance = distance_of_cells(before, now, tolerance.metric)
    is_above = min(rows, rows_before) >= tolerance.minimum and distance > threshold
    told: Any = {"metric": tolerance.metric, "distance": distance, "threshold": threshold, "rows": rows}
    return Change(feature=name, rows_before=rows_before, is_above=is_above, **told)


def _thinned(rows: pa.Table) -> pa.Table:
    """Return rows as they are, or of very many every n-th: their shares are those of all."""
    every = max(1, rows.num_rows // MOST_ROWS)
    return rows if every == 1 else rows.take(pa.array(range(0, rows.num_rows, every)))


def _together(versions: Sequence[tuple[pa.Table, pa.Table]]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield tables of rows before and now, put together from those of versions: each column from the versions that have
    it, in the type of the newest one. What an older one had under that name in another type is something else."""
    kinds = {field.name: _kind(field.type) for pair in versions for each in pair for field in each.schema}
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, kind in kinds.items():
        having = (at for at, (_, now) in enumerate(versions) if _kind_of(now, name) == kind)
        groups.setdefault(tuple(having), []).append(name)
    for group, names in groups.items():
        before, now = ([versions[at][side].select(names) for at in group] for side in (0, 1))
        yield tuple(pa.concat_tables(each, promote_options="permissive") for each in (before, now))


def _kind_of(rows: pa.Table, name: str) -> str:
    return _kind(rows.schema.field(name).type) if name in rows.column_names else ""


def _kind(type: pa.DataType) -> str:
    """Return what a column is counted as: values of one kind can be put together."""
    return "number" if pa.types.is_integer(type) or pa.types.is_floating(type) else str(type)
