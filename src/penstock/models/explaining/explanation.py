"""Why a model predicts what it predicts: what each declared feature adds to the prediction of a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema
from penstock.errors import DataError, DeclarationError
from penstock.models.explaining import TOP
from penstock.models.explaining.aims import aim
from penstock.models.explaining.attributions import STEPS, Explained, blocks, explained, feature_names
from penstock.models.explaining.routed_attributions import along_routes, check_explainable_stages
from penstock.models.graphs import nodes
from penstock.models.graphs.signature import check_free, inputs_of
from penstock.models.learning.matrix import Features, Flags, Floats
from penstock.models.predicting.columns import predicted_columns
from penstock.models.predicting.estimators import estimate
from penstock.models.predicting.predict import check_threshold, entering_features, estimates_of
from penstock.models.routing import ROUTE, is_routed
from penstock.tables import TableLike, arrow_schema, to_arrow

_ROUNDING = 1e-11  # of the sizes that are added up: what is left over below that is no error of the method
_ROWS_AT_ONCE = 1 << 15


def explanation_schema(graph: ModelGraph, label: Any = None) -> Schema:
    """Return the columns that explain a prediction, by BigQuery's names; `DataError` where the model cannot do it, or
    where `label` does not say what of it is explained, see `aims.aim`."""
    check_explainable_stages(graph)
    if is_routed(graph):
        if label is not None:
            raise DataError(f"cascade '{graph.name}' is explained by its stages; leave label={label!r} out")
        predicted, classes = graph.signature.outputs.fields[0], nodes.classes(graph)
    else:
        head = aim(graph, label).head
        predicted, classes = _predicted(graph, head.label), head.classes
    probability = (Field("probability", "float64"),) if classes else ()
    return Schema(
        (
            predicted,
            *probability,
            Field("top_feature_attributions", "array<struct<feature string, attribution float64>>"),
            Field("baseline_prediction_value", "float64"),
            Field("prediction_value", "float64"),
            Field("approximation_error", "float64"),
            *((Field(ROUTE, "string"),) if is_routed(graph) else ()),
        )
    )


def _predicted(graph: ModelGraph, label: str) -> Field:
    """Return the column of what is predicted of a label: of the only one the first."""
    fields = graph.signature.outputs.fields
    return next((field for field in fields if field.name == f"predicted_{label}"), fields[0])


def explain(
    graph: ModelGraph,
    rows: TableLike,
    *,
    top: int = TOP,
    threshold: float | None = None,
    steps: int = STEPS,
    label: Any = None,
) -> pa.Table:
    """Return what is predicted of each row and why, then the rows as they were given.

    `prediction_value` is the value of a regression, or the score of the predicted label: of two labels its log-odds, of
    more what softmax makes probabilities of. `baseline_prediction_value` is that score where nothing is known of the
    row, and `top_feature_attributions` are the features that lead from the one to the other, the `top` most important
    of them: all together add up to the difference. What is left of it, as a part of it, is the `approximation_error`: 0
    for linear models and trees, whose attributions are exact; networks take more `steps` to make it smaller.

    Of a model of several labels `label` says which one is explained, and where several classes may hold at once, which
    class: `price`, `red`, `tags.red`. A classifier's is the class that it predicts, or the `label` given.

    What a cascade predicts of a row is explained by the stage that the row took, which `route` names: what led the
    router to it, `explain` of the router says. A route to a constant has no features, and that of a label no score.

    Raises `DataError` naming what a row lacks, or why a model of this type has no explanations.
    """
    schema = explanation_schema(graph, label)
    if top < 1:
        raise DeclarationError(f"model '{graph.name}': top={top} features explain nothing; give 1 or more")
    check_threshold(graph, threshold)
    given = to_arrow(rows)
    check_free(graph, given, schema.names)
    inputs = inputs_of(graph, given)
    if is_routed(graph):
        starts = range(0, max(inputs.num_rows, 1), _ROWS_AT_ONCE)
        parts = [inputs.slice(start, _ROWS_AT_ONCE) for start in starts]
        told = pa.concat_tables([_told_along_routes(graph, part, schema, top, threshold, steps) for part in parts])
        return pa.table([*told.columns, *given.columns], names=[*schema.names, *given.column_names])
    features = entering_features(graph, inputs)
    tables = [_told(graph, block, schema, (top, threshold, steps, label)) for block in blocks(features, graph)]
    told = pa.concat_tables(tables)
    return pa.table([*told.columns, *given.columns], names=[*schema.names, *given.column_names])


def _told(graph: ModelGraph, features: Features, schema: Schema, asked: tuple[int, float | None, int, Any]) -> pa.Table:
    top, threshold, steps, label = asked
    estimates, aimed = estimate(graph, features), aim(graph, label)
    found = explained(graph, features, steps=steps)
    place = graph.signature.outputs.names.index(schema.names[0])
    columns = [predicted_columns(graph, estimates, threshold)[place]]
    chosen = aimed.chosen(estimates, threshold)
    if aimed.head.classes:
        columns.append(pa.array(aimed.probabilities(estimates, chosen)))
    columns += _reasons(aimed.explained(found, chosen), feature_names(graph), top)
    return pa.table(columns, schema=arrow_schema(schema))


def _told_along_routes(
    graph: ModelGraph, inputs: pa.Table, schema: Schema, top: int, threshold: float | None, steps: int
) -> pa.Table:
    found = along_routes(graph, inputs, estimates_of, threshold=threshold, steps=steps)
    columns = predicted_columns(graph, found.estimates, threshold)[:1]
    if nodes.classes(graph):
        columns.append(pa.array(found.estimates[np.arange(inputs.num_rows), found.chosen]))
    columns += [*_reasons(found.explained, list(found.features), top, found.known), found.routes]
    return pa.table(columns, schema=arrow_schema(schema))


def _reasons(told: Explained, names: list[str], top: int, known: Flags | None = None) -> list[pa.Array]:
    """Return the columns of attributions, baseline, score and error; `known` are the features that a row's model has
    (None: all)."""
    values = [told.baselines, told.scores, _errors(told)]
    return [_top(told.parts, names, top, known), *(pa.array(each, from_pandas=True) for each in values)]


def _top(parts: Floats, names: list[str], top: int, known: Flags | None) -> pa.Array:
    """Return a list for each row: its features with what they add, those that add or take the most first."""
    sizes = -np.abs(parts) if known is None else np.where(known, -np.abs(parts), 1.0)
    ranked = np.argsort(sizes, axis=1, kind="stable")[:, :top]
    there = np.ones(ranked.shape, dtype=bool) if known is None else np.take_along_axis(known, ranked, axis=1)
    pairs = pa.StructArray.from_arrays(
        [
            pa.array(names, pa.string()).take(pa.array(ranked[there])),
            pa.array(np.take_along_axis(parts, ranked, axis=1)[there]),
        ],
        names=["feature", "attribution"],
    )
    return pa.ListArray.from_arrays(pa.array(np.cumsum([0, *there.sum(axis=1)]), pa.int32()), pairs)


def _errors(told: Explained) -> Floats:
    """Return what the attributions leave of the way from the baseline to the score, as a part of it."""
    way = told.scores - told.baselines
    left = np.abs(way - told.parts.sum(axis=1))
    sizes = np.abs(told.scores) + np.abs(told.baselines) + np.abs(told.parts).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(left <= _ROUNDING * sizes, 0.0, left / np.abs(way))
