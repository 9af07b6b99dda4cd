"""How much each feature counts, as its learner tells: by the gain of trees, or by the weights of linear models."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from penstock.core.graph import ModelGraph
from penstock.models.graphs import nodes
from penstock.models.learning.learner import SUPERVISED, Learner, Method
from penstock.models.predicting.entering import EnteringColumn, entering_columns, feature_of_each, method_that
from penstock.models.predicting.estimators import estimator_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How much each feature counts, the most first. `measure` says what the numbers are, and in what unit."""

    measure: str
    features: tuple[tuple[str, float], ...]


def ranking(graph: ModelGraph) -> Ranking:
    """Return how much each declared feature counts; what it was expanded into counts together.

    In trees that is its share of the gain of all splits, in percent. In a linear model it is by how much one standard
    deviation of the feature moves the prediction: the absolute weight of a standardized number, and of a category or
    a list the deviation of the weights of its values. Parts of a feature add up as deviations do, and of more than two
    classes it is the mean. Raises `DataError` for a model that has neither.
    """
    method = method_that(graph, "importance to rank features by", _ranks)
    if method.importance is not None:
        measure, counted = "Share of the gain of all splits (%)", _gains(graph, method)
    else:
        measure, counted = f"Change of {_moved(graph)} by one standard deviation of the feature", _moves(graph, method)
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return Ranking(measure=measure, features=tuple(ordered))


def _ranks(learner: Learner) -> bool:
    method = learner.method
    return method is not None and learner.task in SUPERVISED and bool(method.importance or method.weights)


def _gains(graph: ModelGraph, method: Method) -> dict[str, float]:
    assert method.importance is not None  # noqa: S101 - asked for where it is there alone
    gains: dict[str, float] = defaultdict(float)
    for feature, part in zip(feature_of_each(graph), method.importance(estimator_of(graph)), strict=True):
        gains[feature] += part.weight * part.gain
    whole = sum(gains.values())
    return {feature: 100 * gain / whole if whole else 0.0 for feature, gain in gains.items()}


def _moves(graph: ModelGraph, method: Method) -> dict[str, float]:
    assert method.weights is not None  # noqa: S101 - asked for where it is there alone
    learned = method.weights(estimator_of(graph)).weights
    squares: dict[str, float] = defaultdict(float)
    of_class: dict[str, list[float]] = defaultdict(list)
    for weights in learned:
        squares.clear()
        for column, values in zip(entering_columns(graph), weights, strict=True):
            squares[column.feature] += _move(column, values) ** 2
        for feature, square in squares.items():
            of_class[feature].append(math.sqrt(square))
    return {feature: sum(moves) / len(learned) for feature, moves in of_class.items()}


def _move(column: EnteringColumn, values: tuple[float, ...]) -> float:
    if column.kind == "number":
        return abs(values[0])
    # NULL that no row of the training had has the weight 0, which says nothing.
    told = [values[index] for index, name in column.categories if name is not None or values[index] != 0.0]
    return float(np.std(told)) if told else 0.0


def _moved(graph: ModelGraph) -> str:
    match len(nodes.classes(graph)):
        case 0:
            return f"predicted {graph.label}"
        case 2:
            return f"the log-odds of {graph.label} = {nodes.classes(graph)[1]}"
    return f"the scores of {graph.label}, in the mean of its classes"
