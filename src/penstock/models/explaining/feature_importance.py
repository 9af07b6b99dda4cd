"""How much each declared feature counts in trees, as a table."""

from __future__ import annotations

import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Schema
from penstock.models.learning.learner import Importance, Method
from penstock.models.predicting.entering import feature_of_each, method_that
from penstock.models.predicting.estimators import estimator_of
from penstock.tables import arrow_schema

IMPORTANCE = Schema.of(
    feature="string", importance_weight="float64", importance_gain="float64", importance_cover="float64"
)
"""The columns of the importance of features, by BigQuery's names."""


def importance_schema(graph: ModelGraph) -> Schema:
    """Return the columns of the importance; `DataError` for a model that is not made of trees."""
    _method(graph)
    return IMPORTANCE


def importance_table(graph: ModelGraph) -> pa.Table:
    """Return a row for each feature as it was declared: how often trees split by it, and in the mean the gain of such a
    split and the rows that reach it. What a feature was expanded into counts together."""
    method = _method(graph)
    assert method.importance is not None  # noqa: S101 - a method without is refused
    found: dict[str, list[Importance]] = {}
    for feature, each in zip(feature_of_each(graph), method.importance(estimator_of(graph)), strict=True):
        found.setdefault(feature, []).append(each)
    rows = [_row(feature, parts) for feature, parts in found.items()]
    return pa.Table.from_pylist(rows, schema=arrow_schema(IMPORTANCE))


def _row(feature: str, parts: list[Importance]) -> dict[str, object]:
    splits = sum(part.weight for part in parts)
    gain = sum(part.weight * part.gain for part in parts)
    cover = sum(part.weight * part.cover for part in parts)
    return {
        "feature": feature,
        "importance_weight": float(splits),
        "importance_gain": gain / max(splits, 1),
        "importance_cover": cover / max(splits, 1),
    }


def _method(graph: ModelGraph) -> Method:
    return method_that(
        graph, "importance of features", lambda learner: learner.method is not None and bool(learner.method.importance)
    )
