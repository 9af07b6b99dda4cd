"""Centroids and principal components as tables: a row for each of them and each part of a feature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Schema
from penstock.errors import DataError
from penstock.models.fitting.trials import trial_field, trial_value
from penstock.models.learning.learner import Method
from penstock.models.predicting.entering import EnteringColumn, entering_columns, method_that
from penstock.models.predicting.estimators import estimator_of
from penstock.tables import arrow_schema

_PART = {
    "feature": "string",
    "numerical_value": "float64",
    "categorical_value": "array<struct<category string, value float64>>",
}
CENTROIDS = Schema.of(centroid_id="int64", **_PART)
"""The columns of centroids, by BigQuery's names."""
COMPONENTS = Schema.of(principal_component_id="int64", **_PART)
"""The columns of principal components, by BigQuery's names."""
COMPONENT_INFO = Schema.of(
    principal_component_id="int64",
    eigenvalue="float64",
    explained_variance_ratio="float64",
    cumulative_explained_variance_ratio="float64",
)
"""The columns of what is known of principal components, by BigQuery's names."""


def centroid_schema(graph: ModelGraph) -> Schema:
    """Return the columns of centroids, of a tuned model `trial_id` too; `DataError` for a model without clusters."""
    _clusters(graph)
    return Schema((*trial_field(graph), *CENTROIDS))


def centroid_table(graph: ModelGraph, *, standardize: bool = False) -> pa.Table:
    """Return the middle of each cluster. With `standardize`, numbers are less their mean, by their deviation.

    Raises `DataError` where that is asked of a model whose numbers were not standardized.
    """
    method, columns = _clusters(graph), entering_columns(graph)
    assert method.centroids is not None  # noqa: S101 - a method without is refused
    unscaled = [column.name for column in columns if column.kind == "number" and not column.scaled]
    if standardize and unscaled:
        raise DataError(
            f"model '{graph.name}' was made with standardize_features=False, so {', '.join(unscaled)} have no "
            "standardized form; leave standardize out"
        )
    rows = [
        {**trial_value(graph), "centroid_id": number, **part}
        for number, centroid in enumerate(method.centroids(estimator_of(graph)).values, 1)
        for part in _parts(columns, centroid, as_they_are=not standardize)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(centroid_schema(graph)))


def component_schema(graph: ModelGraph) -> Schema:
    """Return the columns of principal components; `DataError` for a model without."""
    _components(graph)
    return COMPONENTS


def component_table(graph: ModelGraph) -> pa.Table:
    """Return the direction of each principal component, of the numbers as they enter: scaled, unless the model was made
    otherwise."""
    method, columns = _components(graph), entering_columns(graph)
    assert method.weights is not None  # noqa: S101 - a method without is refused
    rows = [
        {"principal_component_id": number, **part}
        for number, direction in enumerate(method.weights(estimator_of(graph)).weights, 1)
        for part in _parts(columns, direction, as_they_are=False)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(COMPONENTS))


def component_info_schema(graph: ModelGraph) -> Schema:
    """Return the columns of what is known of principal components; `DataError` for a model without."""
    _components(graph)
    return COMPONENT_INFO


def component_info(graph: ModelGraph) -> pa.Table:
    """Return of each principal component the variance along it, and which part of the whole it is."""
    _components(graph)
    rows = [dict(each) for each in graph.facts["learner"]["components"]]
    return pa.Table.from_pylist(rows, schema=arrow_schema(COMPONENT_INFO))


def _parts(
    columns: Sequence[EnteringColumn], point: Sequence[Sequence[float]], *, as_they_are: bool
) -> Iterator[dict[str, Any]]:
    for column, values in zip(columns, point, strict=True):
        if column.kind == "number":
            number = values[0] * column.deviation + column.mean if as_they_are else values[0]
            yield {"feature": column.name, "numerical_value": number, "categorical_value": []}
        else:
            named = [{"category": text, "value": values[index]} for index, text in column.categories]
            yield {"feature": column.name, "numerical_value": None, "categorical_value": named}


def _clusters(graph: ModelGraph) -> Method:
    return method_that(
        graph, "centroids", lambda learner: learner.method is not None and learner.method.centroids is not None
    )


def _components(graph: ModelGraph) -> Method:
    return method_that(graph, "principal components", lambda learner: learner.task == "reduction")
