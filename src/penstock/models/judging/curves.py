"""How a classifier errs: its confusion matrix, and for two labels the curve of its errors over all thresholds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.models.graphs import nodes
from penstock.models.graphs.heads import heads_of
from penstock.models.judging import labels
from penstock.models.judging.evaluate import labelled_rows
from penstock.models.judging.metrics import predicted_classes
from penstock.models.learning.matrix import Floats, Integers
from penstock.models.predicting.predict import check_threshold, estimates_of
from penstock.tables import arrow_schema, arrow_type

if TYPE_CHECKING:
    from penstock.tables import TableLike

CURVE = Schema.of(
    threshold="float64",
    recall="float64",
    false_positive_rate="float64",
    true_positives="int64",
    false_positives="int64",
    true_negatives="int64",
    false_negatives="int64",
)
"""The columns of a curve, by BigQuery's names."""

_POINTS = 100


def confusion_schema(graph: ModelGraph) -> Schema:
    """Return the columns of a confusion matrix: `expected_label`, and one for each label, named as BigQuery does."""
    _check_classes(graph)
    label_type = graph.signature.outputs.fields[0].type
    names = _column_names(nodes.classes(graph))
    return Schema((Field("expected_label", label_type), *(Field(name, "int64") for name in names)))


def confusion_matrix(graph: ModelGraph, rows: TableLike | None = None, *, threshold: float | None = None) -> pa.Table:
    """Return how often each label (a row) was predicted as which (a column); rows whose label is NULL do not count.

    Without rows, the matrix of those that the model was judged on when it was learned. Raises `DataError` for a model
    that is no classifier, and for a threshold without rows or without two labels.
    """
    schema = confusion_schema(graph)
    if rows is None:
        if threshold is not None:
            raise DataError(f"model '{graph.name}': a threshold needs rows to judge; add them, or leave it out")
        counts = _kept(graph, "confusion")
    else:
        check_threshold(graph, threshold)
        counts = count_confusions(*_judged(graph, rows), threshold)
    known = pa.array(nodes.classes(graph), arrow_type(schema.fields[0].type))
    columns = [known, *(pa.array(column, pa.int64()) for column in zip(*counts, strict=True))]
    return pa.table(columns, schema=arrow_schema(schema))


def error_curve(
    graph: ModelGraph, rows: TableLike | None = None, *, thresholds: Sequence[float] | None = None
) -> pa.Table:
    """Return what a classifier of two labels gets right and wrong at each threshold, the highest first.

    The second label is predicted where its probability is above the threshold. Without `thresholds` those are taken
    that hundredths of the rows lie above, and 0. Without rows, the curve of those that the model was judged on when it
    was learned. A share of no rows is NULL.
    """
    check_curve(graph)
    if rows is None and thresholds is not None:
        raise DataError(f"model '{graph.name}': thresholds need rows to judge; add them, or leave them out")
    curve = _kept(graph, "error_curve") if rows is None else count_errors(*_judged(graph, rows), thresholds)
    positives, negatives = curve["positives"], curve["negatives"]
    table = [
        {
            "threshold": threshold,
            "recall": right / positives if positives else None,
            "false_positive_rate": wrong / negatives if negatives else None,
            "true_positives": right,
            "false_positives": wrong,
            "true_negatives": negatives - wrong,
            "false_negatives": positives - right,
        }
        for threshold, right, wrong in curve["points"]
    ]
    return pa.Table.from_pylist(table, schema=arrow_schema(CURVE))


def check_curve(graph: ModelGraph) -> None:
    """Raise `DataError` for a model that does not tell two labels apart."""
    _check_classes(graph)
    if len(nodes.classes(graph)) != 2:
        raise DataError(f"model '{graph.name}' predicts {len(nodes.classes(graph))} labels; such a curve is of two")


def errors_of(actual: Integers, probabilities: Floats) -> dict[str, Any]:
    """Return, as plain JSON, how a classifier errs on rows: what a graph keeps of those that it is judged on."""
    found: dict[str, Any] = {"confusion": count_confusions(actual, probabilities)}
    return found | ({"error_curve": count_errors(actual, probabilities)} if probabilities.shape[1] == 2 else {})


def errors_on(graph: ModelGraph, rows: TableLike) -> dict[str, Any]:
    """Return that for a classifier on rows with labels; nothing for a model that predicts a value."""
    return errors_of(*_judged(graph, rows)) if nodes.classes(graph) else {}


def count_confusions(actual: Integers, probabilities: Floats, threshold: float | None = None) -> list[list[int]]:
    """Return the counts by class number: of each actual class how many rows were predicted to be which."""
    classes = probabilities.shape[1]
    pairs = actual * classes + predicted_classes(probabilities, threshold)
    counts: list[list[int]] = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).tolist()
    return counts


def count_errors(actual: Integers, probabilities: Floats, thresholds: Sequence[float] | None = None) -> dict[str, Any]:
    """Return how many positives and negatives there are, and at each threshold how many of both lie above it."""
    scores = probabilities[:, 1]
    positive, negative = np.sort(scores[actual == 1]), np.sort(scores[actual == 0])
    if thresholds is None:
        ranked = np.sort(scores)
        ranks = np.ceil(np.arange(1, _POINTS + 1) / _POINTS * len(ranked)).astype(np.int64) - 1
        thresholds = [0.0, *ranked[ranks].tolist()]
    points = {(threshold, _above(positive, threshold), _above(negative, threshold)) for threshold in thresholds}
    return {
        "positives": len(positive),
        "negatives": len(negative),
        "points": [list(point) for point in sorted(points, reverse=True)],
    }


def _above(ordered: Floats, threshold: float) -> int:
    return len(ordered) - int(np.searchsorted(ordered, threshold, side="right"))


def _judged(graph: ModelGraph, rows: TableLike) -> tuple[Integers, Floats]:
    table, column = labelled_rows(graph, rows)
    estimates = estimates_of(graph, table)
    return labels.class_numbers(graph.name, graph.label or "", nodes.classes(graph), column), estimates


def _kept(graph: ModelGraph, fact: str) -> Any:
    if fact not in graph.facts:
        raise DataError(f"model '{graph.name}' keeps no {fact.replace('_', ' ')} of its training; add rows to judge")
    return graph.facts[fact]


def _check_classes(graph: ModelGraph) -> None:
    if nodes.is_multilabel(graph):
        raise DataError(
            f"model '{graph.name}' predicts which of several classes hold; none of them is taken for another, so there "
            "is nothing to confuse: ML.EVALUATE judges them all, a calibration each"
        )
    if heads := heads_of(graph):
        raise DataError(
            f"model '{graph.name}' predicts several labels, {', '.join(head.label for head in heads)}; what is asked "
            "for is of one: learn a model of that"
        )
    if not nodes.classes(graph):
        raise DataError(f"model '{graph.name}' ({graph.facts['type']}) is no classifier; it has no labels to confuse")


def _column_names(known: Sequence[Any]) -> list[str]:
    """Name a column for each label: what no name of a column has becomes `_`, as does what stands before a digit."""
    names: list[str] = []
    for label in known:
        text = str(label).lower() if isinstance(label, bool) else str(label)
        name = re.sub(r"\W", "_", text)
        name = f"_{name}" if not name or name[0].isdigit() else name
        while name.lower() in ("expected_label", *map(str.lower, names)):
            name += "_"
        names.append(name)
    return names
