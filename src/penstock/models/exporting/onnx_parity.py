"""The proof that an exported model predicts what ours does: all rows through both, features and predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field
from penstock.errors import DataError
from penstock.models.exporting.onnx_feeding import feed, values_of
from penstock.models.exporting.onnx_graph import REFUSED, Recorded, entering_names, file_of, output_name
from penstock.models.exporting.onnx_images import feed_images, some_image
from penstock.models.graphs import nodes
from penstock.models.graphs.domain import FAILURES
from penstock.models.graphs.signature import inputs_of
from penstock.models.predicting.estimators import is_branched, method_of, task_of
from penstock.models.predicting.outcomes import answered
from penstock.models.predicting.predict import output_columns
from penstock.models.predicting.row import row_predictor
from penstock.operations.glimpses import without_bytes
from penstock.operations.tensors.onnx_file import session
from penstock.operations.tensors.recording import TENSOR_TYPES
from penstock.tables import arrow_type
from penstock.transforms import apply, edge_rows

Distances: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

TOLERANCE = 1e-6
"""How far a prediction may lie from ours, relative to its size where that is above 1."""
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What was compared: how many real rows and rows at the edges of types, the largest difference of a prediction,
    that of each feature that differs at all, and at how many edge rows the file says that it cannot tell."""

    rows: int
    edge_rows: int
    largest: float
    features: Mapping[str, float]
    refused: int


def compare(made: Recorded, content: bytes, rows: pa.Table | None) -> Parity:
    """Compare the file with the graph on rows, and at the edges of the inputs' types.

    Raises `DataError` naming the feature where a prediction differs by more than the tolerance.
    """
    graph = made.graph
    ends, within = _edges(made, rows), _tolerance(graph)
    run, inside = session(content), session(file_of(made, features=True))
    real = ends.slice(0, 0) if rows is None else inputs_of(graph, rows)
    largest, features, refused = 0.0, dict[str, float](), 0
    parts = [real.slice(start, _ROWS_AT_ONCE) for start in range(0, real.num_rows, _ROWS_AT_ONCE)]
    for place, part in enumerate([*parts, ends]):
        tensors = feed(part, tuple(graph.signature.inputs), made.ports)
        tensors |= feed_images(made.images, part, nodes.inputs(graph))
        found, seen = _run(run, tensors), _run(inside, tensors)
        apart = _features_apart(graph, part, seen)
        for name, distance in apart.items():
            features[name] = max(features.get(name, 0.0), float(distance.max(initial=0.0)))
        telling = ~found.get(REFUSED, np.zeros(part.num_rows, bool))
        is_edge = place == len(parts)
        if not is_edge and not telling.all():
            _fail_refused(made, part, seen, int(np.flatnonzero(~telling)[0]))
        refused += int((~telling).sum())
        distances = np.where(telling, _outputs_apart(graph, part, found, within), 0.0)
        largest = max(largest, float(distances.max(initial=0.0)))
        if largest > within:
            _fail(graph, part, int(distances.argmax()), largest, apart)
    known = {name: distance for name, distance in features.items() if distance > 0.0}
    return Parity(rows=real.num_rows, edge_rows=ends.num_rows, largest=largest, features=known, refused=refused)


def _run(run: Any, tensors: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    read = {port.name for port in (*run.get_inputs(), *run.get_overridable_initializers())}
    names = [port.name for port in run.get_outputs()]
    return dict(zip(names, run.run(names, {name: tensors[name] for name in read}), strict=True))


def _tolerance(graph: ModelGraph) -> float:
    """Return how far predictions may lie apart: a network computes in single precision."""
    return max(TOLERANCE, method_of(graph).tolerance) if is_branched(graph) else TOLERANCE


def _edges(made: Recorded, rows: pa.Table | None) -> pa.Table:
    """Return edge rows that a file can be given and that ours predicts: NaN is NULL there, and an input that training
    never saw NULL has no flag to say so."""
    graph = made.graph
    schema = nodes.inputs(graph)
    ordinary = {image.column: some_image(made.images, image.column) for image in made.images}
    first = {} if rows is None or not rows.num_rows else inputs_of(graph, rows.slice(0, 1)).to_pylist()[0]
    ordinary |= {name: value for name, value in first.items() if value is not None}
    said = ("float64", "bytes")  # NaN says it, and of images there are flags
    never = {each.name for each in graph.signature.inputs if not each.nullable and each.type not in said}
    predictor = row_predictor(graph)

    def fits(row: Mapping[str, Any]) -> bool:
        if any(value != value or (value is None and name in never) for name, value in row.items()):
            return False
        try:
            return _finite(predictor.predict(row))
        except FAILURES:
            return False

    kept = [row for row in edge_rows(schema, ordinary) if fits(row)]
    return pa.Table.from_pylist(kept, schema=pa.schema([(each.name, arrow_type(each.type)) for each in schema]))


def _finite(value: Any) -> bool:
    """Tell whether all numbers are finite: beyond, it is the order of a sum that says whether it is infinity or NaN."""
    match value:
        case float():
            return math.isfinite(value)
        case dict() | list():
            return all(map(_finite, value.values() if isinstance(value, dict) else value))
    return True


def _outputs_apart(
    graph: ModelGraph, inputs: pa.Table, found: Mapping[str, np.ndarray[Any, Any]], within: float
) -> Distances:
    """Return how far the predictions of each row lie apart; infinite for another label."""
    total = np.zeros(inputs.num_rows)
    with np.errstate(all="ignore"):  # edge rows overflow, and that is an answer too
        columns = list(zip(graph.signature.outputs, output_columns(graph, inputs), strict=True))
    listed: dict[str, Distances] = {}
    labelled = () if task_of(graph) in ("clustering", "imported") else answered(graph)
    classes = {f"predicted_{head.label}_probs": head.classes for head in labelled}
    for each, column in columns:
        if each.type.startswith("array<struct<"):
            listed[each.name] = _by_key(classes.get(each.name, ()), column)
            total = np.maximum(total, distances(found[each.name], listed[each.name]).max(axis=1, initial=0.0))
        elif each.type in TENSOR_TYPES:
            total = np.maximum(total, _column_apart(each, column, found, name=output_name(graph, each.name)))
    return _where_close(total, found, listed, within)


def _where_close(
    total: Distances, found: Mapping[str, np.ndarray[Any, Any]], listed: Mapping[str, Distances], within: float
) -> Distances:
    """Forgive another label, or another centroid, where the two best are as good as each other."""
    for name, ours in listed.items():
        if ours.shape[1] > 1:
            ordered = np.sort(ours, axis=1)
            ends = ordered[:, 1] - ordered[:, 0] if name.startswith("NEAREST") else ordered[:, -1] - ordered[:, -2]
            alike = distances(found[name], ours).max(axis=1) <= within
            total = np.asarray(np.where(np.isinf(total) & alike & (ends <= within), 0.0, total))
    return total


def _column_apart(
    each: Field,
    column: pa.Array | pa.ChunkedArray,
    found: Mapping[str, np.ndarray[Any, Any]],
    *,
    name: str = "",
    null: str = "",
) -> Distances:
    """Return how far a column's values lie apart; where it is NULL in one alone, infinitely."""
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    ours, missing = values_of(chunked, each.type), np.asarray(chunked.is_null().to_numpy(), dtype=bool)
    theirs = found[name]
    absent = found.get(null or f"{name}__is_null", np.zeros(len(ours), bool))
    apart = distances(theirs, ours)
    return np.where(missing | absent, np.where(missing == absent, 0.0, np.inf), apart)


def distances(theirs: np.ndarray[Any, Any], ours: np.ndarray[Any, Any]) -> Distances:
    """Return how far values lie apart: floats relative to their size where that is above 1, others 0 or infinitely."""
    if ours.dtype != np.float64:
        return np.asarray(np.where(theirs == ours, 0.0, np.inf))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(theirs - ours) / np.maximum(np.abs(ours), 1.0)
    same = (theirs == ours) | (np.isnan(theirs) & np.isnan(ours))
    return np.asarray(np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart)))


def _by_key(classes: Sequence[Any], column: pa.Array) -> Distances:
    """Return the numbers of listed pairs, in the order of the classes or the centroids."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    keys, numbers = (lists.flatten().field(place) for place in (0, 1))
    known = pa.array(classes, keys.type) if classes else None
    at = keys.to_numpy() - 1 if known is None else pa.compute.index_in(keys, value_set=known).to_numpy()
    made = np.empty((len(lists), len(keys) // max(len(lists), 1)))
    made[np.repeat(np.arange(len(lists)), made.shape[1]), at.astype(np.int64)] = numbers.to_numpy()
    return made


def _features_apart(
    graph: ModelGraph, inputs: pa.Table, seen: Mapping[str, np.ndarray[Any, Any]]
) -> dict[str, Distances]:
    known = nodes.expressions(graph)
    names = [name for name in entering_names(graph) if f"feature: {name}" in seen]
    if not names:
        return {}
    ours = apply({name: known[name] for name in names}, inputs, nodes.inputs(graph))
    types = {node.name: node.params["type"] for node in (*graph.of("input"), *graph.of("expression"))}
    return {
        name: _column_apart(
            Field(name, types[name]), ours.column(name), seen, name=f"feature: {name}", null=f"null: {name}"
        )
        for name in names
    }


def _fail(graph: ModelGraph, inputs: pa.Table, row: int, largest: float, apart: Mapping[str, Any]) -> None:
    """Raise, naming the feature that differs most in the row whose prediction does."""
    differing = {name: float(distance[row]) for name, distance in apart.items() if distance[row] > 0.0}
    feature = max(differing, key=differing.__getitem__, default=None)
    where = "the features are equal there, so the estimator is not"
    if feature is not None:
        where = f"feature '{feature}' differs there by {differing[feature]:.3g}"
    raise DataError(
        f"model '{graph.name}': the ONNX file predicts something else: a difference of {largest:.3g}, where "
        f"{_tolerance(graph):g} is allowed; {where}, for {without_bytes(inputs.slice(row, 1).to_pylist()[0])}",
        field=feature,
    )


def _fail_refused(made: Recorded, inputs: pa.Table, seen: Mapping[str, Any], row: int) -> None:
    names = [name for name in entering_names(made.graph) if getattr(made.features[name], "refused", None) is not None]
    raise DataError(
        f"model '{made.graph.name}': the ONNX file cannot tell the value of feature {' or '.join(names)} for "
        f"{without_bytes(inputs.slice(row, 1).to_pylist()[0])}; compute it before the model, or leave it out",
        field=names[0] if names else None,
    )
