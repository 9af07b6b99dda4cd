"""What is predicted from an estimator's numbers, by the learner's task: the columns, for many rows and for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema, element_type
from penstock.models.graphs import nodes
from penstock.models.learning.learner import RowLines, Task
from penstock.models.learning.matrix import Floats
from penstock.tables import arrow_type

HALF = 0.5
"""Above what probability one of several classes is said to hold, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a task predicts.

    `schema` says which columns, given the label, its type, and how many numbers are estimated; `columns` makes them for
    many rows, with a threshold where there are two classes, or several may hold at once; `row` writes the lines that
    return them for one, from `estimate`.
    """

    schema: Callable[[str, str, int], Schema]
    columns: Callable[[ModelGraph, Floats, float | None], list[pa.Array]]
    row: Callable[[ModelGraph], RowLines]


def _value_schema(label: str, type: str, outputs: int) -> Schema:
    return Schema((Field(f"predicted_{label}", "float64"),))


def _value_columns(graph: ModelGraph, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    return [pa.array(estimates[:, 0])]


def _value_row(graph: ModelGraph) -> RowLines:
    predicted = graph.signature.outputs.names[0]
    return RowLines(lines=[f"return {{{predicted!r}: estimate}}"], names={})


def _class_schema(label: str, type: str, outputs: int) -> Schema:
    probabilities = f"array<struct<label {type}, prob float64>>"
    return Schema((Field(f"predicted_{label}", type), Field(f"predicted_{label}_probs", probabilities)))


def _class_columns(graph: ModelGraph, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    labels = pa.array(nodes.classes(graph), arrow_type(graph.signature.outputs.fields[0].type))
    ranked = np.argsort(-estimates, axis=1, kind="stable")  # of equal probabilities the first class wins
    listed = _ranked(estimates, ranked, labels, names=["label", "prob"])
    chosen = ranked[:, 0] if threshold is None else (estimates[:, 1] > threshold).astype(np.int64)
    return [labels.take(pa.array(chosen)), listed]


def _class_row(graph: ModelGraph) -> RowLines:
    known = nodes.classes(graph)
    predicted, probabilities = (repr(name) for name in graph.signature.outputs.names[:2])
    lines = [
        "ranked = sorted(range(len(_classes)), key=estimate.__getitem__, reverse=True)",
        f"return {{{predicted}: _classes[ranked[0]], {probabilities}: "
        "[{'label': _classes[at], 'prob': estimate[at]} for at in ranked]}",
    ]
    if len(known) == 2:
        lines = [
            "rest = 1.0 - estimate",
            "first, second = {'label': _classes[0], 'prob': rest}, {'label': _classes[1], 'prob': estimate}",
            f"if estimate > rest: return {{{predicted}: _classes[1], {probabilities}: [second, first]}}",
            f"return {{{predicted}: _classes[0], {probabilities}: [first, second]}}",
        ]
    return RowLines(lines=lines, names={"_classes": known})


def _several_schema(label: str, type: str, outputs: int) -> Schema:
    probabilities = f"array<struct<label {element_type(type)}, prob float64>>"
    return Schema((Field(f"predicted_{label}", type), Field(f"predicted_{label}_probs", probabilities)))


def _several_columns(graph: ModelGraph, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    """List the classes that hold in their order, so that equal answers are equal arrays, and all by probability."""
    type = element_type(graph.signature.outputs.fields[0].type)
    labels = pa.array(nodes.several_classes(graph), arrow_type(type))
    rows, places = np.nonzero(estimates > (HALF if threshold is None else threshold))
    offsets = np.searchsorted(rows, np.arange(len(estimates) + 1)).astype(np.int32)
    holding = pa.ListArray.from_arrays(pa.array(offsets), labels.take(pa.array(places)))
    ranked = np.argsort(-estimates, axis=1, kind="stable")
    return [holding, _ranked(estimates, ranked, labels, names=["label", "prob"])]


def _several_row(graph: ModelGraph) -> RowLines:
    predicted, probabilities = (repr(name) for name in graph.signature.outputs.names[:2])
    lines = [
        "ranked = sorted(range(len(_classes)), key=estimate.__getitem__, reverse=True)",
        f"return {{{predicted}: [_classes[at] for at, prob in enumerate(estimate) if prob > {HALF}], {probabilities}: "
        "[{'label': _classes[at], 'prob': estimate[at]} for at in ranked]}",
    ]
    return RowLines(lines=lines, names={"_classes": nodes.several_classes(graph)})


def _cluster_schema(label: str, type: str, outputs: int) -> Schema:
    distances = "array<struct<CENTROID_ID int64, DISTANCE float64>>"
    return Schema((Field("CENTROID_ID", "int64"), Field("NEAREST_CENTROIDS_DISTANCE", distances)))


def _cluster_columns(graph: ModelGraph, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    """Number the centroids from 1, as BigQuery does; of equal distances the first centroid is the nearest."""
    ids = pa.array(np.arange(1, estimates.shape[1] + 1))
    ranked = np.argsort(estimates, axis=1, kind="stable")
    listed = _ranked(estimates, ranked, ids, names=["CENTROID_ID", "DISTANCE"])
    return [ids.take(pa.array(ranked[:, 0])), listed]


def _cluster_row(graph: ModelGraph) -> RowLines:
    lines = [
        "ranked = sorted(range(len(estimate)), key=estimate.__getitem__)",
        "return {'CENTROID_ID': ranked[0] + 1, 'NEAREST_CENTROIDS_DISTANCE': "
        "[{'CENTROID_ID': at + 1, 'DISTANCE': estimate[at]} for at in ranked]}",
    ]
    return RowLines(lines=lines, names={})


def _component_schema(label: str, type: str, outputs: int) -> Schema:
    return Schema(tuple(Field(f"principal_component_{number}", "float64") for number in range(1, outputs + 1)))


def _component_columns(graph: ModelGraph, estimates: Floats, threshold: float | None) -> list[pa.Array]:
    return [pa.array(np.ascontiguousarray(column)) for column in estimates.T]


def _component_row(graph: ModelGraph) -> RowLines:
    items = [f"{name!r}: estimate[{at}]" for at, name in enumerate(graph.signature.outputs.names)]
    return RowLines(lines=[f"return {{{', '.join(items)}}}"], names={})


def _ranked(
    estimates: Floats, ranked: np.ndarray[tuple[int, int], np.dtype[np.int64]], keys: pa.Array, *, names: list[str]
) -> pa.Array:
    """Return a list for each row: of each key, with its number, in the order of the ranks."""
    numbers = np.take_along_axis(estimates, ranked, axis=1)
    pairs = pa.StructArray.from_arrays([keys.take(pa.array(ranked.ravel())), pa.array(numbers.ravel())], names=names)
    offsets = pa.array(np.arange(len(estimates) + 1, dtype=np.int32) * np.int32(len(keys)))
    return pa.ListArray.from_arrays(offsets, pairs)


OUTCOMES: dict[Task, Outcome] = {
    "regression": Outcome(schema=_value_schema, columns=_value_columns, row=_value_row),
    "classification": Outcome(schema=_class_schema, columns=_class_columns, row=_class_row),
    "multilabel": Outcome(schema=_several_schema, columns=_several_columns, row=_several_row),
    "clustering": Outcome(schema=_cluster_schema, columns=_cluster_columns, row=_cluster_row),
    "reduction": Outcome(schema=_component_schema, columns=_component_columns, row=_component_row),
}
