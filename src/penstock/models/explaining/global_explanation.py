"""Which features matter to a model as a whole: how much each adds or takes in the mean of many explanations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.models.explaining.attributions import STEPS, blocks, explained, feature_names, of_class
from penstock.models.explaining.routed_attributions import along_routes, check_explainable_stages
from penstock.models.graphs import nodes
from penstock.models.graphs.heads import heads_of
from penstock.models.graphs.signature import inputs_of
from penstock.models.judging.metrics import predicted_classes
from penstock.models.learning.matrix import Features
from penstock.models.predicting.estimators import estimate
from penstock.models.predicting.predict import entering_features, estimates_of
from penstock.models.routing import check_no_cascade, is_routed
from penstock.tables import TableLike, arrow_schema, to_arrow

OPTION, FACT = "enable_global_explain", "global_explanation"
MOST_ROWS = 10_000
"""How many rows are explained when a model is learned, at most: as many as BigQuery's AUTO_SPLIT keeps back."""
MOST_ROWS_OF_ENCODERS = 500
"""How many of a model with encoders, of which a row is run some hundred times."""
_OVERALL = Schema.of(feature="string", attribution="float64")
_MOST_OF_A_CLASS = 10


def global_schema(graph: ModelGraph, *, by_class: bool = False) -> Schema:
    """Return the columns of the importance, by BigQuery's names; `DataError` for a model that has none.

    By class, the first is that of the class, and has the label's name.
    """
    check_explainable_stages(graph)
    if heads_of(graph) or nodes.is_multilabel(graph):
        raise DataError(
            f"model '{graph.name}' predicts several classes or labels at once, and how much a feature counts is "
            "another number for each; average explanations of one: graph.explain(rows, label=...)"
        )
    if not by_class:
        return _OVERALL
    check_no_cascade(graph, "importance by class")
    if not nodes.classes(graph):
        raise DataError(f"model '{graph.name}' ({graph.facts['type']}) is no classifier; it has no importance by class")
    name = graph.label if graph.label and graph.label not in _OVERALL else "class_label"
    return Schema((Field(name, "string"), *_OVERALL))


def importance(graph: ModelGraph, rows: TableLike | None = None, *, by_class: bool = False) -> pa.Table:
    """Return each feature with its importance, the greatest first: the mean of what it adds or takes, without its sign.

    A classifier's explanations are those of the labels that it predicts; `by_class` those of each label are told apart,
    over all rows, the ten greatest of each. Without rows, what counts is the rows that the model was judged on (of more
    than `MOST_ROWS` every n-th), where it was learned with `enable_global_explain`; `DataError` where it was not.
    """
    schema = global_schema(graph, by_class=by_class)
    if rows is not None:
        table = to_arrow(rows)
        if not table.num_rows:
            raise DataError(f"model '{graph.name}': there are no rows to explain")
        if is_routed(graph):
            names, values = _along_routes(graph, inputs_of(graph, table))
            return _overall_table(names, values)
        kept: Mapping[str, Any] = global_explanation(graph, entering_features(graph, inputs_of(graph, table)))
    elif FACT in graph.facts:
        kept = graph.facts[FACT]
    else:
        if is_routed(graph):
            raise DataError(
                f"cascade '{graph.name}': which features matter depends on the routes that rows take; give rows, in "
                f"Python: graph.importance(rows), or ask a stage that was learned with {OPTION} = TRUE"
            )
        raise DataError(
            f"model '{graph.name}' was learned without {OPTION}; learn it again with {OPTION} = TRUE, or, in Python, "
            "give rows: graph.importance(rows)"
        )
    names = feature_names(graph)
    if not by_class:
        return _overall_table(names, kept["overall"])
    by_label = [
        {schema.names[0]: _text(label), "feature": feature, "attribution": value}
        for label, values in zip(nodes.classes(graph), kept["by_class"], strict=True)
        for feature, value in _ranked(names, values)[:_MOST_OF_A_CLASS]
    ]
    return pa.Table.from_pylist(by_label, schema=arrow_schema(schema))


def _overall_table(names: Sequence[str], values: Sequence[float]) -> pa.Table:
    found = [{"feature": feature, "attribution": value} for feature, value in _ranked(names, values)]
    return pa.Table.from_pylist(found, schema=arrow_schema(_OVERALL))


def _along_routes(graph: ModelGraph, inputs: pa.Table) -> tuple[Sequence[str], list[float]]:
    """Return the features of all stages, and what each adds or takes in the mean of rows along their routes; one that
    a row's stage does not read adds nothing to it."""
    sums: Any = 0.0
    for start in range(0, inputs.num_rows, MOST_ROWS):
        part = inputs.slice(start, MOST_ROWS)
        found = along_routes(graph, part, estimates_of, threshold=None, steps=STEPS)
        sums = sums + np.abs(found.explained.parts).sum(axis=0)
    return found.features, (sums / inputs.num_rows).tolist()


def global_explanation(graph: ModelGraph, features: Features) -> dict[str, Any]:
    """Return, as plain JSON, the importance of each feature in the mean of some rows, and that for each class."""
    classes = len(nodes.classes(graph))
    overall = np.zeros(len(feature_names(graph)))
    by_class = np.zeros((classes, len(overall)))
    for block in blocks(features, graph):
        found = explained(graph, block)
        every = np.abs(found.parts)
        if classes:
            chosen = predicted_classes(estimate(graph, block))
            overall += np.abs(of_class(found, chosen).parts).sum(axis=0)
            by_class += every.sum(axis=0)  # of two classes the one score is that of both, but for its sign
        else:
            overall += every[:, 0].sum(axis=0)
    told: dict[str, Any] = {"rows": features.rows, "overall": (overall / features.rows).tolist()}
    return told | ({"by_class": (by_class / features.rows).tolist()} if classes else {})


def _ranked(names: Sequence[str], values: Sequence[float]) -> list[tuple[str, float]]:
    return sorted(zip(names, values, strict=True), key=lambda pair: -pair[1])


def _text(label: Any) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)
