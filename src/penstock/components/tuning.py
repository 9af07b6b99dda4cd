"""A component that finds hyperparameters of a model by trials, and gives them on: tune."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from penstock import models
from penstock.components.feature_join import known_features
from penstock.core.model import Model
from penstock.core.ports import Context
from penstock.models.fitting.trials import trial_rows, trials_table
from penstock.models.learning.options import TUNING
from penstock.models.learning.search import plain
from penstock.pipelines import in_step, log_metric, step
from penstock.tables import Table

_ALGORITHMS = {"tpe": "VIZIER_DEFAULT", "random": "RANDOM_SEARCH", "grid": "GRID_SEARCH"}


class Tuned(NamedTuple):
    """The best hyperparameters, as `ps.fit(options=...)` takes them, and a row for each trial."""

    options: dict[str, Any]
    trials: Table


@step(modes={"train"})
def tune(
    model: Model,
    rows: Table,
    search: dict[str, Any] | None = None,
    *,
    trials: int = 20,
    metric: str | None = None,
    sampler: str = "tpe",
    parallel: int = 1,
    options: dict[str, Any] | None = None,
    context: Context | None = None,
) -> Tuned:
    """Find the best options of a model: `search` maps them to `ps.hparam_range(...)`, `ps.hparam_candidates(...)`;
    without it those of the declaration are searched, or what is usual for the type.

    Trials learn from most of the rows and are judged by `metric` on others of them (`data_split_method` says how). The
    features are prepared once for all trials. What comes out goes into `ps.fit(model, rows, options=tuned.options)`,
    which learns from all the rows, and is judged on rows that no trial has seen.
    """
    asked: dict[str, Any] = {**(options or {}), **{name: plain(space) for name, space in (search or {}).items()}}
    asked |= {"num_trials": trials, "max_parallel_trials": parallel}
    asked["hparam_tuning_algorithm"] = _ALGORITHMS.get(sampler, sampler)
    if metric is not None:
        asked["hparam_tuning_objectives"] = [metric]
    graph = models.fit(model, rows, options=asked, known=known_features(model, rows, context))
    found = trial_rows(graph)
    objective = graph.facts["tuning"]["objective"]
    for number, row in enumerate(found, 1):
        print(f"trial {number}: {row['state']} {objective} {row['value']} {row['params']}")
        if row["value"] is not None and in_step():
            log_metric(objective, row["value"], step=number)
    best = next(row for row in found if row["is_optimal"])
    return Tuned({**(options or {}), **best["params"], **_without_search(model)}, trials_table(found))


def _without_search(model: Model) -> Mapping[str, None]:
    """Return what takes the search of a declaration away, for a fit with what it found."""
    return {name: None for name in TUNING if name in model.options}
