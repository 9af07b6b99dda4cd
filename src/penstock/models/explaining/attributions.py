"""What features add to what a model estimates: of one model, and, along the routes of a cascade, of the stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from penstock.core.graph import ModelGraph
from penstock.errors import DataError
from penstock.models.graphs import nodes
from penstock.models.graphs.heads import heads_of
from penstock.models.learning.learner import Attribute, Task
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.matrix import PLAIN, Features, Floats, Integers, rows_of, spread
from penstock.models.predicting.entering import feature_of_each
from penstock.models.predicting.estimators import estimator_of, method_of

STEPS = 15
"""How many steps integrated gradients take, unless told otherwise: BigQuery's default."""

_NUMBERS_AT_ONCE = 1 << 22
_LEARNED = tuple(type for type, learner in LEARNERS.items() if learner.method is not None and learner.method.attribute)
_REASONS: dict[Task, str] = {
    "clustering": "the nearest centroid is no sum to which features add; ML.CENTROIDS says what each cluster is like",
    "reduction": "it predicts nothing; ML.PRINCIPAL_COMPONENTS says what each component is made of",
    "transform": "it predicts nothing",
    "imported": "what is in its file is not known",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """What features add to the scores of some rows: `baselines` of the scores, `scores` (rows, scores), and `parts`
    (rows, scores, features). Of two classes there is one score: the second's, the negative of which is the first's. Of
    several labels those of all stand side by side, see `aims`."""

    baselines: Floats
    scores: Floats
    parts: Floats


def check_explainable(graph: ModelGraph) -> Attribute:
    """Return how the graph's estimator attributes; `DataError` saying why where it does not."""
    type = graph.facts["type"]
    learner = LEARNERS[type]
    method = method_of(graph) if graph.of("estimator") else learner.method
    if method is None or method.attribute is None:
        raise DataError(
            f"model '{graph.name}' ({type}) has no explanations: {_REASONS[learner.task]}; models of these types do: "
            f"{', '.join(_LEARNED)}"
        )
    return method.attribute


def explained(graph: ModelGraph, features: Features, *, steps: int = STEPS) -> Explained:
    """Return what each declared feature adds to each score; what a feature was expanded into counts together."""
    found = check_explainable(graph)(estimator_of(graph), features, steps=steps)
    names = feature_names(graph)
    if found.features:
        own = [found.features.index(name) for name in names]
        return Explained(found.baselines, found.scores, found.parts[:, :, own])
    owners = feature_of_each(graph)
    parts = np.zeros((*found.scores.shape, len(names)))
    for column, owner in enumerate(owners):  # one after the other: a row alone then gives the same bits
        parts[:, :, names.index(owner)] += found.parts[:, :, column]
    return Explained(found.baselines, found.scores, parts)


def feature_names(graph: ModelGraph) -> list[str]:
    """Return the declared features, in the order in which attributions stand."""
    return list(dict.fromkeys(feature_of_each(graph)))


def of_class(found: Explained, chosen: Integers) -> Explained:
    """Return, of each row, what explains the score of one class alone: the baselines are then one for each row."""
    rows = np.arange(len(chosen))
    if found.scores.shape[1] > 1:
        return Explained(found.baselines[chosen], found.scores[rows, chosen], found.parts[rows, chosen])
    sign = np.where(chosen == 1, 1.0, -1.0)
    return Explained(found.baselines[0] * sign, found.scores[:, 0] * sign, found.parts[:, 0] * sign[:, np.newaxis])


def blocks(features: Features, graph: ModelGraph) -> Iterator[Features]:
    """Yield rows in blocks whose attributions fit well into memory; at least one block, were it of no rows."""
    params = nodes.concat(graph).params
    plain = [width for kind, width in zip(params["kinds"], params["widths"], strict=True) if kind in PLAIN]
    columns = sum(spread(features, plain))
    outputs = sum(head.numbers for head in heads_of(graph)) or len(nodes.classes(graph) or nodes.several_classes(graph))
    height = max(1, _NUMBERS_AT_ONCE // ((columns + 1) * max(1, outputs)))
    for start in range(0, max(features.rows, 1), height):
        yield rows_of(features, slice(start, start + height))
