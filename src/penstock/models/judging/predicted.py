"""What a model predicts of rows that it is judged on, as it is kept in its facts: what is served is held against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.models.graphs import nodes
from penstock.models.graphs.heads import heads_of
from penstock.models.graphs.signature import inputs_of
from penstock.models.learning.matrix import Floats
from penstock.models.predicting.predict import estimates_of
from penstock.models.routing import ROUTE, routed
from penstock.tables import arrow_type
from penstock.transforms import measured

FACT = "predicted"
PROBABILITY = "_prob"
"""What the probability of the second of two classes is called, behind the name of the predicted column."""


def predicted_statistics(graph: ModelGraph, estimates: Floats, routes: pa.Array | None = None) -> list[dict[str, Any]]:
    """Return what is worth keeping of predictions, as `measured` has it: of values or classes, of two classes of the
    probability of the second one, and of a cascade of the `routes` that the rows took."""
    [output, *_] = graph.signature.outputs.fields or (None,)
    if output is None or heads_of(graph) or nodes.is_multilabel(graph):
        return []
    classes = nodes.classes(graph)
    columns: dict[str, Any] = {output.name: pa.array(np.ascontiguousarray(estimates[:, 0]))}
    if classes:
        labels = pa.array(classes, arrow_type(output.type))
        columns[output.name] = labels.take(pa.array(estimates.argmax(axis=1)))
    if len(classes) == 2:
        columns[output.name + PROBABILITY] = pa.array(np.ascontiguousarray(estimates[:, 1]))
    return measured(pa.table(columns | ({} if routes is None else {ROUTE: routes})))


def predicted_by_routes(graph: ModelGraph, rows: pa.Table) -> list[dict[str, Any]]:
    """Return that of what a cascade predicts of rows."""
    found = routed(graph, inputs_of(graph, rows), estimates_of)
    return predicted_statistics(graph, found.estimates, found.routes)
