"""The ways that rows take through a cascade: as its router says, and as they would if it were always right."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.graph import ModelGraph
from penstock.errors import DataError
from penstock.models.graphs.signature import inputs_of
from penstock.models.judging import labels
from penstock.models.learning.matrix import Flags, Floats, Integers
from penstock.models.predicting.predict import estimates_of
from penstock.models.routing import (
    Routing,
    aligned,
    calibrated,
    chosen,
    classes_of,
    confidence_column,
    estimated,
    router_values,
    with_columns,
)
from penstock.models.routing.routes import read_by
from penstock.operations.notation import expression_from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterLabels:
    """What a router was to say: of which rows it is known, and of those the values, or the numbers of the classes."""

    there: Flags
    known: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Of each row: what the router estimates, as learned and as calibrated, the branch taken and the one that its label
    belongs to (-1 where it has none; None where labels say nothing of routes, and why), what each estimates, and what
    is estimated by the latter where its stage learned from the rows that belong to it."""

    raw: Floats
    router: Floats
    labels: RouterLabels | None
    taken: Integers
    own: Integers | None
    why_not: str
    whole: Floats
    by_taken: Floats
    by_own: Floats | None
    ideal: Floats | None
    columns: dict[str, pa.Array]


def ways_of(
    graph: ModelGraph, routing: Routing, table: pa.Table, ideal: Mapping[str, ModelGraph] | None = None
) -> Ways:
    """Return the ways of rows that have the inputs of a cascade and, as far as they are known, the router's labels.
    `ideal` are stages that learned from the rows that belong to them."""
    inputs = inputs_of(graph, table)
    raw = estimates_of(routing.stages[routing.router], inputs)
    router = calibrated(routing.calibration, raw)
    columns = router_values(routing, router)
    rows = with_columns(inputs, columns)
    taken = chosen(routing.branches, rows)
    known, why_not = _router_labels(routing, table)
    own = None if known is None else _own(routing, inputs, known)
    if len(routing.branches) == 1:  # one model was found to do as well: no row belongs anywhere else
        known, own, why_not = None, None, ""
    elif confidence_column(routing.router) in read_by(routing.branches):
        own, why_not = None, "its routes ask how sure the router is, and no label says that"
    by_taken = _estimated(routing, rows, router, taken)
    told = dataclasses.replace(routing, stages={**routing.stages, **(ideal or {})})
    return Ways(
        raw=raw,
        router=router,
        labels=known,
        taken=taken,
        own=own,
        why_not=why_not,
        whole=estimates_of(graph, inputs) if routing.blend else by_taken,
        by_taken=by_taken,
        by_own=None if own is None else _estimated(routing, rows, router, own),
        ideal=None if own is None or ideal is None else _estimated(told, rows, router, own),
        columns=columns,
    )


def _router_labels(routing: Routing, table: pa.Table) -> tuple[RouterLabels | None, str]:
    """Return the router's labels, or why there are none. A label that it never learned is as good as none."""
    router = routing.stages[routing.router]
    name = router.label or ""
    try:
        column = labels.label_column(router.name, name, expression_from_json(router.facts["target"]), table)
    except DataError as error:
        return None, f"the rows do not have what the router is to say: {error}"
    there = column.is_valid().to_numpy(zero_copy_only=False)
    if routing.router_classes:
        classes = pa.array(routing.router_classes, column.type)
        there = there & pc.is_in(column, value_set=classes).to_numpy()
    given = column.filter(pa.array(there))
    if not len(given):
        return None, f"no row has a label '{name}' that the router knows"
    classes_known = routing.router_classes
    known = (
        labels.class_numbers(router.name, name, classes_known, given)
        if classes_known
        else labels.values(router.name, name, given)
    )
    return RouterLabels(there=np.asarray(there), known=known), ""


def _own(routing: Routing, inputs: pa.Table, router: RouterLabels) -> Integers:
    """Return the branch that each row would take if the router were right, and certain; -1 without a label."""
    many = len(routing.router_classes)
    certain = np.eye(many)[router.known] if many else np.asarray(router.known, dtype=np.float64)[:, None]
    rows = with_columns(inputs.filter(pa.array(router.there)), router_values(routing, certain))
    found = np.full(inputs.num_rows, -1, dtype=np.int64)
    found[router.there] = chosen(routing.branches, rows)
    return found


def _estimated(routing: Routing, rows: pa.Table, router: Floats, branches: Integers) -> Floats:
    """Return what the branch given for each row estimates of it; NaN for rows of none."""
    found = np.full((rows.num_rows, max(len(routing.classes), 1)), np.nan)
    for at, branch in enumerate(routing.branches):
        part = np.flatnonzero(branches == at)
        if len(part):
            made, _ = estimated(routing, branch, rows.take(pa.array(part)), router[part], estimates_of)
            own = routing.classes if branch.stage is None else classes_of(routing.stages[branch.stage])
            found[part] = aligned(made, own, routing.classes) if routing.classes else made
    return found
