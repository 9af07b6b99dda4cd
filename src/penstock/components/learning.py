"""Components that learn and judge: fit, evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock import models
from penstock.components.feature_join import known_features
from penstock.core.model import Model
from penstock.core.ports import Context
from penstock.models import ModelGraph
from penstock.pipelines import in_step, log_metric, step
from penstock.tables import Table
from penstock.values import Metrics


@step(modes={"train"})
def fit(
    model: Model, rows: Table, options: dict[str, Any] | None = None, *, context: Context | None = None
) -> ModelGraph:
    """Learn a model graph from rows; `options` override those of the declaration for this fit.

    A model that looks features up takes rows that were joined with them: `ps.historical_features(rows, model)`.
    """
    told: list[int] = []

    def progress(iteration: Mapping[str, Any]) -> None:
        told.append(iteration["iteration"])
        _tell(iteration)

    graph = models.fit(model, rows, options=options, known=known_features(model, rows, context), progress=progress)
    for name, value in graph.facts.get("evaluation", {}).items():
        print(f"{name} {value}")
        if value is not None and in_step():
            log_metric(name, value)
    for iteration in graph.facts["learner"].get("training", ()):
        if iteration["iteration"] not in told:
            _log(iteration)
    for disagreement in graph.facts["disagreements"]:
        print(f"warning: SQL form and row form disagree on {disagreement}; please report it")
    return graph


def _tell(iteration: Mapping[str, Any]) -> None:
    """Say how training goes, in the step's log and as points of its curves."""
    losses = (f"{name} {iteration[name]:.6g}" for name in _LOSSES if iteration[name] is not None)
    print(f"iteration {iteration['iteration']}: {', '.join(losses)}", flush=True)
    _log(iteration)


def _log(iteration: Mapping[str, Any]) -> None:
    for name in _LOSSES if in_step() else ():
        if iteration[name] is not None:
            log_metric(name, iteration[name], step=iteration["iteration"])


_LOSSES = ("loss", "eval_loss")


@step(modes={"train"})
def evaluate(graph: ModelGraph, rows: Table) -> Metrics:
    """Judge a model graph on rows with labels; metrics by BigQuery ML's names."""
    return models.evaluate(graph, rows)
