"""Predictions for many rows: one SQL text for the features, one call of the estimator for all rows of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from penstock.core.artifact import Source
from penstock.core.graph import ModelGraph
from penstock.errors import DataError, ExpressionError
from penstock.models.graphs import nodes
from penstock.models.graphs.domain import domain_error
from penstock.models.graphs.heads import heads_of
from penstock.models.graphs.signature import check_free, inputs_of
from penstock.models.learning.matrix import Features, Floats, features_of
from penstock.models.predicting.columns import predicted_columns
from penstock.models.predicting.estimators import estimate
from penstock.models.predicting.imported import imported_columns, is_imported
from penstock.models.predicting.stages import stages_column
from penstock.models.routing import STAGES, is_routed, routed
from penstock.models.routing.stages import check_stages
from penstock.tables import TableLike, bound, to_arrow
from penstock.transforms import apply

_BATCH_ROWS = 1 << 20
_ROWS_AT_ONCE = 1 << 13


def predict(graph: ModelGraph, rows: TableLike, *, threshold: float | None = None, stages: bool = False) -> pa.Table:
    """Return the predicted columns, then the rows as they were given, in their order.

    A regression gives `predicted_<label>`; a classifier gives the most probable label and, in
    `predicted_<label>_probs`, every label with its probability, the most probable first. With a `threshold`, a
    classifier of two labels gives the second where its probability is above it. Where several classes may hold at once,
    `predicted_<label>` is an array of those whose probability is above the threshold, 0.5 if none is given. K-means
    gives the nearest centroid and the distance to each, the nearest first; PCA the principal components. A model that
    only transforms gives its features; a column of the rows with the name of one gives way to it. A cascade gives its
    `route` too and, with `stages`, a column of that name: of each stage that was computed its digest, and what it has
    predicted.

    Only the inputs of the signature must be there; other columns pass through.

    Raises `DataError` naming the column that is missing, of a wrong type, or whose value a feature cannot take.
    """
    return pa.concat_tables(predict_batches(graph, rows, threshold=threshold, stages=stages))


def predict_batches(
    graph: ModelGraph,
    rows: TableLike,
    *,
    batch_rows: int = _BATCH_ROWS,
    threshold: float | None = None,
    stages: bool = False,
) -> Iterator[pa.Table]:
    """Yield what `predict` gives, in batches: of a source, no more than one batch is in memory."""
    names = graph.signature.outputs.names
    if stages:
        check_stages(graph)
        names = (*names, STAGES)
    for given in _batches(rows, batch_rows):
        if not nodes.only_transforms(graph):
            check_free(graph, given, names)
        passed = [name for name in given.column_names if name not in names]
        outputs = output_columns(graph, inputs_of(graph, given), threshold=threshold, stages=stages)
        yield pa.table([*outputs, *given.select(passed).columns], names=[*names, *passed])


def output_columns(
    graph: ModelGraph, inputs: pa.Table, *, threshold: float | None = None, stages: bool = False
) -> list[pa.Array | pa.ChunkedArray]:
    """Return the predicted columns for rows of the graph's inputs, and of a cascade what its stages have predicted."""
    check_threshold(graph, threshold)
    if is_imported(graph):
        return list(imported_columns(graph, inputs))
    if nodes.only_transforms(graph):
        return list(_computed(graph, inputs).columns)
    if is_routed(graph):
        found = routed(graph, inputs, estimates_of)
        columns = [*predicted_columns(graph, found.estimates, threshold), found.routes]
        return [*columns, stages_column(graph, found)] if stages else columns
    return predicted_columns(graph, estimates_of(graph, inputs), threshold)


def estimates_of(graph: ModelGraph, rows: pa.Table) -> Floats:
    """Return the numbers that predictions are made of, for rows that have the graph's inputs among their columns."""
    inputs = inputs_of(graph, rows)
    if is_routed(graph):
        return routed(graph, inputs, estimates_of).estimates
    return estimate(graph, entering_features(graph, inputs))


def entering_features(graph: ModelGraph, inputs: pa.Table) -> Features:
    """Return what enters the estimator for rows of the graph's inputs."""
    return features_of(_computed(graph, inputs), nodes.concat(graph).params["kinds"])


def _computed(graph: ModelGraph, inputs: pa.Table) -> pa.Table:
    try:
        return apply(nodes.entering(graph), inputs, nodes.inputs(graph))
    except ExpressionError as error:
        found = domain_error(graph, _rows(inputs))
        if found is None:
            raise
        raise found from error


def check_threshold(graph: ModelGraph, threshold: float | None) -> None:
    """Raise `DataError` where a threshold is given to a model that says of no class whether it holds."""
    classes = nodes.classes(graph)
    if threshold is not None and len(classes) != 2 and not nodes.is_multilabel(graph):
        what = (
            f"{len(classes)} labels" if classes else "several labels side by side" if heads_of(graph) else "no labels"
        )
        raise DataError(
            f"model '{graph.name}' predicts {what}; a threshold is for models of two labels, or of several that may "
            f"hold at once: leave threshold={threshold} out"
        )


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for start in range(0, table.num_rows, _ROWS_AT_ONCE):
        yield from table.slice(start, _ROWS_AT_ONCE).to_pylist()


def _batches(rows: TableLike, batch_rows: int) -> Iterator[pa.Table]:
    if isinstance(rows, Source):
        with bound({"rows": rows}) as cursor:
            for batch in cursor.sql("SELECT * FROM rows").to_arrow_reader(batch_rows):
                yield pa.Table.from_batches([batch])
        return
    table = rows if isinstance(rows, pa.Table) else to_arrow(rows)
    yield table.slice(0, batch_rows)
    for start in range(batch_rows, table.num_rows, batch_rows):
        yield table.slice(start, batch_rows)
