"""What a row costs by the way that it takes: the router's cost and that of the stage, in the user's own unit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.cascades.thresholds import grids
from penstock.cascades.value import SINGLE, Cascade, name_of, route_names, uses_of
from penstock.core.model import Model
from penstock.errors import DeclarationError
from penstock.models import ModelGraph
from penstock.models.graphs.signature import inputs_of
from penstock.models.learning.matrix import Floats
from penstock.models.predicting.predict import estimates_of
from penstock.models.routing import routed


def is_costed(cascade: Cascade) -> bool:
    """Tell whether a cascade, or one within it, says what anything costs."""
    own = (cascade.router_cost, cascade.otherwise_cost, *(each.cost for each in cascade.routes))
    return any(cost is not None for cost in own) or any(
        isinstance(use, Cascade) and is_costed(use) for use in uses_of(cascade)
    )


def stage_costs(cascade: Cascade) -> list[float]:
    """Return what the stage of each route costs for one row, without the router; NaN for a cascade whose own routes say
    it."""
    given = [*(each.cost for each in cascade.routes), cascade.otherwise_cost]
    return [
        math.nan if cost is None and isinstance(use, Cascade) else cost or 0.0
        for use, cost in zip(uses_of(cascade), given, strict=True)
    ]


def route_costs(cascade: Cascade) -> dict[str, float]:
    """Return what a row costs by the route that predictions name: "rare", or "inner/rare" for a cascade within."""
    base, found = cascade.router_cost or 0.0, {}
    for name, use, cost in zip(route_names(cascade), uses_of(cascade), stage_costs(cascade), strict=True):
        inner = route_costs(use) if isinstance(use, Cascade) else {}
        # A cascade with too few rows to learn from is one model, and its rows have no route within.
        alone = _alone(use) if isinstance(use, Cascade) and math.isnan(cost) else cost
        found[name] = base + alone
        found |= {f"{name}/{way}": base + (own if math.isnan(cost) else cost) for way, own in inner.items()}
    if cascade.policy == "auto":
        found[SINGLE] = _alone(cascade)
    return found


def costs_of(cascade: Cascade, routes: pa.Array) -> Floats:
    """Return what each row costs that took the route named; where predictions are blended, each is all stages."""
    by_name = route_costs(cascade)
    if cascade.blend:
        base = cascade.router_cost or 0.0
        whole = base + sum(by_name[name] - base for name in dict.fromkeys(route_names(cascade)))
        return np.full(len(routes), whole)
    return np.array([by_name[name] for name in routes.to_pylist()], dtype=np.float64)


def routes_taken(graph: ModelGraph, rows: pa.Table) -> pa.Array:
    """Return the route that each row takes; features that the graph looks up are columns of the rows."""
    return routed(graph, inputs_of(graph, rows), estimates_of).routes


def baseline_cost(cascade: Cascade) -> float | None:
    """Return what the single model costs for one row: as the stage that it is; None where it is none of them."""
    known: dict[Model, float] = {cascade.router: cascade.router_cost or 0.0}
    for use, cost in zip(uses_of(cascade), stage_costs(cascade), strict=True):
        if isinstance(use, Model):
            known.setdefault(use, cost)
    return None if cascade.baseline is None else known.get(cascade.baseline)


def _alone(cascade: Cascade) -> float:
    cost = baseline_cost(cascade)
    return math.nan if cost is None else cost


def check(cascade: Cascade, where: str) -> None:
    """Raise `DeclarationError` for costs that are none, and for a budget that decides nothing or cannot be met."""
    given: dict[str, Any] = {
        "router_cost": cascade.router_cost,
        "otherwise_cost": cascade.otherwise_cost,
        "budget": cascade.budget,
        **{f"the cost of the route '{each.name}'": each.cost for each in cascade.routes},
    }
    for what, cost in given.items():
        if cost is not None and (
            isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost < math.inf
        ):
            raise DeclarationError(f"{where}: {what} is {cost!r}; give a number, 0 or more")
    _check_names(cascade, where)
    if cascade.budget is None:
        return
    if not is_costed(cascade):
        raise DeclarationError(f"{where} has a budget, and nothing costs anything: ps.route(..., cost=), router_cost=")
    if cascade.blend:
        raise DeclarationError(
            f"{where}: with blend=True each row is predicted by all stages, and no budget changes that"
        )
    if not grids(cascade) and cascade.policy != "auto":
        raise DeclarationError(
            f"{where} has a budget={cascade.budget} and nothing to choose by it; write ps.threshold() in a route, or "
            "policy='auto'"
        )
    if cascade.policy == "auto" and baseline_cost(cascade) is None:
        raise DeclarationError(
            f"{where}: within a budget policy='auto' compares with one model, and what the baseline costs is not "
            "known, for it is no stage; give baseline= one of the stages"
        )
    cheapest = min(cost for cost in route_costs(cascade).values() if not math.isnan(cost))
    if cascade.budget < cheapest:
        raise DeclarationError(f"{where}: budget={cascade.budget}, and the cheapest way of a row costs {cheapest}")


def _check_names(cascade: Cascade, where: str) -> None:
    seen: dict[str, tuple[str, float]] = {}
    for name, use, cost in zip(route_names(cascade), uses_of(cascade), stage_costs(cascade), strict=True):
        known = seen.setdefault(name, (name_of(use), cost))
        if known != (name_of(use), cost) and not math.isnan(cost):
            raise DeclarationError(
                f"{where}: two ways are called '{name}', and cost {known[1]} and {cost}; give one of them a name="
            )
