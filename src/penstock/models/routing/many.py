"""The routes of many rows: each branch's rows are handed to its stage together, and come back in their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.expression import Expr
from penstock.core.graph import ModelGraph
from penstock.models.learning.matrix import Floats, Integers
from penstock.models.routing.calibrators import calibrated
from penstock.models.routing.routes import (
    Branch,
    Router,
    Routing,
    classes_of,
    confidence_column,
    is_routed,
    probability_column,
    read_by,
    routing_of,
)
from penstock.tables import arrow_type, schema_of
from penstock.transforms import apply

EstimateStage = Callable[[ModelGraph, pa.Table], Floats]
"""Estimates rows that have the inputs of a stage: a value, or a probability for each of its classes."""


@dataclass(frozen=True, slots=True)
class Routed:
    """What rows are estimated as, the branch of each, by its name, and what stages estimated on the way."""

    estimates: Floats
    routes: pa.Array
    staged: Sequence[Staged] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    """What a stage estimated of the rows at some places; `within`: how, where it is a cascade."""

    stage: str
    places: Integers
    estimates: Floats
    within: Routed | None = None


EstimateBranch = Callable[[int, Integers], tuple[Floats, Routed | None]]
"""Estimates, of all classes, the rows at some places by the branch of a number, and tells which way they took in it."""


def routed(graph: ModelGraph, inputs: pa.Table, estimate: EstimateStage) -> Routed:
    """Route rows of the graph's inputs, and estimate each by the stage of its branch, or by all that have a weight."""
    routing = routing_of(graph)
    found = calibrated(routing.calibration, estimate(routing.stages[routing.router], inputs))
    rows = with_columns(inputs, router_values(routing, found))
    staged = [Staged(routing.router, np.arange(inputs.num_rows), found)]

    def made_by(at: int, part: Integers) -> tuple[Floats, Routed | None]:
        branch = routing.branches[at]
        given = rows if len(part) == rows.num_rows else rows.take(pa.array(part))
        own, within = estimated(routing, branch, given, found[part], estimate)
        if branch.stage is None:
            return own, within
        if branch.stage != routing.router:
            staged.append(Staged(branch.stage, part, own, within))
        made = aligned(own, classes_of(routing.stages[branch.stage]), routing.classes) if routing.classes else own
        return made, within

    made = combined(routing.branches, found, rows, made_by, classes=len(routing.classes), blend=routing.blend)
    return Routed(made.estimates, made.routes, staged)


def combined(
    branches: Sequence[Branch], router: Floats, rows: pa.Table, made_by: EstimateBranch, *, classes: int, blend: bool
) -> Routed:
    """Put together what branches estimate of rows that have the router's columns: of each row the branch that takes it,
    or, with `blend`, all that have a weight. `router` is what the router estimates."""
    taken = chosen(branches, rows)
    weights = _weights(branches, router) if blend else None
    total = np.zeros((rows.num_rows, max(classes, 1)))
    routes = np.array([branch.name for branch in branches], dtype=object)[taken]
    for at, branch in enumerate(branches):
        part = np.flatnonzero(taken == at if weights is None else weights[:, at] > 0.0)
        if not len(part):
            continue
        made, within = made_by(at, part)
        total[part] = made if weights is None else total[part] + weights[part, at][:, None] * made
        if within is not None:
            mine = taken[part] == at
            routes[part[mine]] = [f"{branch.name}/{name}" for name in within.routes.filter(pa.array(mine)).to_pylist()]
    if weights is not None and classes == 2:  # as of one row, which knows the second alone
        total[:, 0] = 1.0 - total[:, 1]
    return Routed(total, pa.array(routes, pa.string()))


def chosen(branches: Sequence[Branch], rows: pa.Table) -> Integers:
    """Return of each row the position of the first branch whose condition holds; the last one has none."""
    conditions: dict[str, Expr] = {
        str(at): branch.when for at, branch in enumerate(branches) if branch.when is not None
    }
    taken = np.full(rows.num_rows, len(branches) - 1, dtype=np.int64)
    if not conditions:
        return taken
    columns = list(read_by(tuple(branches)))
    given = rows.select(columns) if columns else pa.table({"nothing": pa.nulls(rows.num_rows)})
    holds = apply(conditions, given, schema_of(given.schema))
    for at in reversed(range(len(conditions))):
        taken[holds.column(str(at)).fill_null(False).to_numpy()] = at
    return taken


def by_branch(
    graph: ModelGraph, inputs: pa.Table, estimate: EstimateStage
) -> Iterator[tuple[Branch, Integers, pa.Table]]:
    """Yield each branch that rows of the graph's inputs take, with their places, and the rows as its stage reads
    them."""
    routing = routing_of(graph)
    found = calibrated(routing.calibration, estimate(routing.stages[routing.router], inputs))
    rows = with_columns(inputs, router_values(routing, found))
    taken = chosen(routing.branches, rows)
    for at, branch in enumerate(routing.branches):
        part = np.flatnonzero(taken == at)
        if len(part):
            yield branch, part, rows.take(pa.array(part))


def router_values(of: Router, estimates: Floats) -> dict[str, pa.Array]:
    """Return the columns of a router for its estimates (probabilities as calibrated)."""
    if not of.router_classes:
        return {of.router: pa.array(estimates[:, 0])}
    found: dict[str, pa.Array] = {}
    if of.kind == "probability":
        found[of.router] = pa.array(np.ascontiguousarray(estimates[:, 1]))
    else:
        labels = pa.array(of.router_classes, arrow_type(of.router_type))
        found[of.router] = labels.take(pa.array(estimates.argmax(axis=1)))
    found[confidence_column(of.router)] = pa.array(estimates.max(axis=1))
    for at, label in enumerate(of.router_classes):
        found[probability_column(of.router, label)] = pa.array(np.ascontiguousarray(estimates[:, at]))
    return found


def with_columns(rows: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """Return rows with more columns; those of the same names give way."""
    kept = [name for name in rows.column_names if name not in columns]
    return pa.table({**{name: rows.column(name) for name in kept}, **columns})


def aligned(estimates: Floats, own: Sequence[Any], classes: Sequence[Any]) -> Floats:
    """Return the probabilities of a stage's own classes as those of all classes: 0 for one that it does not know."""
    if tuple(own) == tuple(classes):
        return estimates
    made = np.zeros((len(estimates), len(classes)))
    made[:, [classes.index(label) for label in own]] = estimates
    return made


def estimated(
    routing: Routing, branch: Branch, rows: pa.Table, router: Floats, estimate: EstimateStage
) -> tuple[Floats, Routed | None]:
    """Return what a branch estimates of rows, of its own classes, and how, where its stage is a cascade."""
    if branch.stage is None:
        return constant_estimates(branch.constant, rows.num_rows, len(routing.classes)), None
    if branch.stage == routing.router:
        return router, None
    stage = routing.stages[branch.stage]
    if is_routed(stage):
        within = routed(stage, rows, estimate)
        return within.estimates, within
    return estimate(stage, rows), None


def constant_estimates(constant: float, rows: int, classes: int) -> Floats:
    """Return what a constant is as estimates: a value, or certainty of the class of that number."""
    if not classes:
        return np.full((rows, 1), constant)
    made = np.zeros((rows, classes))
    made[:, int(constant)] = 1.0
    return made


def _weights(branches: Sequence[Branch], router: Floats) -> Floats:
    """Return the weight of each branch: the probability of its class; the last has the rest, and not less than 0."""
    weights = np.zeros((len(router), len(branches)))
    rest = np.ones(len(router))
    for at, branch in enumerate(branches):
        weights[:, at] = np.maximum(rest, 0.0) if branch.of is None else router[:, branch.of]
        rest = rest - weights[:, at]
    return weights
