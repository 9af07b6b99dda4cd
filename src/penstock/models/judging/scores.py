"""Metrics held against each other: which way is better, and what an error is in the label's own unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.models.judging import metrics
from penstock.models.learning.matrix import Floats

ROOT = "root_mean_squared_error"
"""What BigQuery does not list: the root of its mean_squared_error, in the label's own unit."""

_MICRO = ("precision_micro", "recall_micro", "f1_micro")
HIGHER_IS_BETTER = frozenset(
    {"r2_score", "explained_variance", "precision", "recall", "accuracy", "f1_score", "roc_auc", *_MICRO}
)
_LOWER_IS_BETTER = frozenset(
    {ROOT, "log_loss", "loss", "eval_loss", "mae", "mse", "rmse", "davies_bouldin_index", "expected_calibration_error"}
) | {name for name in metrics.REGRESSION if name.endswith("_error")}


def is_rising(metric: str) -> bool:
    """Tell whether more is better; of labels side by side, of `kind.accuracy`."""
    return metric.rpartition(".")[2] in HIGHER_IS_BETTER


def falls(metric: str) -> bool:
    """Tell whether less is known to be better; of what is neither known to rise nor to fall, nobody knows."""
    return metric.rpartition(".")[2] in _LOWER_IS_BETTER


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
    return finite(found)


def finite(found: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics with the root, and None where one has no value."""
    return with_root({name: value if math.isfinite(value) else None for name, value in found.items()})
