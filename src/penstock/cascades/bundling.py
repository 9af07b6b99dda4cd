"""The last step of a cascade's training: its stages put together into one graph, if of one generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from penstock.cascades.conditions import weight_of
from penstock.cascades.generations import LEARNED_FROM, check_generation, check_router, rows_digest
from penstock.cascades.learning import with_facts
from penstock.cascades.notation import DECLARED, cascade_to_json
from penstock.cascades.value import Cascade, route_names, stages_of, target_of, uses_of
from penstock.core.expression import Expr
from penstock.core.graph import ModelGraph as CoreGraph
from penstock.core.model import Model
from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.models import ModelGraph
from penstock.models.agreement import predictions_apart
from penstock.models.curves import errors_on
from penstock.models.graph import as_users_hold
from penstock.models.learner import Task
from penstock.models.outcomes import OUTCOMES
from penstock.models.reporting import REPORT, report
from penstock.models.routing import ROUTE, Branch, Router, classes_of, label_text, routed_graph, router_parts
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
) -> ModelGraph:
    """Put the router and the stages together into one graph, judged on the rows held out.

    Raises `ConflictError` where a stage learned from other rows than those that are routed to it now.
    """
    check_router(cascade.name, cascade.router, router)
    check_generation(cascade.name, {cascade.router.name: router, **stages}, {cascade.router.name: rows, **routed_rows})
    graph = _put_together(cascade, rows, {cascade.router.name: router, **stages}, calibration, baseline)
    judged = rows if held_out is None else held_out
    graph = with_facts(
        graph,
        {
            "rows": {"train": rows.num_rows, "held_out": 0 if held_out is None else held_out.num_rows},
            "evaluated_on": "train" if held_out is None else "held_out",
            "policy": policy,
            LEARNED_FROM: rows_digest(rows),
            "disagreements": predictions_apart(graph, judged),
            **errors_on(graph, judged),
        },
    )
    made = report(graph, judged, baseline=baseline)
    found, alone = made["whole"]["cascade"], made["whole"]["baseline"]
    for name, value in found.items():
        print(f"{name} {value} (one model of all rows: {alone[name]})")
        if value is not None and in_step():
            log_metric(name, value)
    kept = {} if held_out is None else {REPORT: made}
    return with_facts(graph, {"evaluation": found, "baseline": alone, **kept})


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
    task: Task = "classification" if classes else "regression"
    type = baseline.signature.outputs.fields[0].type
    graph = routed_graph(
        name=cascade.name,
        label=cascade.label,
        router=cascade.router.name,
        stages=stages,
        branches=_branches(cascade, known, classes),
        rows=schema_of(rows.schema),
        outputs=Schema((*OUTCOMES[task].schema(cascade.label, type, len(classes)), Field(ROUTE, "string"))),
        classes=classes,
        calibration=calibration,
        blend=cascade.blend,
        facts=_declared(cascade, stages, rows),
    )
    return as_users_hold(graph)


def _branches(cascade: Cascade, known: Router, classes: Sequence[Any]) -> list[Branch]:
    made = []
    conditions: list[Expr | None] = [*(each.when for each in cascade.routes), None]
    for name, when, use in zip(route_names(cascade), conditions, uses_of(cascade), strict=True):
        of = None if when is None or not cascade.blend else _weighed(cascade, known, name, when)
        if isinstance(use, Model | Cascade):
            made.append(Branch(name=name, when=when, stage=use.name, of=of))
        else:
            constant = classes.index(use) if classes else use
            made.append(Branch(name=name, when=when, constant=float(constant), of=of))
    return made


def _weighed(cascade: Cascade, known: Router, name: str, when: Expr) -> int:
    """Return the number of the router's label whose probability weighs a route in a blend."""
    side, label = weight_of(cascade.router.name, when) or ("label", None)
    if side != "label" and known.kind == "probability":
        return 0 if side == "first" else 1
    for number, each in enumerate(known.router_classes):
        if label is not None and label in (each, str(each), label_text(each)):
            return number
    raise DataError(
        f"cascade '{cascade.name}': the route '{name}' ({text(when)}) is weighed by a label that the router "
        f"'{known.router}' does not know; it knows {', '.join(map(str, known.router_classes)) or 'none: it is a value'}"
    )


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
