"""How good a model graph is on rows: by their labels, or, for a learner without labels, by how the rows lie."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from penstock.core.graph import ModelGraph
from penstock.errors import DataError, DeclarationError
from penstock.models.graphs import nodes
from penstock.models.graphs.heads import heads_of
from penstock.models.graphs.signature import inputs_of
from penstock.models.judging import labels, metrics, several
from penstock.models.judging.side_by_side import judged_each
from penstock.models.learning.matrix import Features, Floats
from penstock.models.predicting.estimators import estimate, estimator_of, method_of
from penstock.models.predicting.imported import imported_columns, is_imported
from penstock.models.predicting.predict import check_threshold, entering_features, estimates_of
from penstock.models.routing import is_routed
from penstock.operations.notation import expression_from_json
from penstock.tables import TableLike, to_arrow

if TYPE_CHECKING:
    import pyarrow as pa


def evaluate(graph: ModelGraph, rows: TableLike, *, threshold: float | None = None) -> dict[str, float | None]:
    """Return metrics by BigQuery ML's names; rows whose label is NULL do not count. A metric without a value is None.

    With a `threshold`, a classifier of two labels predicts the second where its probability is above it, and one of
    several classes at once all that are above it.

    Raises `DataError` where the rows lack the label or an input, or hold a label that the model does not know, and
    `DeclarationError` for a model that only transforms: it predicts nothing that could be good or bad.
    """
    if nodes.only_transforms(graph):
        raise DeclarationError(f"model '{graph.name}' only transforms rows; it predicts nothing that could be judged")
    table, column = labelled_rows(graph, rows)
    if is_imported(graph):
        return judge_imported(graph, column, inputs_of(graph, table))
    check_threshold(graph, threshold)
    if is_routed(graph):
        return judge(graph, column, Features(table.num_rows, ()), estimates_of(graph, table), threshold)
    features = entering_features(graph, inputs_of(graph, table))
    return judge(graph, column, features, estimate(graph, features), threshold)


def judge_imported(graph: ModelGraph, column: pa.ChunkedArray | None, inputs: pa.Table) -> dict[str, float | None]:
    """Return the metrics of what an imported model gives for a label that is a number; of classes it tells too little.

    Raises `DeclarationError` for a model without such a label.
    """
    found = metrics.regression(*imported_values(graph, column, inputs))
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def imported_values(graph: ModelGraph, column: pa.ChunkedArray | None, inputs: pa.Table) -> tuple[Floats, Floats]:
    """Return the labels, and what an imported model predicts; `DeclarationError` where the label is no number."""
    label = _imported_label(graph)
    return labels.values(graph.name, label, column), imported_columns(graph, inputs)[0].to_numpy()


def imported_metrics(graph: ModelGraph) -> tuple[str, ...]:
    """Return the names of the metrics that judge an imported model; `DeclarationError` where the label is no number."""
    _imported_label(graph)
    return metrics.REGRESSION


def listed_metrics(graph: ModelGraph) -> tuple[str, ...]:
    """Return the names of the metrics that judge a model on any rows; a cascade's facts have more for a regression."""
    known: tuple[str, ...] = tuple(graph.facts["evaluation"])
    return metrics.REGRESSION if is_routed(graph) and not nodes.classes(graph) else known


def _imported_label(graph: ModelGraph) -> str:
    type = graph.signature.outputs.fields[0].type
    if graph.label is None or type != "float64":
        what = "has no label" if graph.label is None else f"gives {type}"
        raise DeclarationError(
            f"model '{graph.name}' comes as a file that {what}; it can be judged where its first output is a number "
            "and the label is named: ps.model(..., label='...')"
        )
    return graph.label


def labelled_rows(graph: ModelGraph, rows: TableLike) -> tuple[pa.Table, pa.ChunkedArray | None]:
    """Return the rows that have a label, and their labels (None for a model without one); `DataError` if none is."""
    table = to_arrow(rows)
    column = None
    if graph.label is not None:
        column = labels.label_column(graph.name, graph.label, expression_from_json(graph.facts["target"]), table)
        there = labels.known(column)
        table, column = table.filter(there), column.filter(there)
    if not table.num_rows:
        lacking = "there are no rows" if graph.label is None else f"no row has a label '{graph.label}'"
        raise DataError(f"model '{graph.name}' cannot be judged: {lacking}", field=graph.label)
    return table, column


def judge(
    graph: ModelGraph,
    column: pa.ChunkedArray | None,
    features: Features,
    estimates: Floats,
    threshold: float | None = None,
) -> dict[str, float | None]:
    """Return the metrics of rows by what enters the estimator, what it gives for them and, where the model has a label,
    by labels that are all there; None where a metric has no value."""
    own, known = None if is_routed(graph) else method_of(graph).judge, nodes.classes(graph)
    found: dict[str, float] = {}
    match own, graph.label:
        case None, str() if heads := heads_of(graph):
            found = judged_each(graph.name, heads, column, estimates)
        case None, str(label) if nodes.is_multilabel(graph):
            there = several.held(graph.name, label, nodes.several_classes(graph), column)
            found = several.judged(there, estimates, threshold)
        case None, str(label) if known:
            numbers = labels.class_numbers(graph.name, label, known, column)
            found = metrics.classification(numbers, estimates, threshold)
        case None, str(label):
            found = metrics.regression(labels.values(graph.name, label, column), estimates[:, 0])
        case judged, _ if judged is not None:
            found = judged(estimator_of(graph), features, estimates)
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
