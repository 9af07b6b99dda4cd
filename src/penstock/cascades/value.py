"""What a cascade is: frozen values, and what can be read off them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from penstock.cascades.scores import task_of_metric
from penstock.core.expression import Expr, columns_of
from penstock.core.model import Model
from penstock.models import LEARNERS
from penstock.models.reporting import SINGLE as SINGLE
from penstock.operations import col

Policy: TypeAlias = Literal["out_of_fold", "labels", "in_sample", "auto"]
"""By what rows are routed to train the stages: what a router says that did not learn from them, the router's labels,
what the router says of its own training rows; `auto` compares them."""

POLICIES: tuple[Policy, ...] = get_args(Policy)
Constant: TypeAlias = bool | int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Rows for which `when` holds go to `use`: a model, a cascade, or a constant. `name` is what predictions say;
    `cost` is what `use` costs for one row."""

    when: Expr
    use: Model | Cascade | Constant
    name: str
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """The declaration of a cascade; `project.fit(cascade, rows)` makes a `ModelGraph` of it. See `cascade`."""

    name: str
    label: str
    metric: str
    router: Model
    routes: tuple[Route, ...]
    otherwise: Model | Cascade | Constant
    policy: Policy
    folds: int
    calibrate: str | None
    blend: bool
    min_rows: int
    holdout: float
    time: str | None
    group: str | None
    seed: int
    baseline: Model | None
    source: str | None
    router_cost: float | None = None
    otherwise_cost: float | None = None
    budget: float | None = None


Stage: TypeAlias = Model | Cascade | Constant


def uses_of(declared: Cascade) -> tuple[Stage, ...]:
    """Return what each route uses, and what is used otherwise."""
    return (*(each.use for each in declared.routes), declared.otherwise)


def route_names(declared: Cascade) -> tuple[str, ...]:
    """Return what predictions call each route, and the way that is taken where none is."""
    return (*(each.name for each in declared.routes), name_of(declared.otherwise))


def name_of(use: Stage) -> str:
    """Return the name of a stage; a constant is named as it is written."""
    return use.name if isinstance(use, Model | Cascade) else str(use)


def stages_of(declared: Cascade) -> dict[str, Model | Cascade]:
    """Return the models and cascades that rows are routed to, by name; the router may be one of them."""
    return {use.name: use for use in uses_of(declared) if isinstance(use, Model | Cascade)}


def models_of(declared: Model | Cascade) -> Iterator[Model]:
    """Yield every model in a cascade, the router first; of a model itself."""
    if isinstance(declared, Model):
        yield declared
        return
    yield declared.router
    for stage in stages_of(declared).values():
        yield from models_of(stage)


def task_of(declared: Stage) -> str:
    """Return what a stage does: regression or classification."""
    match declared:
        case Model():
            return LEARNERS[declared.type].task
        case Cascade():
            return task_of_metric(declared.metric)
    return "classification" if isinstance(declared, bool | str) else "constant"


def target_of(declared: Cascade) -> Expr:
    """Return the expression of the label."""
    for model in (stage for stage in stages_of(declared).values() if isinstance(stage, Model)):
        if model.target is not None:
            return model.target
    for inner in (stage for stage in stages_of(declared).values() if isinstance(stage, Cascade)):
        return target_of(inner)
    return col(declared.label)


def router_apart(declared: Cascade) -> tuple[str, ...]:
    """Return the columns that say what the router is to predict: no feature of a stage that takes every column."""
    target = declared.router.target
    named = (declared.router.label or "", *(columns_of(target) if target is not None else ()))
    return tuple(
        dict.fromkeys(name for name in named if name not in (declared.label, *columns_of(target_of(declared))))
    )


def label_columns(declared: Cascade) -> list[str]:
    """Return the columns that say what the cascade is to predict: no feature of a router that takes every column."""
    own = columns_of(declared.router.target) if declared.router.target is not None else ()
    return [name for name in (declared.label, *columns_of(target_of(declared))) if name not in own]


def columns_named(stage: Model | Cascade) -> tuple[str, ...]:
    """Return the columns that a stage names: in features, targets and conditions."""
    exprs = [expr for model in models_of(stage) for expr in (model.features or {}).values()]
    exprs += [model.target for model in models_of(stage) if model.target is not None]
    exprs += [] if isinstance(stage, Model) else [each.when for each in stage.routes]
    return columns_of(*exprs)


def choosing_seed(declared: Cascade) -> int:
    """Return the seed by which rows to choose by are cut from those to learn from: its own for every cascade, for one
    in another is trained on what is left of a cut, and the same cut would leave nothing."""
    return declared.seed + 2 + zlib.crc32(declared.name.encode())
