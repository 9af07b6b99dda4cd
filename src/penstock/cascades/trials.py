"""Policies and thresholds tried on rows that no stage learned from: which way the rows to learn from would go by each,
how good the whole would be, and which is chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.cascades.branching import branches_of
from penstock.cascades.costs import baseline_cost, costs_of, is_costed, routes_taken, stage_costs
from penstock.cascades.generations import rows_digest
from penstock.cascades.scores import task_of_metric
from penstock.cascades.taking import TAKEN, router_columns_of, taken_by
from penstock.cascades.thresholds import settled, settled_condition, varied
from penstock.cascades.value import SINGLE, Cascade, Constant, target_of, uses_of
from penstock.core.expression import Expr
from penstock.core.model import Model
from penstock.errors import DataError
from penstock.models import ModelGraph
from penstock.models.judging.certainty import Judge, simplest, standard_error
from penstock.models.judging.labels import class_numbers, label_column, values
from penstock.models.learning.matrix import Floats, Integers
from penstock.models.predicting.predict import estimates_of
from penstock.models.routing import (
    Router,
    aligned,
    calibrated,
    classes_of,
    combined,
    constant_estimates,
    is_routed,
    router_parts,
    router_values,
    with_columns,
)
from penstock.pipelines import step
from penstock.tables import Table

SIMPLICITY = (SINGLE, "out_of_fold", "labels", "in_sample")
"""From the simplest on. One model asks no router. All cascades cost the same to serve, so the simplest of them assumes
least: its stages learn from what serving will send them; then from a router that is always right; then from one that
is taken at its word on its own rows."""


class Asked(NamedTuple):
    """Rows to choose by, with the columns of the router, and what it estimates of them."""

    rows: Table
    estimates: np.ndarray


class Partitions(NamedTuple):
    """The different ways in which the rows to learn from would go, and the proposals that each is the way of."""

    routes: list[Table]
    proposals: list[list[dict[str, Any]]]


class Compared(NamedTuple):
    """Of each policy the best thresholds and what it estimates with them; the candidates that were tried."""

    current: dict[str, Any]
    estimates: dict[str, np.ndarray]
    candidates: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a cascade tells: its label, and where it tells labels apart, which of them its routes give themselves."""

    label: str
    target: Expr
    classifies: bool
    constants: tuple[Constant, ...]


@step(modes={"train"})
def asked(
    name: str, label: str, target: Any, router: ModelGraph, rows: Table, calibration: dict[str, Any] | None
) -> Asked:
    """Let the router estimate the rows to choose by, those that have a label."""
    labelled = rows.filter(label_column(name, label, target, rows).is_valid())
    if not labelled.num_rows:
        raise DataError(
            f"cascade '{name}': no row that is kept apart to choose by has a label '{label}'; give more rows, or "
            "choose the policy and the thresholds yourself",
            field=label,
        )
    found = calibrated(calibration, estimates_of(router, labelled))
    known = router_of_graph(router)
    return Asked(with_columns(labelled, router_values(known, found)), found)


@step(modes={"train"})
def partitions(
    router: Model,
    rows: Table,
    estimates: dict[str, np.ndarray],
    conditions: list[Any],
    calibration: dict[str, Any] | None,
    current: dict[str, Any],
    grid: dict[str, Any],
    vary: list[str],
    read: list[str],
) -> Partitions:
    """Return which way the rows to learn from go by each policy with each combination of thresholds; what goes one way
    is learned from once."""
    routes: dict[str, pa.Table] = {}
    proposals: dict[str, list[dict[str, Any]]] = {}
    for policy, estimated in estimates.items():
        columns = router_columns_of(router, rows, estimated, None if policy == "labels" else calibration)
        for thresholds in varied(grid, current[policy], vary):
            taken = taken_by(rows, columns, [settled_condition(when, thresholds) for when in conditions])
            table = pa.table({**{name: columns[name] for name in read}, TAKEN: pa.array(taken)})
            digest = rows_digest(table)
            routes.setdefault(digest, table)
            proposals.setdefault(digest, []).append({"policy": policy, "thresholds": thresholds})
    return Partitions(list(routes.values()), list(proposals.values()))


@step(modes={"train"})
def compared(
    cascade: Cascade,
    learn: Table,
    rows: Table,
    router: np.ndarray,
    graph: ModelGraph,
    proposals: list[list[dict[str, Any]]],
    tried: dict[str, Any],
) -> Compared:
    """Judge each proposal as the whole that it would be; `tried` is what each stage estimates of the rows, and what a
    row costs there, for each way in which the rows to learn from go."""
    judge, classes = judge_of(cascade, learn, rows)
    best: dict[str, tuple[tuple[bool, float, float], dict[str, float], Floats]] = {}
    candidates = []
    for at, group in enumerate(proposals):
        made = {name: found[at] for name, found in tried.items()}
        for proposal in group:
            whole = settled(cascade, proposal["thresholds"])
            estimates, cost = _whole(whole, router_of_graph(graph), classes, rows, router, made)
            affordable = _affordable(cascade, cost)
            loss = judge.loss(estimates)
            candidates.append(_candidate(judge, proposal, estimates, cost if is_costed(cascade) else None, affordable))
            rank = (not affordable, loss if affordable else cost, loss)
            if proposal["policy"] not in best or rank < best[proposal["policy"]][0]:
                best[proposal["policy"]] = (rank, proposal["thresholds"], estimates)
    return Compared(
        {policy: thresholds for policy, (_, thresholds, _) in best.items()},
        {policy: estimates for policy, (_, _, estimates) in best.items()},
        candidates,
    )


@step(modes={"train"})
def chosen(
    cascade: Cascade,
    learn: Table,
    rows: Table,
    baseline: ModelGraph,
    current: dict[str, Any],
    estimates: dict[str, np.ndarray],
    tried: list[list[dict[str, Any]]],
) -> dict[str, Any]:
    """Choose the policy and the thresholds: of those within the budget the best, and of policies that one standard
    error cannot tell apart the simplest."""
    judge, classes = judge_of(cascade, learn, rows)
    alone = estimates_of(baseline, rows)
    alone = aligned(alone, classes_of(baseline), classes) if classes else alone
    cost = baseline_cost(cascade) if is_costed(cascade) else None
    single = {"policy": SINGLE, "thresholds": {}}
    table = [_candidate(judge, single, alone, cost, _affordable(cascade, cost)), *_distinct(tried)]
    finalists = {**estimates, SINGLE: alone}
    known = {_identity(each): each for each in table}
    rows_of = {
        policy: known[_identity({"policy": policy, "thresholds": current.get(policy, {})})]
        for policy in SIMPLICITY
        if policy in finalists
    }
    able = {policy: finalists[policy] for policy, row in rows_of.items() if row["within_budget"]}
    if cascade.policy != "auto":
        able.pop(SINGLE, None)
    if not able:
        raise DataError(_unaffordable(cascade, table))
    winner, apart = simplest(judge, able)
    for policy, row in rows_of.items():
        row["standard_error"] = _known(standard_error(judge, finalists[policy]))
        if policy in apart:
            row["worse_by"], row["worse_by_error"] = (_known(value) for value in apart[policy])
        row["chosen"] = policy == winner
        print(_line(row, winner))
    found = current.get(winner, {})
    return {"policy": winner, "thresholds": found, "candidates": table}


def estimated(
    stage: Model | Cascade, graph: ModelGraph, learn: pa.Table, rows: pa.Table, told: Told
) -> dict[str, Floats]:
    """Return what a stage estimates of rows, of all the classes that are told apart, and, of a cascade, the costs."""
    found, costs = estimates_of(graph, rows), np.zeros(0)
    if told.classifies:
        columns = [label_column(graph.name, told.label, told.target, each) for each in (learn, rows)]
        found = aligned(found, classes_of(graph), classes_told(columns, told.constants))
    if isinstance(stage, Cascade):
        alone = baseline_cost(stage)
        costs = np.full(rows.num_rows, math.nan if alone is None else alone)
        if is_routed(graph):
            costs = costs_of(stage, routes_taken(graph, rows))
    return {"estimates": found, "costs": costs}


def told_by(cascade: Cascade) -> Told:
    """Return what a cascade tells."""
    return Told(
        label=cascade.label,
        target=target_of(cascade),
        classifies=task_of_metric(cascade.metric) == "classification",
        constants=tuple(use for use in uses_of(cascade) if isinstance(use, Constant)),
    )


def judge_of(cascade: Cascade, learn: pa.Table, rows: pa.Table) -> tuple[Judge, tuple[Any, ...]]:
    """Return what judges estimates of rows by their labels, and the labels that are told apart (none: a value)."""
    columns = [label_column(cascade.name, cascade.label, target_of(cascade), each) for each in (learn, rows)]
    classes: tuple[Any, ...] = ()
    actual: Floats | Integers
    if task_of_metric(cascade.metric) == "classification":
        classes = classes_told(columns, told_by(cascade).constants)
        actual = class_numbers(cascade.name, cascade.label, classes, columns[1])
    else:
        actual = values(cascade.name, cascade.label, columns[1])
    groups: Integers | None = None
    if cascade.group is not None:
        coded = rows.column(cascade.group).combine_chunks().dictionary_encode(null_encoding="encode")
        groups = np.asarray(coded.indices.to_numpy(), dtype=np.int64)
    judge = Judge(metric=cascade.metric, actual=actual, classes=len(classes), groups=groups, seed=cascade.seed)
    return judge, classes


def classes_told(columns: list[pa.ChunkedArray], constants: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the labels that are in any of the columns, or that a route gives, in order."""
    labels = (label for column in columns for label in pc.unique(column.drop_null()).to_pylist())
    return tuple(sorted({*constants, *labels}))


def router_of_graph(graph: ModelGraph) -> Router:
    """Return what a router that has learned gives."""
    return Router(**router_parts(graph.name, graph))


def _whole(
    cascade: Cascade,
    known: Router,
    classes: tuple[Any, ...],
    rows: pa.Table,
    router: Floats,
    made: Mapping[str, Mapping[str, Floats]],
) -> tuple[Floats, float]:
    """Return what a cascade estimates of rows whose stages have estimated them all, and the cost of the mean row."""
    branches, costs, spent = branches_of(cascade, known, classes), stage_costs(cascade), 0.0

    def estimated(at: int, part: Integers) -> tuple[Floats, None]:
        nonlocal spent
        stage = branches[at].stage
        within = math.isnan(costs[at])
        spent += float(made[str(stage)]["costs"][part].sum()) if within else costs[at] * len(part)
        if stage is None:
            return constant_estimates(branches[at].constant, len(part), len(classes)), None
        if stage == known.router:
            return (aligned(router[part], known.router_classes, classes) if classes else router[part]), None
        return made[stage]["estimates"][part], None

    found = combined(branches, router, rows, estimated, classes=len(classes), blend=cascade.blend)
    return found.estimates, (cascade.router_cost or 0.0) + spent / rows.num_rows


def _candidate(
    judge: Judge, proposal: Mapping[str, Any], estimates: Floats, cost: float | None, affordable: bool
) -> dict[str, Any]:
    return {
        **proposal,
        "metric": judge.metric,
        "value": _known(judge.score(estimates)),
        "standard_error": None,
        "worse_by": None,
        "worse_by_error": None,
        "rows": len(judge.actual),
        "cost": _known(cost),
        "within_budget": affordable,
        "chosen": False,
    }


def _distinct(tried: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the candidates of all rounds, those that were tried again once."""
    found = {_identity(each): each for candidates in tried for each in candidates}
    return [{**each} for each in found.values()]


def _identity(candidate: Mapping[str, Any]) -> tuple[Any, ...]:
    return candidate["policy"], tuple(sorted(candidate["thresholds"].items()))


def _affordable(cascade: Cascade, cost: float | None) -> bool:
    return cascade.budget is None or (cost is not None and cost <= cascade.budget)


def _unaffordable(cascade: Cascade, table: list[dict[str, Any]]) -> str:
    tried = [each for each in table if cascade.policy == "auto" or each["policy"] != SINGLE]
    least = min((each for each in tried if each["cost"] is not None), key=lambda each: each["cost"])
    at = ", ".join(f"{name} = {value}" for name, value in least["thresholds"].items()) or least["policy"]
    return (
        f"cascade '{cascade.name}': nothing that was tried costs the mean row at most budget={cascade.budget}; the "
        f"cheapest costs {least['cost']:.6g} (at {at}); raise the budget, or widen ps.threshold(low, high, steps)"
    )


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _line(row: Mapping[str, Any], winner: str) -> str:
    at = "".join(f", {name} at {value}" for name, value in row["thresholds"].items())
    error = "" if row["standard_error"] is None else f" +- {row['standard_error']:.4g}"
    cost = "" if row["cost"] is None else f", cost {row['cost']:.6g}"
    how = " (chosen)" if row["policy"] == winner else "" if row["within_budget"] else " (over the budget)"
    value = "no value" if row["value"] is None else f"{row['value']:.6g}{error}"
    return f"{row['policy']}{at}: {row['metric']} {value}{cost}{how}"
