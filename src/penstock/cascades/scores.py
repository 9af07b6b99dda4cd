"""The metrics that judge a cascade, of which task each is, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Mapping

ROOT = "root_mean_squared_error"
"""What BigQuery does not list: the root of its mean_squared_error, in the label's own unit."""

METRICS_OF = {
    **dict.fromkeys(
        (
            "mean_absolute_error", "mean_squared_error", ROOT, "mean_squared_log_error", "median_absolute_error",
            "r2_score", "explained_variance",
        ),
        "regression",
    ),
    **dict.fromkeys(("precision", "recall", "accuracy", "f1_score", "log_loss", "roc_auc"), "classification"),
}  # fmt: skip
_RISING = ("r2_score", "explained_variance", "precision", "recall", "accuracy", "f1_score", "roc_auc")


def task_of_metric(metric: str) -> str:
    """Return what a metric judges: a regression or a classification."""
    return METRICS_OF[metric]


def is_rising(metric: str) -> bool:
    """Tell whether more is better."""
    return metric in _RISING


def with_root(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return metrics with the root of the mean squared error behind it."""
    squared = metrics.get("mean_squared_error")
    root = {} if squared is None else {ROOT: math.sqrt(squared)}
    return {**metrics, **root}
