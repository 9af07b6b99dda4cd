"""Which features matter to a model as a whole: how much each adds or takes in the mean of many explanations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.models.explaining.aims import Aim, aims_of, class_text
from penstock.models.explaining.attributions import STEPS, Explained, blocks, explained, feature_names
from penstock.models.explaining.routed_attributions import along_routes, check_explainable_stages
from penstock.models.graphs.heads import heads_of
from penstock.models.graphs.signature import inputs_of
from penstock.models.learning.matrix import Features, Floats
from penstock.models.predicting.estimators import estimate
from penstock.models.predicting.outcomes import answered
from penstock.models.predicting.predict import entering_features, estimates_of
from penstock.models.routing import check_no_cascade, is_routed
from penstock.tables import TableLike, arrow_schema, to_arrow

OPTION, FACT = "enable_global_explain", "global_explanation"
MOST_ROWS = 10_000
"""How many rows are explained when a model is learned, at most: as many as BigQuery's AUTO_SPLIT keeps back."""
MOST_ROWS_OF_BRANCHES = 500
"""How many of a network of branches, such as one with encoders, of which a row is run some hundred times."""
_OVERALL = Schema.of(feature="string", attribution="float64")
_MOST_OF_A_CLASS = 10


def global_schema(graph: ModelGraph, *, by_class: bool = False) -> Schema:
    """Return the columns of the importance, by BigQuery's names; `DataError` for a model that has none.

    Of several labels the first says which it is of. By class, one more is that of the class, and has the label's name;
    of several labels it is `class`.
    """
    check_explainable_stages(graph)
    label = (Field("label", "string"),) if heads_of(graph) else ()
    if not by_class:
        return Schema((*label, *_OVERALL))
    check_no_cascade(graph, "importance by class")
    if not any(head.classes for head in answered(graph)):
        raise DataError(f"model '{graph.name}' ({graph.facts['type']}) is no classifier; it has no importance by class")
    own = graph.label if graph.label and graph.label not in _OVERALL else "class_label"
    return Schema((*label, Field("class" if label else own, "string"), *_OVERALL))


def importance(graph: ModelGraph, rows: TableLike | None = None, *, by_class: bool = False) -> pa.Table:
    """Return each feature with its importance, the greatest first: the mean of what it adds or takes, without its sign.

    A classifier's explanations are those of the labels that it predicts; `by_class` those of each label are told apart,
    over all rows, the ten greatest of each. Where several classes may hold at once, a feature counts as it does in the
    mean of them. Several labels each have their own importance, one after the other.

    Without rows, what counts is the rows that the model was judged on (of more than `MOST_ROWS` every n-th), where it
    was learned with `enable_global_explain`; `DataError` where it was not.
    """
    schema = global_schema(graph, by_class=by_class)
    if rows is not None:
        table = to_arrow(rows)
        if not table.num_rows:
            raise DataError(f"model '{graph.name}': there are no rows to explain")
        if is_routed(graph):
            ranked = _ranked(*_along_routes(graph, inputs_of(graph, table)))
            return pa.Table.from_pylist(ranked, schema=arrow_schema(schema))
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
    told = _by_class(graph, kept, schema.names[-3]) if by_class else _overall(graph, kept)
    return pa.Table.from_pylist(list(told), schema=arrow_schema(schema))


def _overall(graph: ModelGraph, kept: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for label, told in _of_labels(graph, kept):
        yield from (label | each for each in _ranked(feature_names(graph), told["overall"]))


def _by_class(graph: ModelGraph, kept: Mapping[str, Any], column: str) -> Iterator[dict[str, Any]]:
    for head, (label, told) in zip(answered(graph), _of_labels(graph, kept), strict=True):
        for known, values in zip(head.classes, told.get("by_class", ()), strict=True):
            first = label | {column: class_text(known)}
            yield from (first | each for each in _ranked(feature_names(graph), values)[:_MOST_OF_A_CLASS])


def _of_labels(graph: ModelGraph, kept: Mapping[str, Any]) -> list[tuple[dict[str, str], Mapping[str, Any]]]:
    """Return what is kept of each label, with the columns that say which it is: none where there is but one."""
    heads = heads_of(graph)
    return [({"label": head.label}, kept["labels"][head.label]) for head in heads] if heads else [({}, kept)]


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
    """Return, as plain JSON, the importance of each feature in the mean of some rows, and that for each class; of
    several labels those of each, by its name."""
    aims, several = aims_of(graph), heads_of(graph)
    sums: dict[str, tuple[Any, Any]] = dict.fromkeys(aims, (0.0, 0.0))
    for block in blocks(features, graph):
        found, estimates = explained(graph, block), estimate(graph, block)
        for label, each in aims.items():
            overall, by_class = _summed(each, found, estimates)
            sums[label] = sums[label][0] + overall, sums[label][1] + by_class
    told = {
        label: {"overall": (overall / features.rows).tolist()}
        | ({"by_class": (by_class / features.rows).tolist()} if aims[label].head.classes else {})
        for label, (overall, by_class) in sums.items()
    }
    return {"rows": features.rows, "labels": told} if several else {"rows": features.rows, **next(iter(told.values()))}


def _summed(aim: Aim, found: Explained, estimates: Floats) -> tuple[Floats, Floats]:
    """Return what features add to or take from the scores of a label, summed over rows: of what is predicted, and of
    each class."""
    every = np.abs(found.parts[:, aim.scores]).sum(axis=0)
    every = np.broadcast_to(every, (aim.head.numbers, every.shape[1]))  # of two classes one score is that of both
    if aim.head.task == "classification":
        return np.abs(aim.explained(found, aim.chosen(estimates)).parts).sum(axis=0), every
    return every.mean(axis=0), every


def _ranked(names: Sequence[str], values: Sequence[float]) -> list[dict[str, Any]]:
    ranked = sorted(zip(names, values, strict=True), key=lambda pair: -pair[1])
    return [{"feature": feature, "attribution": value} for feature, value in ranked]
