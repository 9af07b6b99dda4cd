"""How good a model graph is on rows with labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from penstock.core.graph import ModelGraph
from penstock.errors import DataError
from penstock.models import labels, metrics, nodes
from penstock.models.estimators import estimate
from penstock.models.matrix import Floats
from penstock.models.notation import expression_from_json
from penstock.models.predict import check_threshold, entering_features
from penstock.models.signature import inputs_of
from penstock.tables import TableLike, to_arrow

if TYPE_CHECKING:
    import pyarrow as pa


def evaluate(graph: ModelGraph, rows: TableLike, *, threshold: float | None = None) -> dict[str, float | None]:
    """Return metrics by BigQuery ML's names; rows whose label is NULL do not count. A metric without a value is None.

    With a `threshold`, a classifier of two labels predicts the second where its probability is above it.

    Raises `DataError` where the rows lack the label or an input, or hold a label that the model does not know.
    """
    table = to_arrow(rows)
    column = labels.label_column(graph.name, graph.label, expression_from_json(graph.facts["target"]), table)
    table, column = table.filter(column.is_valid()), column.drop_null()
    if not len(column):
        raise DataError(f"model '{graph.name}' cannot be judged: no row has a label '{graph.label}'", field=graph.label)
    features = entering_features(graph, inputs_of(graph, table))
    check_threshold(graph.name, nodes.classes(graph), threshold)
    return judge(graph.name, graph.label, nodes.classes(graph), column, estimate(graph, features), threshold)


def judge(
    model: str,
    label: str,
    classes: tuple[Any, ...],
    column: pa.ChunkedArray,
    estimates: Floats,
    threshold: float | None = None,
) -> dict[str, float | None]:
    """Return the metrics of an estimator's numbers against labels that are all there; None where one has no value."""
    if not classes:
        found = metrics.regression(labels.values(model, label, column), estimates[:, 0])
    else:
        found = metrics.classification(labels.class_numbers(model, label, classes, column), estimates, threshold)
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
