"""The weights of a linear model as a table: of the numbers as they are, or of the standardized ones."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema
from penstock.models.fitting.trials import trial_field, trial_value
from penstock.models.graphs import nodes
from penstock.models.learning.learner import SUPERVISED, Method
from penstock.models.predicting.entering import entering_columns, method_that
from penstock.models.predicting.estimators import estimator_of
from penstock.tables import arrow_schema

_WEIGHTS = Schema.of(
    processed_input="string",
    weight="float64",
    category_weights="array<struct<category string, weight float64>>",
)
INTERCEPT = "__INTERCEPT__"
"""The input that the constant of a linear model is told of, by BigQuery's name."""


def weights_schema(graph: ModelGraph) -> Schema:
    """Return the columns of the weights, by BigQuery's names; `DataError` for a model that has none.

    `class_label` is there where there are more than two labels: each of them has its own weights; `trial_id` where the
    model was tuned.
    """
    _method(graph)
    of_class = (Field("class_label", "string"),) if len(nodes.classes(graph)) > 2 else ()
    return Schema((*trial_field(graph), *_WEIGHTS, *of_class))


def weights_table(graph: ModelGraph, *, standardize: bool = False) -> pa.Table:
    """Return a row for each part of a feature that has a weight, and one for the constant, `__INTERCEPT__`.

    With `standardize` the weights are those of numbers less their mean, by their deviation, and can be compared.
    Otherwise they are those of the numbers themselves: constant and weights times features is the same sum. Of the
    categories that training saw each has a weight, and NULL (its category is NULL) has one.
    """
    method, schema, columns = _method(graph), weights_schema(graph), entering_columns(graph)
    assert method.weights is not None  # noqa: S101 - a method without is refused
    learned = method.weights(estimator_of(graph))
    labels = nodes.classes(graph) if len(nodes.classes(graph)) > 2 else (None,)
    rows: list[dict[str, Any]] = []
    for label, constant, weights in zip(labels, learned.constants, learned.weights, strict=True):
        intercept = constant
        apart = {**trial_value(graph), **({} if label is None else {"class_label": str(label)})}
        for column, values in zip(columns, weights, strict=True):
            if column.kind == "number":
                weight = values[0] if standardize else values[0] / column.deviation
                intercept -= 0.0 if standardize else weight * column.mean
                rows.append({"processed_input": column.name, "weight": weight, "category_weights": [], **apart})
            else:
                named = [{"category": text, "weight": values[index]} for index, text in column.categories]
                rows.append({"processed_input": column.name, "weight": None, "category_weights": named, **apart})
        rows.append({"processed_input": INTERCEPT, "weight": intercept, "category_weights": [], **apart})
    return pa.Table.from_pylist(rows, schema=arrow_schema(schema))


def _method(graph: ModelGraph) -> Method:
    return method_that(
        graph,
        "weights",
        lambda learner: learner.task in SUPERVISED and learner.method is not None and bool(learner.method.weights),
    )
