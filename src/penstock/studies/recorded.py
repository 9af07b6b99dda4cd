"""Studies as the records of their runs tell of them: without Optuna, and wherever records can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.mapping import FrozenMap
from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Run
from penstock.models.learning.search import space_of
from penstock.pipelines import Finals, finals_of
from penstock.studies.asking import value_of
from penstock.studies.study import PRUNED, TRIAL, Study, Trial


def recorded_studies(
    metadata: MetadataStore, runs: Iterable[Run], load: Callable[[Artifact], Any]
) -> tuple[Study, ...]:
    """Return the studies that these runs are trials of, the one with the newest trial first."""
    by_study: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: -run.created):
        if run.cause.get("kind") == TRIAL:
            by_study.setdefault(run.cause["study"], []).append(run)
    every = [run.id for found in by_study.values() for run in found]
    finals = finals_of(metadata, every, load) if every else {}
    return tuple(_study(name, found[::-1], finals) for name, found in by_study.items())


def _study(name: str, runs: list[Run], finals: dict[str, Finals]) -> Study:
    first = runs[0]
    asked = first.cause
    spaces = {each: space for each, told in asked["search"].items() if (space := space_of(told)) is not None}
    return Study(
        name=name,
        pipeline=first.pipeline,
        experiment=first.experiment,
        metric=asked["metric"],
        maximize=asked["direction"] == "maximize",
        spaces=FrozenMap(spaces),
        trials=tuple(_trial(run, spaces, asked["metric"], finals[run.id]) for run in runs),
    )


def _trial(run: Run, spaces: Iterable[str], metric: str, finals: Finals) -> Trial:
    value = value_of(finals, metric) if run.state == "succeeded" else None
    value = None if value != value else value  # NaN
    return Trial(
        number=run.cause["trial"],
        params=FrozenMap({name: run.params.get(name) for name in spaces}),
        state=_state(run, value),
        value=value,
        run=run.id,
        seconds=None if run.ended is None else run.ended - run.created,
        error=run.error,
    )


def _state(run: Run, value: float | None) -> str:
    if run.state not in DONE:
        return "running"
    if run.state == "cancelled":
        return "pruned" if run.error.startswith(PRUNED) else "interrupted"
    return "failed" if value is None else "succeeded"
