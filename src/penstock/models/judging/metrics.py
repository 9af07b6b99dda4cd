"""Metrics by BigQuery ML's names, with scikit-learn's meaning."""

from __future__ import annotations

import numpy as np

from penstock.models.learning.matrix import Flags, Floats, Integers

REGRESSION = (
    "mean_absolute_error", "mean_squared_error", "mean_squared_log_error", "median_absolute_error", "r2_score",
    "explained_variance",
)  # fmt: skip
"""The names of what judges a regression, as BigQuery has them."""
CLASSIFICATION = ("precision", "recall", "accuracy", "f1_score", "log_loss", "roc_auc")
"""The names of what judges a classifier."""


def regression(actual: Floats, predicted: Floats) -> dict[str, float]:
    """Judge predicted values. The squared log error of values not above -1 has no meaning: it is NaN."""
    with np.errstate(over="ignore", invalid="ignore"):  # the square of 1e200 is inf, and that is the answer
        return _regression(actual, predicted)


def _regression(actual: Floats, predicted: Floats) -> dict[str, float]:
    error = actual - predicted
    squares = float(error @ error)
    deviation = actual - actual.mean()
    spread = float(deviation @ deviation)
    unexplained = error - error.mean()
    return {
        "mean_absolute_error": float(np.abs(error).mean()),
        "mean_squared_error": squares / len(error),
        "mean_squared_log_error": _squared_log_error(actual, predicted),
        "median_absolute_error": float(np.median(np.abs(error))),
        "r2_score": _explained(squares, spread),
        "explained_variance": _explained(float(unexplained @ unexplained), spread),
    }


def _squared_log_error(actual: Floats, predicted: Floats) -> float:
    if min(actual.min(), predicted.min()) <= -1.0:
        return float("nan")
    return float(np.mean((np.log1p(actual) - np.log1p(predicted)) ** 2))


def _explained(left: float, spread: float) -> float:
    """As scikit-learn: of values that are all equal, nothing is left to explain only if the prediction is perfect."""
    if spread == 0.0:
        return 1.0 if left == 0.0 else 0.0
    return 1.0 - left / spread


def classification(actual: Integers, probabilities: Floats, threshold: float | None = None) -> dict[str, float]:
    """Judge the probabilities of classes; `actual` holds class numbers.

    With two classes precision, recall and f1_score are those of the second, predicted above a threshold of 0.5 if no
    other is given; with more they are the mean over the classes that are there.
    """
    predicted = predicted_classes(probabilities, threshold)
    classes = probabilities.shape[1]
    judged = [1] if classes == 2 else sorted({*actual.tolist(), *predicted.tolist()})
    scores = np.array([of_class(actual == number, predicted == number) for number in judged])
    precision, recall, f1 = scores.mean(axis=0).tolist()
    return {
        "precision": precision,
        "recall": recall,
        "accuracy": float((actual == predicted).mean()),
        "f1_score": f1,
        "log_loss": float(log_losses(actual, probabilities).mean()),
        "roc_auc": _roc_auc(actual, probabilities),
    }


def predicted_classes(probabilities: Floats, threshold: float | None = None) -> Integers:
    """Return the number of the class that each row is said to be: the most probable; of two, the second above it."""
    if threshold is None:
        return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
    return np.asarray(probabilities[:, 1] > threshold, dtype=np.int64)


def of_class(actual: Flags, predicted: Flags) -> tuple[float, float, float]:
    """Return precision, recall and F1 of a class; where nothing is said, or nothing there, 0."""
    right, said, there = (float(flags.sum()) for flags in (actual & predicted, predicted, actual))
    return (
        right / said if said else 0.0,
        right / there if there else 0.0,
        2 * right / (said + there) if said + there else 0.0,
    )


def log_losses(actual: Integers, probabilities: Floats) -> Floats:
    """Return the logarithmic loss of each row."""
    tiny = np.finfo(np.float64).eps
    return np.asarray(-np.log(np.clip(probabilities[np.arange(len(actual)), actual], tiny, 1 - tiny)))


def _roc_auc(actual: Integers, probabilities: Floats) -> float:
    """Return the area under the curve, the mean over one class against the rest; NaN where a class is all or none."""
    judged = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    return float(np.mean([area(actual == number, probabilities[:, number]) for number in judged]))


def area(positive: Flags, score: Floats) -> float:
    """Return the chance that a positive row scores above a negative one, a tie counting half."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    _, group, size = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(size) - (size - 1) / 2
    return float((mean_rank[group[positive]].sum() - positives * (positives + 1) / 2) / (positives * negatives))
