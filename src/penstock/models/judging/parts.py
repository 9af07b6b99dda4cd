"""How good a model is on rows, and on them without each of twenty parts in turn: by that, how sure a difference is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.models.graphs import nodes
from penstock.models.graphs.signature import inputs_of
from penstock.models.judging.evaluate import judge, labelled_rows
from penstock.models.judging.scores import ROOT, with_root
from penstock.models.learning.matrix import Features, Floats, Integers, shuffled
from penstock.models.predicting.entering import feature_of_each
from penstock.models.predicting.estimators import estimate
from penstock.models.predicting.predict import entering_features
from penstock.tables import TableLike

PARTS = 20

Metrics: TypeAlias = dict[str, float | None]
Judged: TypeAlias = dict[str, Any]
"""`whole`: the metrics of all rows; `without`: those without each part of them. Plain JSON."""


def judged_in_parts(graph: ModelGraph, rows: TableLike) -> Judged:
    """Judge a model on rows with labels; every twentieth row is in a part, because neighbours may be alike."""
    table, column = labelled_rows(graph, rows)
    return _judged(graph, column, estimate(graph, entering_features(graph, inputs_of(graph, table))))


def judged_shuffled(
    graph: ModelGraph, rows: TableLike, groups: Mapping[str, Sequence[str]], *, repeats: int, seed: int
) -> dict[str, Judged]:
    """Judge a model on rows in which the features of a group are those of other rows, each group by its name; in the
    mean of so many repeats.

    The features of a group move together; of an empty one the rows stay as they are. What enters for them is moved,
    not the raw column, which others may read.
    """
    table, column = labelled_rows(graph, rows)
    features = entering_features(graph, inputs_of(graph, table))
    owners, kinds = feature_of_each(graph), nodes.concat(graph).params["kinds"]
    found = {}
    for name, names in groups.items():
        chance = np.random.default_rng(seed)  # the same orders for each group
        repeated = []
        for _ in range(repeats if names else 1):
            order: Integers = chance.permutation(features.rows)
            moved = shuffled(features, kinds, [owner in names for owner in owners], order)
            repeated.append(_judged(graph, column, estimate(graph, moved)))
        found[name] = _mean(repeated)
    return found


def sure(metric: str, one: Judged, other: Judged) -> tuple[float | None, float | None]:
    """Return by how much a metric of one differs from that of the other, on the same rows, and the standard error of
    that, by a jackknife; None where the metric has no value."""
    difference = _less(one["whole"].get(metric), other["whole"].get(metric))
    apart = [
        _less(mine.get(metric), theirs.get(metric))
        for mine, theirs in zip(one["without"], other["without"], strict=False)
    ]
    known = [each for each in apart if each is not None]
    if len(known) < 2 or len(known) < len(apart):
        return difference, None
    return difference, float(np.sqrt((len(known) - 1) * np.var(known)))


def _judged(graph: ModelGraph, column: pa.ChunkedArray | None, estimates: Floats) -> Judged:
    none, rows = Features(0, ()), len(estimates)
    assert column is not None  # noqa: S101 - a model that predicts has a label
    parts = min(PARTS, rows)
    part = np.arange(rows) % parts
    without = []
    for number in range(parts if rows > 1 else 0):
        kept = part != number
        without.append(_with_roots(judge(graph, column.filter(pa.array(kept)), none, estimates[kept])))
    return {"whole": _with_roots(judge(graph, column, none, estimates)), "without": without}


def _with_roots(found: Metrics) -> Metrics:
    """Return metrics with the root of each mean squared error: of labels side by side there are several."""
    made = with_root(found)
    for name, value in found.items():
        label, dot, metric = name.rpartition(".")
        if dot and metric == "mean_squared_error":
            made[f"{label}.{ROOT}"] = None if value is None else math.sqrt(value)
    return made


def _mean(repeated: Sequence[Judged]) -> Judged:
    parts = range(len(repeated[0]["without"]))
    return {
        "whole": _mean_metrics([each["whole"] for each in repeated]),
        "without": [_mean_metrics([each["without"][part] for each in repeated]) for part in parts],
    }


def _mean_metrics(found: Sequence[Metrics]) -> Metrics:
    """Return the mean of each metric, None where one of them has no value."""
    means: Metrics = {}
    for name in found[0]:
        values = [each.get(name) for each in found]
        known = [value for value in values if value is not None]
        means[name] = float(np.mean(known)) if len(known) == len(values) else None
    return means


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
