"""What features add to what a cascade predicts: of each row, by the stage that the row takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.errors import DataError
from penstock.models.explaining.aims import aim
from penstock.models.explaining.attributions import (
    Explained,
    blocks,
    check_explainable,
    explained,
    feature_names,
    of_class,
)
from penstock.models.graphs import nodes
from penstock.models.graphs.signature import inputs_of
from penstock.models.judging.metrics import predicted_classes
from penstock.models.learning.matrix import Flags, Floats, Integers
from penstock.models.predicting.predict import entering_features
from penstock.models.routing import EstimateStage, Routing, by_branch, is_routed, routed, routing_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Along:
    """Rows explained along their routes: what is estimated of them, the routes, the class that is predicted (of a
    value: 1), and by the `features` of all stages what explains it; `known` tells which of them a row's stage has."""

    estimates: Floats
    routes: pa.Array
    chosen: Integers
    features: tuple[str, ...]
    explained: Explained
    known: Flags


def check_explainable_stages(graph: ModelGraph) -> None:
    """Raise `DataError` for a model that has no explanations, and for a cascade with a stage that has none."""
    if not is_routed(graph):
        check_explainable(graph)
        return
    routing = routing_of(graph)
    if routing.blend:
        raise DataError(
            f"cascade '{graph.name}' blends its stages, and what features add to a mean of models, whose weights they "
            f"change too, is no sum; explain a stage of it: graph.stage('{_used(routing)[-1]}')"
        )
    for name in _used(routing):
        check_explainable_stages(routing.stages[name])
        if not is_routed(routing.stages[name]):
            aim(routing.stages[name])


def along_routes(
    graph: ModelGraph, inputs: pa.Table, estimate: EstimateStage, *, threshold: float | None, steps: int
) -> Along:
    """Return how a cascade's predictions for rows of its inputs come about."""
    found = routed(graph, inputs, estimate)
    classes = nodes.classes(graph)
    chosen = np.ones(inputs.num_rows, dtype=np.int64)
    if classes:
        chosen = predicted_classes(found.estimates, threshold)
    names = tuple(dict.fromkeys(_features(graph)))
    shape = (inputs.num_rows, len(names))
    parts, known = np.zeros(shape), np.zeros(shape, dtype=bool)
    baselines, scores = np.full(shape[0], np.nan), np.full(shape[0], np.nan)
    for places, stage, rows in _ends(graph, inputs, np.arange(inputs.num_rows), estimate):
        if not isinstance(stage, ModelGraph):
            baselines[places] = scores[places] = np.nan if classes else stage
            continue
        labels = [classes[number] for number in chosen[places]] if classes else []
        told = _explained(stage, rows, labels, steps)
        columns = np.array([names.index(name) for name in feature_names(stage)], dtype=np.int64)
        parts[np.ix_(places, columns)], known[np.ix_(places, columns)] = told.parts, True
        baselines[places], scores[places] = told.baselines, told.scores
    return Along(
        estimates=found.estimates,
        routes=found.routes,
        chosen=chosen,
        features=names,
        explained=Explained(baselines, scores, parts),
        known=known,
    )


def _ends(
    graph: ModelGraph, rows: pa.Table, places: Integers, estimate: EstimateStage
) -> Iterator[tuple[Integers, ModelGraph | float, pa.Table]]:
    """Yield the places of rows, the model or constant that their routes end at, and the rows as that reads them."""
    stages = routing_of(graph).stages
    for branch, part, given in by_branch(graph, rows, estimate):
        if branch.stage is None:
            yield places[part], branch.constant, given
        elif is_routed(stages[branch.stage]):
            yield from _ends(stages[branch.stage], given, places[part], estimate)
        else:
            yield places[part], stages[branch.stage], given


def _explained(stage: ModelGraph, rows: pa.Table, labels: Sequence[Any], steps: int) -> Explained:
    """Return what explains the score of each row's label, or its value."""
    found = []
    own, start = nodes.classes(stage), 0
    for block in blocks(entering_features(stage, inputs_of(stage, rows)), stage):
        numbers = [own.index(label) for label in labels[start : start + block.rows]] if own else [1] * block.rows
        found.append(of_class(explained(stage, block, steps=steps), np.array(numbers, dtype=np.int64)))
        start += block.rows
    return Explained(
        np.concatenate([each.baselines for each in found]),
        np.concatenate([each.scores for each in found]),
        np.concatenate([each.parts for each in found]),
    )


def _features(graph: ModelGraph) -> Iterator[str]:
    if not is_routed(graph):
        yield from feature_names(graph)
        return
    routing = routing_of(graph)
    for name in _used(routing):
        yield from _features(routing.stages[name])


def _used(routing: Routing) -> list[str]:
    """Return the names of the stages that rows end at."""
    return list(dict.fromkeys(branch.stage for branch in routing.branches if branch.stage is not None))
