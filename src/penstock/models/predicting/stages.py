"""What each stage of a cascade has predicted, as one column beside the prediction of the whole, for those who ask."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.models.graphs import nodes
from penstock.models.learning.matrix import Floats
from penstock.models.predicting.columns import predicted_columns
from penstock.models.routing import STAGES, Routed, is_routed, routing_of

_DIGEST = "digest"


def stages_column(graph: ModelGraph, found: Routed) -> pa.StructArray:
    """Return the column `stages` of rows that were routed: a struct with a member for each stage, NULL where it was not
    computed.

    A member has the stage's `digest`, which tells it from any other of its name, and the columns that it predicts; of
    a cascade within, its route and its own stages too. A router's are as they are calibrated.
    """
    routing, count = routing_of(graph), len(found.routes)
    made = [_stage_column(name, stage, routing.digests[name], found, count) for name, stage in routing.stages.items()]
    return pa.StructArray.from_arrays(made, names=list(routing.stages))


def _stage_column(name: str, stage: ModelGraph, digest: str, found: Routed, count: int) -> pa.Array:
    parts = [each for each in found.staged if each.stage == name]
    made = [_struct(stage, digest, each.estimates, each.within) for each in parts] or [_nothing(stage, digest)]
    places = np.concatenate([each.places for each in parts]) if parts else np.zeros(0, dtype=np.int64)
    index = np.full(count, -1)
    index[places] = np.arange(len(places))
    together = pa.concat_arrays(made)
    return together.take(pa.array(index, mask=index < 0))


def _struct(stage: ModelGraph, digest: str, estimates: Floats, within: Routed | None) -> pa.StructArray:
    columns = [pa.repeat(digest, len(estimates)), *predicted_columns(stage, estimates, None)]
    names = [_DIGEST, *stage.signature.outputs.names]
    if within is not None:
        columns, names = [*columns, within.routes, stages_column(stage, within)], [*names, STAGES]
    return pa.StructArray.from_arrays(columns, names=names)


def _nothing(stage: ModelGraph, digest: str) -> pa.StructArray:
    """Return the column of a stage that no row has reached."""
    estimates = np.zeros((0, max(len(nodes.classes(stage)), 1)))
    within = Routed(estimates, pa.array([], pa.string())) if is_routed(stage) else None
    return _struct(stage, digest, estimates, within)
