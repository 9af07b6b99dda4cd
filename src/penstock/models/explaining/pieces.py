"""What the pieces of one value of a row (the words of a text, the parts of an image) add to what is predicted of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.expression import columns_of
from penstock.core.graph import ModelGraph
from penstock.errors import DataError, UnknownNameError
from penstock.models.explaining.aims import aim
from penstock.models.graphs import nodes
from penstock.models.graphs.signature import inputs_of
from penstock.models.learning.matrix import Features, Floats, mixed, repeated
from penstock.models.predicting.entering import feature_of_each
from penstock.models.predicting.estimators import estimate
from penstock.models.predicting.imported import is_imported
from penstock.models.predicting.predict import entering_features, estimates_of
from penstock.models.routing import is_routed
from penstock.multimodal.attributing import coalitions
from penstock.tables import TableLike, to_arrow

SAMPLES = 1000
"""About how many changed rows are predicted, of more than eight pieces."""

_TINY = 1e-9
_BYTES_AT_ONCE = 1 << 25
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Of one row what is told of (the value or label that is `predicted`, or another label), the scores without any
    piece and with all, and what each piece adds to get from the one to the other."""

    predicted: Any
    baseline: float
    score: float
    parts: Floats


def one_row(graph: ModelGraph, row: Any, column: str, type: str) -> tuple[pa.Table, Any]:
    """Return a row of the graph's inputs, and its value of a column, which is of such a type; `DataError` otherwise."""
    rows: TableLike = [row] if isinstance(row, dict) else row
    if is_imported(graph):
        raise DataError(f"model '{graph.name}' ({graph.facts['type']}): what is in its file is not known")
    if nodes.only_transforms(graph) or graph.label is None:
        raise DataError(f"model '{graph.name}' ({graph.facts['type']}) predicts no label that could be explained")
    inputs = inputs_of(graph, to_arrow(rows))
    known = {field.name: field.type for field in nodes.inputs(graph)}
    if column not in known:
        raise UnknownNameError("column", column, tuple(known), within=f"the inputs of model '{graph.name}'")
    if known[column] != type:
        able = ", ".join(name for name, each in known.items() if each == type) or "none"
        raise DataError(
            f"model '{graph.name}' reads '{column}' as {known[column]}, not as {type}; columns of that: {able}",
            field=column,
        )
    if inputs.num_rows != 1:
        raise DataError(f"model '{graph.name}': one row is explained at a time; {inputs.num_rows} are given")
    value = inputs.column(column)[0].as_py()
    if value is None:
        raise DataError(f"model '{graph.name}': '{column}' is NULL in this row; there is nothing in it", field=column)
    return inputs, value


def told_of(
    graph: ModelGraph,
    row: pa.Table,
    column: str,
    pieces: int,
    made: Callable[[Sequence[bool]], Any],
    *,
    label: Any,
    features: Sequence[str] | None,
    samples: int,
) -> Told:
    """Return the Shapley values of the pieces of a value; `made` puts together those that are kept.

    With `features`, the change is seen by these alone: all others read the value as it is.
    """
    aimed = aim(graph, label)
    kept, weights = coalitions(pieces, max(1, samples // (2 * pieces)))
    values = [made(each) for each in kept.astype(bool).tolist()]
    estimates = np.concatenate([_estimates(graph, row, column, some, features) for some in _blocks(values)])
    classes, own = aimed.head.classes, estimates[:, aimed.estimates]
    if not classes:
        scores, predicted = own[:, 0], float(own[-1, 0])
    else:
        chosen = int(own[-1].argmax()) if aimed.place is None else aimed.place
        share = np.clip(own[:, chosen], _TINY, 1 - _TINY)
        scores, predicted = np.log(share) - np.log1p(-share), classes[chosen]
    return Told(
        predicted=predicted, baseline=float(scores[0]), score=float(scores[-1]), parts=np.asarray(weights @ scores)
    )


def _estimates(
    graph: ModelGraph, row: pa.Table, column: str, values: Sequence[Any], features: Sequence[str] | None
) -> Floats:
    count, place = len(values), row.column_names.index(column)
    changed = row.take(pa.array([0] * count)).set_column(place, row.schema.field(place), pa.array(values))
    if is_routed(graph):
        if features is not None:
            raise DataError(f"cascade '{graph.name}' has no features of its own; leave features={features!r} out")
        return estimates_of(graph, changed)
    return estimate(graph, _seen(graph, row, changed, column, features))


def _seen(graph: ModelGraph, row: pa.Table, changed: pa.Table, column: str, features: Sequence[str] | None) -> Features:
    """Return what enters: of the features that read the column from the changed rows, of others from the row as it is.

    What those others read is not even read again, were it an image.
    """
    known = nodes.expressions(graph)
    reads = {name: set(columns_of(known[node])) for name, node in graph.facts["feature_nodes"].items()}
    for name in features or ():
        if name not in reads:
            raise UnknownNameError("feature", name, tuple(reads), within=f"model '{graph.name}'")
    readers = [name for name in (reads if features is None else features) if column in reads[name]]
    if not readers:
        raise DataError(f"model '{graph.name}': no feature of {', '.join(features or reads)} reads '{column}'")
    needed = {column}.union(*(reads[name] for name in readers))
    for place, field in enumerate(changed.schema):
        if field.name not in needed:
            changed = changed.set_column(place, field, pa.nulls(changed.num_rows, field.type))
    whole = repeated(entering_features(graph, row), changed.num_rows)
    kinds = nodes.concat(graph).params["kinds"]
    chosen = [owner in readers for owner in feature_of_each(graph)]
    return mixed(whole, entering_features(graph, changed), kinds, chosen)


def _blocks(values: list[Any]) -> list[list[Any]]:
    height = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(len(values[-1]), 1)))
    return [values[start : start + height] for start in range(0, len(values), height)]
