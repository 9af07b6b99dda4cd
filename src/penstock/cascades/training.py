"""The training of a cascade as a pipeline: the same steps whoever starts it, and plain calls outside a pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock import components, models
from penstock.cascades import bundling, steps, trials
from penstock.cascades.bundling import bundle, judged, together
from penstock.cascades.conditions import of_router
from penstock.cascades.learning import usable_rows
from penstock.cascades.lending import lent
from penstock.cascades.policies import shares
from penstock.cascades.reporting import report
from penstock.cascades.thresholds import grids, rounds, start
from penstock.cascades.trials import SIMPLICITY
from penstock.cascades.value import (
    SINGLE,
    Cascade,
    choosing_seed,
    columns_named,
    label_columns,
    models_of,
    name_of,
    route_names,
    router_apart,
    stages_of,
    target_of,
    uses_of,
)
from penstock.core.expression import columns_of
from penstock.core.model import Model
from penstock.core.pipeline import Deferred
from penstock.core.ports import Context
from penstock.errors import DeclarationError
from penstock.features import Features
from penstock.models import ModelGraph
from penstock.models.routing import confidence_column
from penstock.pipelines import PipelineFunction, optional, pipeline, step, unmapped, when
from penstock.tables import Table


def training_pipeline(cascade: Cascade) -> PipelineFunction:
    """Return the pipeline that reads rows, trains the cascade, and registers it as its newest version."""

    @pipeline(name=cascade.name)
    def trained(rows: str = cascade.source or "") -> None:
        if not rows:
            raise DeclarationError(
                f"cascade '{cascade.name}' names no rows of its own; give them: rows='trips', or "
                "ps.cascade(..., source='trips')"
            )
        given: Any = components.read(rows)
        components.push(train(cascade, with_features(cascade, given)), name=cascade.name)

    return trained


def feature_references(declared: Model | Cascade) -> tuple[str, ...]:
    """Return the references of the features that a model, or any model of a cascade, looks up."""
    found = (reference for each in models_of(declared) for reference in models.feature_references(each))
    return tuple(dict.fromkeys(found))


def with_features(declared: Model | Cascade, rows: Any) -> Any:
    """Join rows with the features that a model, or the models of a cascade, look up: as of each row's time."""
    return historical_features(rows, declared) if feature_references(declared) else rows


def historical_features(rows: Any, features: Features | Model | Cascade, **how: Any) -> Any:
    """Join rows with features as they were at each row's time, as `penstock.components.historical_features` does; a
    cascade stands for the features that any of its models looks up, by default as of its `time`."""
    if isinstance(features, Cascade):
        how = {"timestamp": features.time, **how, "by_reference": True}
        features = feature_references(features)
    return components.historical_features(rows, features, **how)


def train(cascade: Cascade, rows: Any) -> Any:
    """Train a cascade on rows and return its graph: in a pipeline the reference to it, outside one the graph."""
    train, held_out = steps.holdout(rows, cascade.holdout, cascade.time, cascade.group, cascade.seed)
    graph = trained_on(cascade, train, held_out)
    report(graph)
    return graph


def trained_on(cascade: Cascade, rows: Any, held_out: Any) -> Any:
    """Train a cascade on all of some rows; `held_out` judges it (None: nothing does)."""
    baseline = _named(steps.fit_stage, "baseline")(cascade.baseline, rows, apart=list(router_apart(cascade)))
    choice: Any = None
    if cascade.policy == "auto" or grids(cascade):
        choice = pipeline(name="choosing")(lambda rows: choice_of(cascade, rows))(rows)
    if cascade.policy != "auto":
        ideal = _ideal(cascade, rows, held_out, baseline, choice)
        return _named(bundle, "fit")(cascade, rows, held_out, *_parts(cascade, rows, baseline, choice), ideal)
    found, ideal = choice["policy"], {}

    def whole() -> Any:
        ideal.update({name: optional(each) for name, each in _ideal(cascade, rows, held_out, baseline, choice).items()})
        return together(cascade, rows, *_parts(cascade, rows, baseline, choice))

    graph = when(
        found.eq(SINGLE) if isinstance(found, Deferred) else found == SINGLE,
        lambda: bundling.single_model(cascade, rows, baseline, choice),
        whole,
    )
    return _named(judged, "fit")(cascade, graph, baseline, rows, held_out, ideal)


def choice_of(cascade: Cascade, rows: Any) -> Any:
    """Return what a cascade leaves open, its policy and thresholds, as found on a part of the training rows that is cut
    from the others as the holdout is: candidates learn from those others, and from the same routers."""
    learn, kept = _named(steps.holdout, "learn")(
        rows, cascade.holdout, cascade.time, cascade.group, choosing_seed(cascade)
    )
    graph, others, own, curve = _upstream(cascade, learn)
    names = list(SIMPLICITY[1:]) if cascade.policy == "auto" else [cascade.policy]
    estimates = {name: _estimates(cascade, learn, own, others, name) for name in names}
    baseline = _named(steps.fit_stage, "baseline")(cascade.baseline, learn, apart=list(router_apart(cascade)))
    asked, router = trials.asked(cascade.name, cascade.label, target_of(cascade), graph, kept, curve)
    grid, conditions = grids(cascade), [each.when for each in cascade.routes]
    stages = {name: stage for name, stage in stages_of(cascade).items() if name != cascade.router.name}
    read = list(dict.fromkeys(column for stage in stages.values() for column in _read(cascade, stage)))
    current: Any = {name: start(grid) for name in names}
    found, candidates = None, []
    for vary in rounds(grid):
        ways, proposals = trials.partitions(
            cascade.router, learn, estimates, conditions, curve, current, grid, vary, read
        )
        made = {
            name: _named(tried, f"try_{name}").map(
                stage, learn, ways, asked, baseline, min_rows=_min_rows(cascade), **_unmapped(cascade, stage)
            )
            for name, stage in stages.items()
        }
        current, found, table = trials.compared(cascade, learn, asked, router, graph, proposals, made)
        candidates.append(table)
    return trials.chosen(cascade, learn, asked, baseline, current, found, candidates)


@step(modes={"train"})
def tried(
    stage: Model | Cascade,
    rows: Table,
    routes: Table,
    asked: Table,
    baseline: ModelGraph,
    branches: list[int],
    read: list[str],
    apart: list[str],
    min_rows: int,
    told: Any,
    *,
    context: Context | None = None,
) -> dict[str, np.ndarray]:
    """Learn a stage from the rows that go its way; return what it estimates of others, and what a row costs there."""
    mine = steps.routed_rows(rows, routes, branches, read, apart)
    model: Any = stage if isinstance(stage, Model) else stage.baseline
    if isinstance(stage, Model) or usable_rows(model, mine) < min_rows:
        graph = steps.fit_stage(model, mine, baseline, min_rows, context=context)
    else:
        with lent(context):
            graph = trained_on(stage, mine, None)
    return trials.estimated(stage, graph, rows, asked, told)


def _parts(cascade: Cascade, rows: Any, baseline: Any, choice: Any) -> tuple[Any, ...]:
    """Train a router and stages on all of some rows, by the policy and the thresholds chosen (None: as declared), and
    return what `together` takes after the rows."""
    router = cascade.router
    graph, others, own, curve = _upstream(cascade, rows)
    conditions = [each.when for each in cascade.routes]
    policy, thresholds = (cascade.policy, {}) if choice is None else (choice["policy"], choice["thresholds"])
    if cascade.policy == "auto":
        estimates = steps.by_policy(router, rows, own, others, policy, curve)
        taken = steps.routes(router, rows, estimates, conditions, None, thresholds)
    else:
        estimates = _estimates(cascade, rows, own, others, cascade.policy)
        taken = steps.routes(router, rows, estimates, conditions, _curve(curve, cascade.policy), thresholds)
    told = shares(
        cascade.name, router, rows, taken, own, others, conditions, list(route_names(cascade)), curve, thresholds,
        policy=policy, declared=cascade.policy,
    )  # fmt: skip
    parts_of, fitted = {}, {}
    for name, stage in stages_of(cascade).items():
        if name == router.name:
            continue
        parts_of[name] = _named(steps.routed_rows, f"rows_{name}")(
            rows, taken, _branches(cascade, stage), _read(cascade, stage), _left_out(cascade, stage)
        )
        fitted[name] = _fitted(cascade, stage, parts_of[name], baseline)
    return graph, curve, fitted, parts_of, baseline, told, choice


def _ideal(cascade: Cascade, rows: Any, held_out: Any, baseline: Any, choice: Any) -> dict[str, Any]:
    """Train each stage that is a model on the rows that belong to it by the router's label, for the report alone: with
    a router that is always right they are what the cascade could be. None where no label says which rows belong, or
    nothing is held out to report on."""
    router, conditions = cascade.router, [each.when for each in cascade.routes]
    if held_out is None or confidence_column(router.name) in columns_of(*conditions):
        return {}
    thresholds = {} if choice is None else choice["thresholds"]
    certain = steps.labels(router, rows)
    taken = _named(steps.routes, "routes_of_labels")(router, rows, certain, conditions, None, thresholds)
    found = {}
    for name, stage in stages_of(cascade).items():
        if isinstance(stage, Cascade) or name == router.name:
            continue
        own = _named(steps.routed_rows, f"rows_of_{name}")(
            rows, taken, _branches(cascade, stage), _read(cascade, stage), _left_out(cascade, stage)
        )
        found[name] = _named(steps.fit_stage, f"ideal_{name}")(stage, own, baseline, cascade.min_rows)
    return found


def _upstream(cascade: Cascade, rows: Any) -> tuple[Any, Any, Any, Any]:
    """Return the router of all rows, what others (of other folds) and it estimate of them, and its calibration."""
    router = cascade.router
    numbers = steps.folds(rows, cascade.folds, cascade.time, cascade.group, cascade.seed)
    grouped = {"time": cascade.time, "group": cascade.group, "apart": unmapped(label_columns(cascade))}
    parts = steps.fold.map(router, rows, numbers, list(range(cascade.folds)), **grouped)
    others = steps.out_of_fold(numbers, parts)
    graph = _named(steps.fit_stage, f"fit_{router.name}")(router, rows, apart=label_columns(cascade))
    curve = None if cascade.calibrate is None else steps.calibration(router, rows, others, cascade.calibrate)
    return graph, others, steps.in_sample(graph, rows), curve


def _estimates(cascade: Cascade, rows: Any, own: Any, others: Any, policy: str) -> Any:
    match policy:
        case "labels":
            return steps.labels(cascade.router, rows)
        case "in_sample":
            return own
    return others


def _curve(curve: Any, policy: str) -> Any:
    """Labels are certain already: no calibration makes them less so."""
    return None if policy == "labels" else curve


def _branches(cascade: Cascade, stage: Model | Cascade) -> list[int]:
    return [at for at, use in enumerate(uses_of(cascade)) if name_of(use) == stage.name]


def _read(cascade: Cascade, stage: Model | Cascade) -> list[str]:
    """Return the columns of the router that a stage reads."""
    return list(of_router(cascade.router.name, columns_named(stage)))


def _left_out(cascade: Cascade, stage: Model | Cascade) -> list[str]:
    named = columns_named(stage)
    return [each for each in router_apart(cascade) if each not in named]


def _unmapped(cascade: Cascade, stage: Model | Cascade) -> dict[str, Any]:
    found = (_branches(cascade, stage), _read(cascade, stage), _left_out(cascade, stage), trials.told_by(cascade))
    return {name: unmapped(each) for name, each in zip(("branches", "read", "apart", "told"), found, strict=True)}


def _min_rows(cascade: Cascade) -> int:
    """Return how many rows a stage that is tried needs: fewer, for it learns from fewer."""
    return max(1, round(cascade.min_rows * (1 - cascade.holdout)))


def _fitted(cascade: Cascade, stage: Model | Cascade, rows: Any, baseline: Any) -> Any:
    if isinstance(stage, Model):
        return _named(steps.fit_stage, f"fit_{stage.name}")(stage, rows, baseline, cascade.min_rows)
    count = _named(steps.usable, f"usable_{stage.name}")(stage.baseline, rows)
    inner = pipeline(name=stage.name)(lambda rows: trained_on(stage, rows, None))
    return when(
        count["rows"] >= cascade.min_rows,
        lambda: inner(rows),
        lambda: _named(steps.fit_stage, f"instead_of_{stage.name}")(stage.baseline, rows, baseline, cascade.min_rows),
    )


def _named(step: Any, name: str) -> Any:
    return step.configured(name=name)
