"""The check, when a graph is made, that one row and many rows are predicted alike."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.models.graphs import nodes
from penstock.models.graphs.lookups import from_rows
from penstock.models.predicting.estimators import method_of
from penstock.models.predicting.predict import predict
from penstock.models.predicting.row import row_predictor
from penstock.transforms import check_forms

_SAMPLE_ROWS = 64
TOLERANCE = 1e-12


def disagreements(graph: ModelGraph, rows: pa.Table) -> list[str]:
    """Return the names of the features, and the predicted columns, that differ between the row form and a batch.

    Features must be equal bit for bit, on real rows and on edge rows (NULL, unseen, extreme); predictions within what
    the learner's method promises.
    An empty list is what there should be: anything else is a fault of penstock.
    """
    sample = _sample(graph, rows)
    found = check_forms(nodes.entering(graph), nodes.inputs(graph), sample)
    return [*found.features, *predictions_apart(graph, rows)]


def _sample(graph: ModelGraph, rows: pa.Table) -> pa.Table:
    step = max(1, rows.num_rows // _SAMPLE_ROWS)
    read = dict.fromkeys([*graph.signature.inputs.names, *nodes.inputs(graph).names])
    return rows.select(list(read)).take(pa.array(range(0, rows.num_rows, step)))


def predictions_apart(graph: ModelGraph, rows: pa.Table) -> list[str]:
    """Return the names of the predicted columns that differ between one row and many, in a sample of rows."""
    sample = _sample(graph, rows)
    names = graph.signature.outputs.names
    batch = predict(graph, sample).select(list(names)).to_pylist()
    single = row_predictor(graph, from_rows(graph, sample))
    by_row = [single.predict(row) for row in sample.to_pylist()]
    within = _tolerance(graph)
    return [
        name
        for name in names
        if not all(close(one[name], many[name], within) for one, many in zip(by_row, batch, strict=True))
    ]


def _tolerance(graph: ModelGraph) -> float:
    """Return how far apart predictions of one row and of many may be."""
    return method_of(graph).tolerance if graph.of("estimator") else TOLERANCE


def close(one: Any, other: Any, within: float = TOLERANCE) -> bool:
    """Tell whether two predicted values are equal, floats within a tolerance of each other."""
    match one, other:
        case float(), float():
            return (one != one and other != other) or math.isclose(one, other, rel_tol=within, abs_tol=within)
        case list(), list():
            return len(one) == len(other) and all(map(close, one, other, [within] * len(one)))
        case dict(), dict():
            return all(close(value, other[name], within) for name, value in one.items())
    return bool(one == other)
