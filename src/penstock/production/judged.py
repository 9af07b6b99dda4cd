"""How good logged predictions were, now that labels are there: by what was answered, without predicting again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.graph import ModelGraph
from penstock.models.graphs import nodes
from penstock.models.judging import metrics, several
from penstock.models.judging.scores import with_root
from penstock.models.learning.matrix import Floats
from penstock.production.joined import PROBABILITIES, Served
from penstock.production.records import OUTPUTS

Metrics = dict[str, float | None]


def judged(found: Served) -> Metrics:
    """Return the metrics of the rows that have a label: BigQuery ML's names, scikit-learn's meaning. Of none none."""
    if not found.label_count or found.labels is None:
        return {}
    there = found.labels.is_valid()
    labels, outputs = found.labels.filter(there), found.rows.filter(there)[OUTPUTS].combine_chunks()
    named = f"predicted_{found.graph.label}"
    predicted = pc.struct_field(outputs, named)
    if f"{named}{PROBABILITIES}" not in [field.name for field in outputs.type]:
        return _plain(_of_values(found.graph, labels, predicted))
    listed = pc.struct_field(outputs, f"{named}{PROBABILITIES}")
    if nodes.is_multilabel(found.graph):
        return _plain(_of_several(found.graph, labels, listed))
    return _plain(_of_classes(found.graph, labels, listed))


def _of_values(graph: ModelGraph, labels: pa.Array, predicted: pa.Array) -> dict[str, float]:
    """Judge predicted values; of a classifier that tells no probabilities, how often it is right."""
    kept = predicted.is_valid()
    labels, predicted = labels.filter(kept), predicted.filter(kept)
    if not len(labels):
        return {}
    if not pa.types.is_floating(predicted.type):
        return {
            "accuracy": float(np.mean(pc.equal(labels, predicted.cast(labels.type)).to_numpy(zero_copy_only=False)))
        }
    actual, estimates = (np.asarray(each.to_numpy(zero_copy_only=False), np.float64) for each in (labels, predicted))
    finite = np.isfinite(actual) & np.isfinite(estimates)
    return metrics.regression(actual[finite], estimates[finite]) if finite.any() else {}


def _of_classes(graph: ModelGraph, labels: pa.Array, listed: pa.Array) -> dict[str, float]:
    known = list(nodes.classes(graph)) or sorted(pc.unique(pc.list_flatten(listed).field("label")).to_pylist())
    unknown = [each for each in pc.unique(labels).to_pylist() if each not in known]
    classes = pa.array([*known, *sorted(unknown)], labels.type)  # a class that is new: nobody said it
    return metrics.classification(pc.index_in(labels, value_set=classes).to_numpy(), _matrix(listed, classes))


def _of_several(graph: ModelGraph, labels: pa.Array, listed: pa.Array) -> dict[str, float]:
    known = nodes.several_classes(graph)
    said = {each for each in pc.list_flatten(labels).to_pylist() if each not in known}
    classes: Sequence[Any] = [*known, *sorted(said)]
    there = several.held(graph.name, graph.label or "", classes, pa.chunked_array([labels]))
    return several.judged(there, _matrix(listed, pa.array(classes, labels.type.value_type)))


def _matrix(listed: pa.Array, classes: pa.Array) -> Floats:
    """Return the probability of each class (a column) that was answered, 0 where nothing was said of it."""
    entries, rows = pc.list_flatten(listed), pc.list_parent_indices(listed)
    places = pc.index_in(entries.field("label").cast(classes.type), value_set=classes)
    found = np.zeros((len(listed), len(classes)))
    found[rows.to_numpy(), places.to_numpy()] = entries.field("prob").to_numpy()
    return found


def _plain(found: dict[str, float]) -> Metrics:
    return with_root({name: value if math.isfinite(value) else None for name, value in found.items()})
