"""Why a model predicts what it predicts: what each declared feature adds to the prediction of a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema
from penstock.errors import DataError, DeclarationError
from penstock.models import nodes
from penstock.models.entering import feature_of_each
from penstock.models.estimators import estimate, estimator_of
from penstock.models.learner import Attribute, Task
from penstock.models.learners import LEARNERS
from penstock.models.matrix import Features, Floats, Integers, rows_of, spread
from penstock.models.metrics import predicted_classes
from penstock.models.outcomes import OUTCOMES
from penstock.models.predict import check_threshold, entering_features
from penstock.models.signature import check_free, inputs_of
from penstock.tables import TableLike, arrow_schema, to_arrow

TOP = 5
"""How many features an explanation names, unless told otherwise: BigQuery's default."""
STEPS = 15
"""How many steps integrated gradients take, unless told otherwise: BigQuery's default."""

_NUMBERS_AT_ONCE = 1 << 22
_ROUNDING = 1e-11  # of the sizes that are added up: what is left over below that is no error of the method
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
    (rows, scores, features). Of two classes there is one score: the second's, the negative of which is the first's."""

    baselines: Floats
    scores: Floats
    parts: Floats


def explanation_schema(graph: ModelGraph) -> Schema:
    """Return the columns that explain a prediction, by BigQuery's names; `DataError` where the model cannot do it."""
    check_explainable(graph)
    predicted = graph.signature.outputs.fields[0]
    probability = (Field("probability", "float64"),) if nodes.classes(graph) else ()
    return Schema(
        (
            predicted,
            *probability,
            Field("top_feature_attributions", "array<struct<feature string, attribution float64>>"),
            Field("baseline_prediction_value", "float64"),
            Field("prediction_value", "float64"),
            Field("approximation_error", "float64"),
        )
    )


def explain(
    graph: ModelGraph, rows: TableLike, *, top: int = TOP, threshold: float | None = None, steps: int = STEPS
) -> pa.Table:
    """Return what is predicted of each row and why, then the rows as they were given.

    `prediction_value` is the value of a regression, or the score of the predicted label: of two labels its log-odds, of
    more what softmax makes probabilities of. `baseline_prediction_value` is that score where nothing is known of the
    row, and `top_feature_attributions` are the features that lead from the one to the other, the `top` most important
    of them: all together add up to the difference. What is left of it, as a part of it, is the `approximation_error`: 0
    for linear models and trees, whose attributions are exact; networks take more `steps` to make it smaller.

    Raises `DataError` naming what a row lacks, or why a model of this type has no explanations.
    """
    schema = explanation_schema(graph)
    if top < 1:
        raise DeclarationError(f"model '{graph.name}': top={top} features explain nothing; give 1 or more")
    check_threshold(graph.name, nodes.classes(graph), threshold)
    given = to_arrow(rows)
    check_free(graph, given, schema.names)
    features = entering_features(graph, inputs_of(graph, given))
    tables = [_told(graph, block, schema, top, threshold, steps) for block in blocks(features, graph)]
    told = pa.concat_tables(tables)
    return pa.table([*told.columns, *given.columns], names=[*schema.names, *given.column_names])


def check_explainable(graph: ModelGraph) -> Attribute:
    """Return how the graph's estimator attributes; `DataError` saying why where it does not."""
    type = graph.facts["type"]
    learner = LEARNERS[type]
    if learner.method is None or learner.method.attribute is None:
        raise DataError(
            f"model '{graph.name}' ({type}) has no explanations: {_REASONS[learner.task]}; models of these types do: "
            f"{', '.join(_LEARNED)}"
        )
    return learner.method.attribute


def explained(graph: ModelGraph, features: Features, *, steps: int = STEPS) -> Explained:
    """Return what each declared feature adds to each score; what a feature was expanded into counts together."""
    found = check_explainable(graph)(estimator_of(graph), features, steps=steps)
    owners, names = feature_of_each(graph), feature_names(graph)
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
    columns = sum(spread(features, nodes.concat(graph).params["widths"]))
    height = max(1, _NUMBERS_AT_ONCE // ((columns + 1) * max(1, len(nodes.classes(graph)))))
    for start in range(0, max(features.rows, 1), height):
        yield rows_of(features, slice(start, start + height))


def _told(
    graph: ModelGraph, features: Features, schema: Schema, top: int, threshold: float | None, steps: int
) -> pa.Table:
    estimates = estimate(graph, features)
    found = explained(graph, features, steps=steps)
    columns = OUTCOMES[LEARNERS[graph.facts["type"]].task].columns(graph, estimates, threshold)[:1]
    chosen = np.ones(features.rows, dtype=np.int64)
    if nodes.classes(graph):
        chosen = predicted_classes(estimates, threshold)
        columns.append(pa.array(estimates[np.arange(features.rows), chosen]))
    told = of_class(found, chosen)
    columns += [
        _top(told.parts, feature_names(graph), top),
        pa.array(told.baselines),
        pa.array(told.scores),
        pa.array(_errors(told)),
    ]
    return pa.table(columns, schema=arrow_schema(schema))


def _top(parts: Floats, names: list[str], top: int) -> pa.Array:
    """Return a list for each row: its features with what they add, those that add or take the most first."""
    count = min(top, len(names))
    ranked = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :count]
    pairs = pa.StructArray.from_arrays(
        [
            pa.array(names, pa.string()).take(pa.array(ranked.ravel())),
            pa.array(np.take_along_axis(parts, ranked, axis=1).ravel()),
        ],
        names=["feature", "attribution"],
    )
    return pa.ListArray.from_arrays(pa.array(np.arange(len(parts) + 1, dtype=np.int32) * np.int32(count)), pairs)


def _errors(told: Explained) -> Floats:
    """Return what the attributions leave of the way from the baseline to the score, as a part of it."""
    way = told.scores - told.baselines
    left = np.abs(way - told.parts.sum(axis=1))
    sizes = np.abs(told.scores) + np.abs(told.baselines) + np.abs(told.parts).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(left <= _ROUNDING * sizes, 0.0, left / np.abs(way))
