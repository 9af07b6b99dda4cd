"""The metrics that may judge a cascade, and of which task each is."""

from __future__ import annotations

from penstock.models.judging.scores import ROOT

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


def task_of_metric(metric: str) -> str:
    """Return what a metric judges: a regression or a classification."""
    return METRICS_OF[metric]
