"""Metrics held against each other: which way is better, what an error is in the label's own unit, and by how much the
metrics of two models of the same rows would differ by chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock.models.judging import metrics
from penstock.models.learning.matrix import Floats, Integers

ROOT = "root_mean_squared_error"
"""What BigQuery does not list: the root of its mean_squared_error, in the label's own unit."""

_MICRO = ("precision_micro", "recall_micro", "f1_micro")
HIGHER_IS_BETTER = frozenset(
    {"r2_score", "explained_variance", "precision", "recall", "accuracy", "f1_score", "roc_auc", *_MICRO}
)
_PARTS = 20


def is_rising(metric: str) -> bool:
    """Tell whether more is better; of labels side by side, of `kind.accuracy`."""
    return metric.rpartition(".")[2] in HIGHER_IS_BETTER


def with_root(found: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return metrics with the root of the mean squared error behind it."""
    squared = found.get("mean_squared_error")
    root = {} if squared is None else {ROOT: math.sqrt(squared)}
    return {**found, **root}


def measured(labels: Any, estimates: Floats, classes: Sequence[Any]) -> dict[str, float | None]:
    """Return the metrics of estimates, held against values or, where there are classes, their numbers; None where one
    has no value. Of no rows there are none."""
    if not len(labels):
        return {}
    found = metrics.classification(labels, estimates) if classes else metrics.regression(labels, estimates[:, 0])
    return with_root({name: value if math.isfinite(value) else None for name, value in found.items()})


def standard_error(
    metric: str, labels: Any, one: Floats, other: Floats, classes: Sequence[Any], groups: Integers | None = None
) -> float | None:
    """Return the standard error of the difference between the metrics that two models have of the same rows; None where
    it has no value.

    By a jackknife that leaves out one of twenty parts of the rows at a time, so that it is one way for all metrics;
    every twentieth row is in a part, because neighbours may be alike, or every twentieth of the `groups`, whole.
    """
    units = np.arange(len(labels)) if groups is None else groups
    parts = min(_PARTS, len(np.unique(units)))
    if parts < 2:
        return None
    part, differences = units % parts, []
    for number in range(parts):
        kept = part != number
        both = [measured(labels[kept], estimates[kept], classes).get(metric) for estimates in (one, other)]
        if both[0] is None or both[1] is None:
            return None
        differences.append(both[0] - both[1])
    return float(np.sqrt((parts - 1) * np.var(differences)))
