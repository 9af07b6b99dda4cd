"""How a cascade is declared: a router, routes by what it predicts, and how all of it is trained together."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from penstock.cascades import costs, thresholds, value
from penstock.cascades.checking import check, default_baseline
from penstock.cascades.notation import PARTS
from penstock.cascades.training import training_pipeline
from penstock.cascades.value import Constant, Policy, Route, Stage, name_of
from penstock.cascades.writing import cascade_python, cascade_sql
from penstock.core.model import Model
from penstock.models.declare import Feature, expression_of
from penstock.models.routing import confidence_column, probability_column
from penstock.operations import Expression, col
from penstock.pipelines import PipelineFunction


class Cascade(value.Cascade):
    """The declaration of a cascade; `project.fit(cascade, rows)` makes a `ModelGraph` of it. See `cascade`."""

    __slots__ = ()

    def pipeline(self) -> PipelineFunction:
        """Return the pipeline that trains the cascade on `rows` (a source; default its own) and registers it."""
        return training_pipeline(self)

    def sql(self, *, rows: str | None = None) -> str:
        """Return the statements that declare the stages, and last this cascade, over the table `rows` (default: its
        source, else `rows`)."""
        return cascade_sql(self, default_settings(), rows=rows or self.source or "rows")

    def python(self) -> str:
        """Return the Python code that declares the stages, each under its name, and last this cascade."""
        return cascade_python(self, default_settings())


def route(*, when: Feature, use: Stage, name: str | None = None, cost: float | None = None) -> Route:
    """Say which rows a stage takes: those for which a condition on the router's prediction holds.

    In `when` the router's name is its prediction: of TRUE and FALSE, or of two numbers, the probability of the second;
    of other labels the predicted one; of a regression the value. `ps.probability(router, label)` and
    `ps.confidence(router)` read more of it; columns of the rows may stand beside them.
    `ps.threshold()` leaves a number that they are compared with to the training. `cost` is what the stage costs for one
    row, in any unit; a cascade costs what its own routes say.
    """
    condition = expression_of(when, "route: when")
    return Route(when=condition, use=use, name=name or name_of(use), cost=cost)


def probability(router: str, label: Constant) -> Expression:
    """Read the probability that a router gives a label: `ps.probability("kind", "Long") > 0.3`."""
    return col(probability_column(router, label))


def confidence(router: str) -> Expression:
    """Read how sure a router is: the probability of the label that it predicts."""
    return col(confidence_column(router))


def cascade(
    name: str,
    *,
    label: str,
    metric: str,
    router: Model,
    routes: Sequence[Route],
    otherwise: Stage,
    policy: Policy = "out_of_fold",
    folds: int = 5,
    calibrate: Literal["isotonic", "platt"] | None = None,
    blend: bool = False,
    min_rows: int = 200,
    holdout: float = 0.2,
    time: str | None = None,
    group: str | None = None,
    seed: int = 0,
    baseline: Model | None = None,
    source: str | None = None,
    router_cost: float | None = None,
    otherwise_cost: float | None = None,
    budget: float | None = None,
) -> Cascade:
    """Declare models that a router chooses among, trained, judged and deployed as one.

    A row goes to the first of `routes` whose condition holds, else to `otherwise`; with `blend` its prediction is the
    mean of all routes, weighted by the router's probabilities. `policy` says by what the training rows are routed:
    `out_of_fold` by routers that did not learn from them (`folds` of them), which is what serving will see; `auto`
    tries all policies, and one model alone, on rows cut from the training rows, and takes the best by `metric`: of
    those that one standard error cannot tell apart the simplest. Open thresholds (`ps.threshold()`) are found on them.

    Before anything is learned, the share `holdout` of the rows is kept apart for the report: the newest by `time`,
    else whole groups by `group`, else rows by their content; folds keep to that too. A stage for which fewer than
    `min_rows` training rows are left predicts as `baseline` does: one model of all rows, by default that of
    `otherwise`, or of the first route. `source` names the rows that the cascade's own pipeline reads.

    `router_cost` and `otherwise_cost` are, as the `cost` of a route, what one row costs; a router that is a stage too
    costs once. With a `budget`, what is chosen costs at most so much for the mean row.

    Raises `DeclarationError` for a route that no row can take, for labels that do not match, and for a blend of routes
    that are not each about one label of the router.
    """
    declared = Cascade(
        name=name, label=label, metric=metric, router=router, routes=thresholds.named(routes), otherwise=otherwise,
        policy=policy, folds=folds, calibrate=calibrate, blend=blend, min_rows=min_rows, holdout=holdout, time=time,
        group=group, seed=seed, baseline=baseline, source=source, router_cost=router_cost,
        otherwise_cost=otherwise_cost, budget=budget,
    )  # fmt: skip
    check(declared)
    whole = replace(declared, baseline=baseline or default_baseline(declared))
    costs.check(whole, f"cascade '{name}'")
    return whole


def default_settings() -> dict[str, Any]:
    """Return what `cascade` takes beside the stages, each with what it is where nothing is said."""
    parameters = inspect.signature(cascade).parameters.values()
    given = ("label", "metric", *PARTS)
    return {each.name: each.default for each in parameters if each.name not in ("name", *given)}
