"""The last step of a cascade's training: its stages put together into one graph, if of one generation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from penstock.cascades.branching import branches_of
from penstock.cascades.costs import baseline_cost, costs_of, is_costed, route_costs, routes_taken
from penstock.cascades.generations import LEARNED_FROM, check_generation, check_router, rows_digest
from penstock.cascades.learning import with_facts
from penstock.cascades.notation import DECLARED, cascade_to_json
from penstock.cascades.thresholds import settled
from penstock.cascades.value import SINGLE, Cascade, route_names, stages_of, target_of, uses_of
from penstock.core.graph import ModelGraph as CoreGraph
from penstock.core.model import Model
from penstock.core.schema import Field, Schema
from penstock.models import ModelGraph
from penstock.models.fitting.agreement import predictions_apart
from penstock.models.graph import as_users_hold
from penstock.models.judging.curves import errors_on
from penstock.models.judging.predicted import FACT, predicted_by_routes
from penstock.models.learning.learner import Task
from penstock.models.predicting.outcomes import OUTCOMES
from penstock.models.reporting import REPORT, answerable, report
from penstock.models.routing import ROUTE, Branch, Router, classes_of, routed_graph, router_parts
from penstock.operations import text
from penstock.operations.notation import expression_to_json
from penstock.pipelines import in_step, log_metric, step
from penstock.tables import Table, schema_of
from penstock.transforms import measured


@step(modes={"train"})
def bundle(
    cascade: Cascade,
    rows: Table,
    held_out: Table | None,
    router: ModelGraph,
    calibration: dict[str, Any] | None,
    stages: dict[str, ModelGraph],
    routed_rows: dict[str, Table],
    baseline: ModelGraph,
    policy: dict[str, Any],
    choice: dict[str, Any] | None = None,
    ideal: dict[str, ModelGraph] | None = None,
) -> ModelGraph:
    """Put the router and the stages together into one graph, and judge it on the rows held out.

    Raises `ConflictError` where a stage learned from other rows than those that are routed to it now.
    """
    graph = together(cascade, rows, router, calibration, stages, routed_rows, baseline, policy, choice)
    found: ModelGraph = judged(cascade, graph, baseline, rows, held_out, ideal)
    return found


@step(modes={"train"})
def together(
    cascade: Cascade,
    rows: Table,
    router: ModelGraph,
    calibration: dict[str, Any] | None,
    stages: dict[str, ModelGraph],
    routed_rows: dict[str, Table],
    baseline: ModelGraph,
    policy: dict[str, Any],
    choice: dict[str, Any] | None,
) -> ModelGraph:
    """Put the router and the stages together into one graph; `choice` has the thresholds that were left open."""
    final = settled(cascade, {} if choice is None else choice["thresholds"])
    known = {cascade.router.name: router, **stages}
    check_router(cascade.name, cascade.router, router)
    check_generation(cascade.name, known, {cascade.router.name: rows, **routed_rows})
    graph = _put_together(final, rows, known, calibration, baseline)
    facts = {DECLARED: cascade_to_json(cascade), LEARNED_FROM: rows_digest(rows), "policy": policy, **_chosen(choice)}
    return with_facts(graph, facts)


@step(modes={"train"})
def single_model(cascade: Cascade, rows: Table, baseline: ModelGraph, choice: dict[str, Any]) -> ModelGraph:
    """Put one model of all rows into the graph of a cascade that turned out to be worth no more: every row goes there,
    and no router is asked."""
    check_generation(cascade.name, {baseline.name: baseline}, {baseline.name: rows})
    stages = {baseline.name: baseline}
    graph = _routed(
        cascade,
        rows,
        baseline,
        stages=stages,
        router=baseline.name,
        branches=[Branch(name=SINGLE, when=None, stage=baseline.name)],
        classes=classes_of(baseline),
        facts=_declared(cascade, stages, rows) | {"router": baseline.name, "routes": [{"name": SINGLE, "when": None}]},
    )
    print(f"'{baseline.name}' alone is not worse than any cascade: every row goes to it")
    return with_facts(graph, {LEARNED_FROM: rows_digest(rows), "policy": {"policy": SINGLE}, **_chosen(choice)})


@step(modes={"train"})
def judged(
    cascade: Cascade,
    graph: ModelGraph,
    baseline: ModelGraph,
    rows: Table,
    held_out: Table | None,
    ideal: dict[str, ModelGraph | None] | None = None,
) -> ModelGraph:
    """Judge the whole, and one model of all rows beside it, on the rows held out (or else on those learned from).
    `ideal` are stages that learned from the rows that belong to them: a bound to what a better router could give."""
    bound = {name: stage for name, stage in (ideal or {}).items() if stage is not None}
    asked = rows if held_out is None else held_out
    graph = with_facts(
        graph,
        {
            "rows": {"train": rows.num_rows, "held_out": 0 if held_out is None else held_out.num_rows},
            "evaluated_on": "train" if held_out is None else "held_out",
            "disagreements": predictions_apart(graph, asked),
            FACT: predicted_by_routes(graph, asked),
            **errors_on(graph, answerable(graph, asked)[0]),
        },
    )
    made = report(graph, asked, baseline=baseline, ideal=bound or None)
    found, alone = made["whole"]["cascade"], made["whole"]["baseline"]
    for name, value in found.items():
        print(f"{name} {value} (one model of all rows: {alone[name]})")
        if value is not None and in_step():
            log_metric(name, value)
    kept = {} if held_out is None else {REPORT: made}
    cost = {"cost": _cost(cascade, graph, asked)} if is_costed(cascade) else {}
    return with_facts(graph, {"evaluation": found, "baseline": alone, **kept, **cost})


def _cost(cascade: Cascade, graph: ModelGraph, rows: pa.Table) -> dict[str, Any]:
    """Return what the mean row costs, and a row by its route; None where that is not known."""
    spent = costs_of(cascade, routes_taken(graph, rows))
    mean = float(spent.mean()) if len(spent) else math.nan
    print(f"cost of the mean row {mean:.6g}")
    known = {name: cost for name, cost in route_costs(cascade).items() if not math.isnan(cost)}
    return {
        "mean": None if math.isnan(mean) else mean,
        "routes": known,
        "baseline": baseline_cost(cascade),
        "budget": cascade.budget,
    }


def _chosen(choice: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if choice is None else {"thresholds": choice["thresholds"], "candidates": choice["candidates"]}


def _put_together(
    cascade: Cascade,
    rows: pa.Table,
    stages: Mapping[str, CoreGraph],
    calibration: Mapping[str, Any] | None,
    baseline: CoreGraph,
) -> ModelGraph:
    known = Router(**router_parts(cascade.router.name, stages[cascade.router.name]))
    constants = {use for use in uses_of(cascade) if not isinstance(use, Model | Cascade)}
    classes: tuple[Any, ...] = classes_of(baseline)
    if classes:
        in_stages = {label for name in stages_of(cascade) for label in classes_of(stages[name])}
        classes = tuple(sorted({*classes, *in_stages, *constants}))
    return _routed(
        cascade,
        rows,
        baseline,
        stages=stages,
        router=cascade.router.name,
        branches=branches_of(cascade, known, classes),
        classes=classes,
        calibration=calibration,
        blend=cascade.blend,
        facts=_declared(cascade, stages, rows),
    )


def _routed(cascade: Cascade, rows: pa.Table, baseline: CoreGraph, *, classes: Sequence[Any], **how: Any) -> ModelGraph:
    """Return the graph that predicts what the baseline does, and the route beside it."""
    task: Task = "classification" if classes else "regression"
    type = baseline.signature.outputs.fields[0].type
    graph = routed_graph(
        name=cascade.name,
        label=cascade.label,
        rows=schema_of(rows.schema),
        outputs=Schema((*OUTCOMES[task].schema(cascade.label, type, len(classes)), Field(ROUTE, "string"))),
        classes=classes,
        **how,
    )
    return as_users_hold(graph)


def _declared(cascade: Cascade, stages: Mapping[str, CoreGraph], rows: pa.Table) -> dict[str, Any]:
    """Return what was asked for, and from what each stage was learned, as plain JSON."""
    options = {
        "metric": cascade.metric,
        "policy": cascade.policy,
        "folds": cascade.folds,
        "calibrate": cascade.calibrate,
        "blend": cascade.blend,
        "min_rows": cascade.min_rows,
        "holdout": cascade.holdout,
        "time": cascade.time,
        "group": cascade.group,
        "feature_timestamp_col": cascade.time if any(stage.of("feature") for stage in stages.values()) else None,
    }
    conditions = [*(text(each.when) for each in cascade.routes), None]
    read = dict.fromkeys(name for stage in stages.values() for name in stage.signature.inputs.names)
    return {
        "type": "cascade",
        DECLARED: cascade_to_json(cascade),
        "target": expression_to_json(target_of(cascade)),
        "features": {},
        "options": {name: value for name, value in options.items() if value is not None},
        "router": cascade.router.name,
        "routes": [{"name": name, "when": when} for name, when in zip(route_names(cascade), conditions, strict=True)],
        "stages": {name: _told(stage) for name, stage in stages.items()},
        "learner": {},
        "statistics": measured(rows.select([name for name in read if name in rows.column_names])),
        "versions": {"penstock": version("penstock")},
    }


def _told(stage: CoreGraph) -> dict[str, Any]:
    """Return what is worth knowing of a stage: its type, the rows that it learned from, what it stands for."""
    kept = ("type", "rows", "evaluation", LEARNED_FROM, "stands_for")
    return {name: stage.facts[name] for name in kept if name in stage.facts}
