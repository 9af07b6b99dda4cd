"""A blessing: whether a model graph is good enough to be used, by metrics with bounds, as a whole and in slices,
against a baseline on the same rows; each check says what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from penstock.core.expression import Expr
from penstock.core.graph import ModelGraph
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.models.graphs import nodes
from penstock.models.graphs.heads import heads_of
from penstock.models.judging import labels
from penstock.models.judging.bounds import bounds_named, checked
from penstock.models.judging.checks import Check, Kind, even, held
from penstock.models.judging.evaluate import judge, labelled_rows
from penstock.models.judging.redrawn import REPLICATES, measured_again, rows_of, times_drawn
from penstock.models.judging.scores import is_rising, measured, with_root
from penstock.models.judging.slicing import sliced
from penstock.models.learning.matrix import Features, Floats, Integers
from penstock.models.predicting.imported import is_imported
from penstock.models.predicting.predict import estimates_of
from penstock.tables import TableLike

Intervals = Literal["bootstrap", "normal"]
Metrics = Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a graph has to be: bounds by metric, the expressions that make slices, how intervals are found, how many
    rows a slice has at least that is held to anything, and the column whose values are groups: rows of one group are
    alike, and do not count as if they told of different things."""

    thresholds: Mapping[str, Mapping[str, Any]]
    slices: Sequence[str | Expr] = ()
    intervals: Intervals | None = None
    confidence: float = 0.95
    min_rows: int = 30
    groups: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows that are judged together (`slice` is "" for all of them): their metrics, those of the baseline, and how both
    came out on rows drawn again."""

    slice: str
    by: str
    rows: int
    metrics: Metrics
    baseline: Metrics | None = None
    again: Sequence[Metrics] = field(default=())
    baseline_again: Sequence[Metrics] = field(default=())


def blessed(graph: ModelGraph, rows: TableLike, asked: Asked, *, baseline: ModelGraph | None = None) -> dict[str, Any]:
    """Judge a graph on rows with labels and hold it against what is asked; plain JSON: `blessed`, `checks`, `metrics`,
    `slices`, `notes`.

    A change against a baseline is not asked where there is none, or where it is the same graph. A slice of fewer rows
    than `min_rows` is told, and held to nothing. Both are noted.
    """
    bounds = {name: checked(f"of '{name}'", each) for name, each in asked.thresholds.items()}
    if not bounds:
        raise DeclarationError("thresholds={} asks for nothing, and would bless any model; name a metric and its bound")
    if not 0 < asked.confidence < 1:
        raise DeclarationError(f"confidence={asked.confidence} is no part of 1; give 0.95, or 0.9")
    parts = list(_parts(graph, rows, asked, baseline, again=asked.intervals is not None or _surely(bounds)))
    whole = parts[0]
    bounds = bounds_named(bounds, whole.metrics)
    checks, notes = _checks(bounds, parts, asked, baseline)
    shown = [_shown(part, asked) for part in parts]
    return {
        "blessed": all(check["passed"] for check in checks),
        "checks": checks,
        "model": graph.name,
        "rows": whole.rows,
        "metrics": shown[0]["metrics"],
        "baseline_metrics": shown[0]["baseline"],
        "intervals": shown[0]["intervals"],
        "slices": shown[1:],
        "confidence": asked.confidence,
        "notes": notes,
    }


def _surely(bounds: Mapping[str, Mapping[str, Any]]) -> bool:
    return any(each.get("sure") for each in bounds.values())


def _parts(
    graph: ModelGraph, rows: TableLike, asked: Asked, baseline: ModelGraph | None, *, again: bool
) -> Iterator[Part]:
    if graph.label is None or is_imported(graph):
        what = "learns without a label" if graph.label is None else "comes as a file"
        raise DeclarationError(f"model '{graph.name}' {what}; a blessing is by metrics of labels: use ps.evaluate")
    table, column = labelled_rows(graph, rows)
    assert column is not None  # noqa: S101  # the graph has a label
    own = _judged(graph, column, estimates_of(graph, table))
    other = None if baseline is None else _comparable(baseline, graph, table)
    groups = None if asked.groups is None else _numbered(table, asked.groups)
    everything: Integers = np.arange(table.num_rows)
    yield _part("", "", everything, own, other, groups=groups, again=again)
    for each in sliced(table, asked.slices):
        enough = len(each.rows) >= asked.min_rows
        yield _part(each.name, each.by, each.rows, own, other, groups=groups, again=again and enough)


def _numbered(table: pa.Table, column: str) -> Integers:
    """Return the number of each row's group."""
    if column not in table.column_names:
        raise UnknownNameError("column", column, table.column_names, within="the rows, to group them by")
    coded = table.column(column).combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(coded.indices.to_numpy(), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Judged:
    """Gives the metrics of some of the rows, by their numbers, and of these drawn again, by how often each was."""

    of: Callable[[Integers], Metrics]
    again: Callable[[Integers, Iterable[Integers]], Sequence[Metrics]]


def _judged(graph: ModelGraph, column: pa.ChunkedArray, estimates: Floats) -> Judged:
    """Return what judges estimates by labels."""
    known, name = nodes.classes(graph), graph.label or ""
    if heads_of(graph) or nodes.is_multilabel(graph):
        none = Features(0, ())

        def of(rows: Integers) -> Metrics:
            return with_root(judge(graph, column.take(pa.array(rows)), none, estimates[rows]))

        return Judged(of, lambda rows, drawings: [of(rows[rows_of(times)]) for times in drawings])
    actual = labels.class_numbers(graph.name, name, known, column) if known else labels.values(graph.name, name, column)
    return Judged(
        lambda rows: measured(actual[rows], estimates[rows], known),
        lambda rows, drawings: measured_again(actual[rows], estimates[rows], known, drawings),
    )


def _comparable(baseline: ModelGraph, graph: ModelGraph, table: pa.Table) -> Judged:
    """Return the baseline as it judges the same rows by the same label."""
    there, column = labelled_rows(baseline, table)
    if column is None or there.num_rows != table.num_rows or is_imported(baseline):
        raise DataError(
            f"model '{graph.name}' cannot be compared with the baseline '{baseline.name}': it does not predict "
            f"'{graph.label}' of the same rows; give a baseline with the same label",
            field=graph.label,
        )
    return _judged(baseline, column, estimates_of(baseline, table))


def _part(
    name: str, by: str, rows: Integers, own: Judged, other: Judged | None, *, groups: Integers | None, again: bool
) -> Part:
    these = None if groups is None else np.unique(groups[rows], return_inverse=True)[1]
    drawn = again and len(rows) > 1
    return Part(
        slice=name,
        by=by,
        rows=len(rows),
        metrics=own.of(rows),
        baseline=None if other is None else other.of(rows),
        again=own.again(rows, times_drawn(len(rows), these)) if drawn else (),
        baseline_again=other.again(rows, times_drawn(len(rows), these)) if drawn and other is not None else (),
    )


def _checks(
    bounds: Mapping[str, Mapping[str, Any]], parts: Sequence[Part], asked: Asked, baseline: ModelGraph | None
) -> tuple[list[Check], list[str]]:
    whole, *slices = parts
    enough = [part for part in slices if part.rows >= asked.min_rows]
    notes = [
        f"slice '{part.slice}' has {part.rows} rows, fewer than min_rows={asked.min_rows}: it is held to nothing"
        for part in slices
        if part.rows < asked.min_rows
    ]
    if baseline is None and any("better_by" in each for each in bounds.values()):
        notes.append("there is no baseline yet: that the model be better than it is not asked")
    checks: list[Check] = []
    for metric, each in bounds.items():
        for part in [whole, *(enough if each.get("every_slice") else ())]:
            checks += _held(metric, each, part, asked)
        if "gap" in each:
            checks += _gaps(metric, each["gap"], enough, asked, notes)
    return checks, notes


def _held(metric: str, bound: Mapping[str, Any], part: Part, asked: Asked) -> Iterator[Check]:
    sure = bool(bound.get("sure"))
    kinds: tuple[Kind, ...] = ("min", "max", "better_by")
    for kind in kinds:
        if kind not in bound or (kind == "better_by" and part.baseline is None):
            continue
        if kind == "better_by":
            value, interval = _gain(part, metric, asked, sure=sure)
        else:
            value, interval = part.metrics.get(metric), _interval(part, metric, asked) if sure else None
        yield held(metric, part.slice, part.rows, value, kind, bound[kind], sure=sure, interval=interval)


def _gaps(metric: str, most: float, parts: Sequence[Part], asked: Asked, notes: list[str]) -> Iterator[Check]:
    if not asked.slices:
        raise DeclarationError(f"the bound of '{metric}' has gap={most}, and there are no slices; give slices=[...]")
    groups: dict[str, dict[str, tuple[float | None, int]]] = {}
    for part in parts:
        groups.setdefault(part.by, {})[part.slice] = (part.metrics.get(metric), part.rows)
    for by, values in groups.items():
        if unknown := [name for name, (value, _) in values.items() if value is None]:
            notes.append(f"{metric} has no value where {', '.join(unknown)}: the gap is that of the other slices")
        if len(values) > 1:
            yield even(metric, by, values, most)
        else:
            notes.append(f"there is one slice of '{by}' with enough rows: no gap of {metric} is asked there")


def _gain(part: Part, metric: str, asked: Asked, *, sure: bool) -> tuple[float | None, tuple[float, float] | None]:
    """Return by how much a metric is better than the baseline's, and the interval of that on the same rows."""
    assert part.baseline is not None  # noqa: S101  # asked by who has one
    gain = _better_by(part.metrics.get(metric), part.baseline.get(metric), metric)
    if not sure:
        return gain, None
    both = zip(part.again, part.baseline_again, strict=True)
    again = [_better_by(one.get(metric), other.get(metric), metric) for one, other in both]
    return gain, _ends(again, gain, asked)


def _better_by(one: float | None, other: float | None, metric: str) -> float | None:
    if one is None or other is None:
        return None
    return one - other if is_rising(metric) else other - one


def _shown(part: Part, asked: Asked) -> dict[str, Any]:
    intervals = {name: _interval(part, name, asked) for name in part.metrics} if part.again else {}
    return {
        "slice": part.slice,
        "rows": part.rows,
        "metrics": dict(part.metrics),
        "baseline": None if part.baseline is None else dict(part.baseline),
        "intervals": {name: list(ends) for name, ends in intervals.items() if ends is not None},
    }


def _interval(part: Part, metric: str, asked: Asked) -> tuple[float, float] | None:
    return _ends([each.get(metric) for each in part.again], part.metrics.get(metric), asked)


def _ends(values: Sequence[float | None], middle: float | None, asked: Asked) -> tuple[float, float] | None:
    """Return the ends of an interval by how a value came out on rows drawn again: the quantiles, or, by a normal
    distribution, so many standard errors around the value itself."""
    known = [value for value in values if value is not None]
    if len(known) < REPLICATES / 2:
        return None  # most drawings have no value: nothing is sure
    out = (1 - asked.confidence) / 2
    if asked.intervals == "normal" and middle is not None:
        width = NormalDist().inv_cdf(1 - out) * float(np.std(known, ddof=1))
        return middle - width, middle + width
    low, high = np.quantile(known, [out, 1 - out])
    return float(low), float(high)
