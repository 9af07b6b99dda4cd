"""Whether what a model predicts is what is observed, in the mean of rows that it predicts alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema, element_type
from penstock.errors import DataError, DeclarationError
from penstock.models.graphs import nodes
from penstock.models.graphs.heads import heads_of
from penstock.models.graphs.signature import inputs_of
from penstock.models.judging import BINS, labels
from penstock.models.judging.evaluate import imported_values, labelled_rows
from penstock.models.judging.several import held
from penstock.models.learning.matrix import Flags, Floats, Integers
from penstock.models.predicting.imported import is_imported
from penstock.models.predicting.predict import estimates_of
from penstock.tables import arrow_schema

if TYPE_CHECKING:
    from penstock.tables import TableLike


_BIN = Schema.of(lower="float64", upper="float64", rows="int64", predicted="float64", observed="float64")
_RANGE = Schema.of(observed_p10="float64", observed_p90="float64")
_ERROR = Field("expected_calibration_error", "float64")


def calibration_schema(graph: ModelGraph) -> Schema:
    """Return the columns of a calibration; `DataError` for a model that learned without labels."""
    if graph.label is None:
        raise DataError(f"model '{graph.name}' ({graph.facts['type']}) predicts no label that could be observed")
    if heads := heads_of(graph):
        raise DataError(
            f"model '{graph.name}' predicts several labels, {', '.join(head.label for head in heads)}; a calibration "
            "is of one: learn a model of that"
        )
    type = graph.signature.outputs.fields[0].type
    if nodes.is_multilabel(graph):
        type = element_type(type)
    elif not nodes.classes(graph):
        return Schema((*_BIN, *_RANGE, _ERROR))
    return Schema((Field("class_label", type), *_BIN, _ERROR))


def calibration(graph: ModelGraph, rows: TableLike, bins: int = BINS) -> pa.Table:
    """Return, for each bin of predictions from `lower` to `upper`, how many rows are in it, what they were predicted as
    and what was observed, in the mean; rows whose label is NULL do not count.

    A classifier's bins have equal widths, from 0 to 1: `predicted` is the mean probability of a class, `observed` the
    share of rows that have it. Of two labels it is told of the second; of more, of each against all others; of several
    that may hold at once, of each. Both are NULL in a bin without rows. Numbers are in bins of about as many rows each,
    fewer where predictions are equal; `observed_p10` and `observed_p90` are the values that a tenth of the rows in the
    bin lie below and above. A bin's `upper` belongs to the next one, but for the last.

    `expected_calibration_error`, the same in each bin of a class, is how far predicted and observed lie apart in the
    mean of all rows. Raises `DataError` for a model without a label, and where `evaluate` does.
    """
    if bins < 1:
        raise DeclarationError(f"model '{graph.name}': bins={bins}; give how many there are to be: 1, 2, ...")
    schema = calibration_schema(graph)
    table, column = labelled_rows(graph, rows)
    known = nodes.classes(graph)
    found: list[dict[str, Any]] = []
    if is_imported(graph):
        observed, predicted = imported_values(graph, column, inputs_of(graph, table))
        _check_finite(graph, predicted)
        found = list(_of_values(observed, predicted, bins))
    else:
        estimates = estimates_of(graph, table)
        _check_finite(graph, estimates)
        if several_classes := nodes.several_classes(graph):
            there = held(graph.name, graph.label or "", several_classes, column)
            for number, label in enumerate(several_classes):
                found += _of_class(label, there[:, number], estimates[:, number], bins)
        elif not known:
            found = list(_of_values(labels.values(graph.name, graph.label or "", column), estimates[:, 0], bins))
        else:
            numbers = labels.class_numbers(graph.name, graph.label or "", known, column)
            for number in range(len(known)) if len(known) > 2 else (1,):
                found += _of_class(known[number], numbers == number, estimates[:, number], bins)
    return pa.Table.from_pylist(found, schema=arrow_schema(schema))


def _of_class(label: Any, observed: Any, predicted: Floats, bins: int) -> Iterator[dict[str, Any]]:
    edges = np.arange(bins + 1) / bins
    for each in _bins(edges, observed.astype(np.float64), predicted):
        yield {"class_label": label, **each}


def calibration_error(observed: Flags, predicted: Floats) -> float:
    """Return how far the probabilities of a label and the share of rows that have it lie apart, in the mean of all."""
    edges = np.arange(BINS + 1) / BINS
    return float(_bins(edges, observed.astype(np.float64), predicted)[0][_ERROR.name])


def _of_values(observed: Floats, predicted: Floats, bins: int) -> Iterator[dict[str, Any]]:
    ranked = np.sort(predicted)
    edges = np.append(np.unique(ranked[np.arange(bins) * len(ranked) // bins]), ranked[-1])
    placed = _placed(edges, predicted)
    for number, each in enumerate(_bins(edges, observed, predicted)):
        low, high = np.quantile(observed[placed == number], [0.1, 0.9])
        yield {**each, "observed_p10": float(low), "observed_p90": float(high)}


def _check_finite(graph: ModelGraph, predicted: Floats) -> None:
    finite = np.asarray(np.isfinite(predicted.reshape(len(predicted), -1)).all(axis=1))
    if odd := len(finite) - int(finite.sum()):
        raise DataError(
            f"model '{graph.name}' predicts NaN or infinity for {odd:,} of {len(finite):,} rows; leave such rows out"
        )


def _bins(edges: Floats, observed: Floats, predicted: Floats) -> list[dict[str, Any]]:
    placed, count = _placed(edges, predicted), len(edges) - 1
    rows = np.bincount(placed, minlength=count)
    sums = [np.bincount(placed, weights=values, minlength=count) for values in (predicted, observed)]
    error = float(np.abs(sums[0] - sums[1]).sum() / len(predicted))
    return [
        {
            "lower": float(edges[number]),
            "upper": float(edges[number + 1]),
            "rows": int(there),
            "predicted": float(sums[0][number] / there) if there else None,
            "observed": float(sums[1][number] / there) if there else None,
            _ERROR.name: error,
        }
        for number, there in enumerate(rows)
    ]


def _placed(edges: Floats, predicted: Floats) -> Integers:
    """Return the number of the bin of each prediction."""
    return np.searchsorted(edges[1:-1], predicted, side="right").astype(np.int64)
