"""What a graph tells of how it was learned: the columns that it read, its iterations, its features for other rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from penstock.core.expression import Expr, columns_of
from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.models.graphs import nodes
from penstock.models.graphs.signature import inputs_of
from penstock.models.judging.labels import label_column
from penstock.models.routing import check_no_cascade
from penstock.operations import col, type_of
from penstock.operations.notation import expression_from_json
from penstock.tables import arrow_schema, schema_of, to_arrow
from penstock.transforms import apply

if TYPE_CHECKING:
    from penstock.tables import TableLike
    from penstock.transforms import Distribution

FEATURES = Schema.of(
    input="string",
    min="float64",
    max="float64",
    mean="float64",
    median="float64",
    stddev="float64",
    category_count="int64",
    null_count="int64",
    dimension="int64",
)
"""The columns of what is known of the inputs, by BigQuery's names."""

ITERATIONS = Schema.of(
    training_run="int64",
    iteration="int64",
    loss="float64",
    eval_loss="float64",
    learning_rate="float64",
    duration_ms="int64",
)
"""The columns of the iterations of a training, by BigQuery's names."""


def feature_info(graph: ModelGraph) -> pa.Table:
    """Return a row for each raw column that the model reads: measures of the rows that it learned from."""
    rows = [
        {
            **{name: column.get(name) for name in ("min", "max", "mean", "median", "stddev", "dimension")},
            "input": column["name"],
            "category_count": column.get("categories"),
            "null_count": column["nulls"],
        }
        for column in _statistics(graph)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(FEATURES))


def training_info(graph: ModelGraph) -> pa.Table:
    """Return a row for each iteration of the learner, the first being 0; `loss` is that of the training rows.

    `duration_ms` is NULL: the same rows and options give the same graph, and no two trainings take as long.
    """
    check_no_cascade(graph, "iterations", lambda stage: bool(stage.facts["learner"].get("training")))
    rows = [
        {**{name: entry.get(name) for name in ITERATIONS.names}, "training_run": 0}
        for entry in graph.facts["learner"].get("training", ())
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(ITERATIONS))


def training_distributions(graph: ModelGraph) -> dict[str, Distribution]:
    """Return how the raw columns that the model reads were distributed in the rows that it learned from."""
    return {column["name"]: column["distribution"] for column in _statistics(graph)}


def feature_schema(graph: ModelGraph, rows: Schema) -> Schema:
    """Return the columns that `feature_table` gives of rows with these columns.

    Raises `DataError` for a model whose features are just columns of the rows: it was declared without a TRANSFORM.
    """
    check_no_cascade(graph, "features")
    known, named = nodes.expressions(graph), graph.facts["feature_nodes"]
    if all(known[node] == col(feature) for feature, node in named.items()):
        raise DataError(f"model '{graph.name}' was made without TRANSFORM; its features are the columns of its rows")
    types = {
        node.name: node.params["type"] for node in (*graph.of("input"), *graph.of("feature"), *graph.of("expression"))
    }
    made = tuple(Field(feature, types[node]) for feature, node in named.items())
    target = _target(graph, rows)
    if target is None or graph.label is None:
        return Schema(made)
    return Schema((*made, Field(graph.label, type_of(target, rows))))


def feature_table(graph: ModelGraph, rows: TableLike) -> pa.Table:
    """Return the features of rows, as TRANSFORM declares them, with the constants that the model has learned.

    The label comes last, where the rows have what it is made of.
    """
    table = to_arrow(rows)
    given = schema_of(table.schema)
    schema = feature_schema(graph, given)
    known, named = nodes.expressions(graph), graph.facts["feature_nodes"]
    features = {feature: known[node] for feature, node in named.items()}
    made = apply(features, inputs_of(graph, table), nodes.inputs(graph))
    target = _target(graph, given)
    if target is not None and graph.label is not None:
        made = made.append_column(graph.label, label_column(graph.name, graph.label, target, table))
    return made.cast(arrow_schema(schema))


def _target(graph: ModelGraph, rows: Schema) -> Expr | None:
    """Return the expression of the label, if rows with these columns have what it is made of."""
    if graph.label is None:
        return None
    target = expression_from_json(graph.facts["target"])
    return target if all(name in rows for name in columns_of(target)) else None


def _statistics(graph: ModelGraph) -> list[Mapping[str, Any]]:
    if "statistics" not in graph.facts:
        raise DataError(f"model '{graph.name}' keeps no statistics of its training rows; learn it again")
    found: list[Mapping[str, Any]] = graph.facts["statistics"]
    return found
