"""Linear models and principal components as tensors."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.models.learning.learner import EnteringTensor, Estimator, Weights
from penstock.models.learning.lowerings.entering import weighted
from penstock.models.learning.weights import weights_of
from penstock.operations.tensors import Recorder


def lower_scores(t: Recorder, estimator: Estimator, columns: Sequence[EnteringTensor]) -> str:
    """Return the weighted sums: a column for each output."""
    return scores(t, weights_of(estimator), columns)


def lower_linear(t: Recorder, estimator: Estimator, columns: Sequence[EnteringTensor]) -> str:
    """Return the value, or the probability of each class."""
    totals = lower_scores(t, estimator, columns)
    return probabilities(t, totals, estimator.classes) if estimator.classes else totals


def scores(t: Recorder, weights: Weights, columns: Sequence[EnteringTensor]) -> str:
    """Return constants and weighted sums."""
    by_column = [list(zip(*own, strict=True)) for own in zip(*weights.weights, strict=True)]
    constants = t.tensor("float64", weights.constants, (1, len(weights.constants)))
    return t.node("Add", weighted(t, columns, by_column), constants)


def probabilities(t: Recorder, totals: str, classes: int) -> str:
    """Return the probability of each class: one total is the log-odds of the second of two classes."""
    if classes > 2:
        return t.node("Softmax", totals, axis=1)
    second = t.node("Sigmoid", totals)
    return t.node("Concat", t.node("Sub", t.number(1.0), second), second, axis=1)
