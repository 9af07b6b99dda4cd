"""What a model predicts of rows that it is judged on, as it is kept in its facts: what is served is held against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.models.graphs import nodes
from penstock.models.graphs.heads import heads_of
from penstock.models.learning.matrix import Floats
from penstock.tables import arrow_type
from penstock.transforms import measured

FACT = "predicted"
PROBABILITY = "_prob"
"""What the probability of the second of two classes is called, behind the name of the predicted column."""


def predicted_statistics(graph: ModelGraph, estimates: Floats) -> list[dict[str, Any]]:
    """Return what is worth keeping of predictions, as `measured` has it: of values or classes, and of two classes of
    the probability of the second one."""
    [output, *_] = graph.signature.outputs.fields or (None,)
    if output is None or heads_of(graph) or nodes.is_multilabel(graph):
        return []
    classes = nodes.classes(graph)
    if not classes:
        return measured(pa.table({output.name: pa.array(np.ascontiguousarray(estimates[:, 0]))}))
    labels = pa.array(classes, arrow_type(output.type))
    columns: dict[str, Any] = {output.name: labels.take(pa.array(estimates.argmax(axis=1)))}
    if len(classes) == 2:
        columns[output.name + PROBABILITY] = pa.array(np.ascontiguousarray(estimates[:, 1]))
    return measured(pa.table(columns))
