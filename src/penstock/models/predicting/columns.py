"""The predicted columns of many rows, from an estimator's numbers, by the learner's task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.models.graphs.heads import Head, HeadTask, heads_of
from penstock.models.learning.learner import Task
from penstock.models.learning.matrix import Floats
from penstock.models.predicting.answers import HALF
from penstock.models.predicting.estimators import task_of
from penstock.models.predicting.outcomes import sole_head
from penstock.tables import arrow_type


def predicted_columns(graph: ModelGraph, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    """Return them; `threshold` is for two classes, or where several may hold at once."""
    return _COLUMNS[task_of(graph)](graph, estimates, threshold)


def _answer_columns(head: Head, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    """Return these columns for many rows, from the numbers that are estimated of the label.

    Of equal probabilities the first class wins; classes that hold at once are listed in their order, so that equal
    answers are equal arrays.
    """
    if head.task == "regression":
        return [pa.array(np.ascontiguousarray(estimates[:, 0]))]
    labels = pa.array(head.classes, arrow_type(head.class_type))
    ranked = np.argsort(-estimates, axis=1, kind="stable")
    listed = _ranked_list(estimates, ranked, labels, names=["label", "prob"])
    if head.task == "multilabel":
        rows, places = np.nonzero(estimates > (HALF if threshold is None else threshold))
        offsets = np.searchsorted(rows, np.arange(len(estimates) + 1)).astype(np.int32)
        return [pa.ListArray.from_arrays(pa.array(offsets), labels.take(pa.array(places))), listed]
    chosen = ranked[:, 0] if threshold is None else (estimates[:, 1] > threshold).astype(np.int64)
    return [labels.take(pa.array(chosen)), listed]


def _of_one(task: HeadTask, graph: ModelGraph, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    return _answer_columns(sole_head(graph, task), estimates, threshold)


def _side_by_side(graph: ModelGraph, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    columns, start = [], 0
    for head in heads_of(graph):
        columns += _answer_columns(head, estimates[:, start : start + head.numbers], None)
        start += head.numbers
    return columns


def _cluster_columns(graph: ModelGraph, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    """Number the centroids from 1, as BigQuery does; of equal distances the first centroid is the nearest."""
    ids = pa.array(np.arange(1, estimates.shape[1] + 1))
    ranked = np.argsort(estimates, axis=1, kind="stable")
    listed = _ranked_list(estimates, ranked, ids, names=["CENTROID_ID", "DISTANCE"])
    return [ids.take(pa.array(ranked[:, 0])), listed]


def _component_columns(graph: ModelGraph, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    return [pa.array(np.ascontiguousarray(column)) for column in estimates.T]


def _ranked_list(
    estimates: Floats, ranked: np.ndarray[tuple[int, int], np.dtype[np.int64]], keys: pa.Array, *, names: list[str]
) -> pa.Array:
    """Return a list for each row: of each key, with its number, in the order of the ranks."""
    numbers = np.take_along_axis(estimates, ranked, axis=1)
    pairs = pa.StructArray.from_arrays([keys.take(pa.array(ranked.ravel())), pa.array(numbers.ravel())], names=names)
    offsets = pa.array(np.arange(len(estimates) + 1, dtype=np.int32) * np.int32(len(keys)))
    return pa.ListArray.from_arrays(offsets, pairs)


_Columns = Callable[[ModelGraph, Floats, float | None], list[pa.Array]]
_COLUMNS: dict[Task, _Columns] = {
    "regression": partial(_of_one, "regression"),
    "classification": partial(_of_one, "classification"),
    "multilabel": partial(_of_one, "multilabel"),
    "multioutput": _side_by_side,
    "clustering": _cluster_columns,
    "reduction": _component_columns,
}
