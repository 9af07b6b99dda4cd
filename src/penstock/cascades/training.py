"""The training of a cascade as a pipeline: the same steps whoever starts it, and plain calls outside a pipeline."""

from __future__ import annotations

from typing import Any

from penstock import components, models
from penstock.cascades import steps
from penstock.cascades.bundling import bundle
from penstock.cascades.conditions import of_router
from penstock.cascades.policies import shares
from penstock.cascades.reporting import report
from penstock.cascades.value import (
    Cascade,
    columns_named,
    label_columns,
    models_of,
    name_of,
    route_names,
    router_apart,
    stages_of,
    uses_of,
)
from penstock.core.model import Model
from penstock.errors import DeclarationError
from penstock.pipelines import PipelineFunction, pipeline, unmapped, when


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
    if isinstance(declared, Model):
        return components.historical_features(rows, declared) if models.feature_references(declared) else rows
    references = feature_references(declared)
    if not references:
        return rows
    return components.historical_features(rows, references, timestamp=declared.time, by_reference=True)


def train(cascade: Cascade, rows: Any) -> Any:
    """Train a cascade on rows and return its graph: in a pipeline the reference to it, outside one the graph."""
    train, held_out = steps.holdout(rows, cascade.holdout, cascade.time, cascade.group, cascade.seed)
    graph = trained_on(cascade, train, held_out)
    report(graph)
    return graph


def trained_on(cascade: Cascade, rows: Any, held_out: Any) -> Any:
    """Train a cascade on all of some rows; `held_out` judges it (None: nothing does)."""
    router, apart = cascade.router, list(router_apart(cascade))
    hidden = unmapped(label_columns(cascade))
    numbers = steps.folds(rows, cascade.folds, cascade.time, cascade.group, cascade.seed)
    grouped = {"time": cascade.time, "group": cascade.group, "apart": hidden}
    parts = steps.fold.map(router, rows, numbers, list(range(cascade.folds)), **grouped)
    others = steps.out_of_fold(numbers, parts)
    graph = _named(steps.fit_stage, f"fit_{router.name}")(router, rows, apart=label_columns(cascade))
    curve = None if cascade.calibrate is None else steps.calibration(router, rows, others, cascade.calibrate)
    conditions = [each.when for each in cascade.routes]
    own = steps.in_sample(graph, rows)
    estimates = _estimates(cascade, rows, own, others)
    taken = steps.routes(router, rows, estimates, conditions, curve)
    told = shares(
        cascade.name, router, rows, taken, own, others, conditions, list(route_names(cascade)), curve,
        policy=cascade.policy, declared=cascade.policy,
    )  # fmt: skip
    baseline = _named(steps.fit_stage, "baseline")(cascade.baseline, rows, apart=apart)
    parts_of, fitted = {}, {}
    for name, stage in stages_of(cascade).items():
        if name == router.name:
            continue
        branches = [at for at, use in enumerate(uses_of(cascade)) if name_of(use) == name]
        named = columns_named(stage)
        read, left_out = list(of_router(router.name, named)), [each for each in apart if each not in named]
        parts_of[name] = _named(steps.routed_rows, f"rows_{name}")(rows, taken, branches, read, left_out)
        fitted[name] = _fitted(cascade, stage, parts_of[name], baseline)
    return _named(bundle, "fit")(cascade, rows, held_out, graph, curve, fitted, parts_of, baseline, told)


def _estimates(cascade: Cascade, rows: Any, own: Any, others: Any) -> Any:
    match cascade.policy:
        case "labels":
            return steps.labels(cascade.router, rows)
        case "in_sample":
            return own
    return others


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
