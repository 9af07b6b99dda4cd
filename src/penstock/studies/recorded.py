"""Studies as the records of their runs tell of them: without Optuna, and wherever records can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.mapping import FrozenMap
from penstock.core.ports import MetadataStore
from penstock.core.run import Run
from penstock.models.learning.search import space_of
from penstock.studies.judging import Outcome, outcomes
from penstock.studies.study import TRIAL, TUNE, Study, Trial


def recorded_studies(
    metadata: MetadataStore, runs: Iterable[Run], load: Callable[[Artifact], Any]
) -> tuple[Study, ...]:
    """Return the studies that these runs are trials of, the one with the newest trial first."""
    by_study: dict[str, list[Run]] = {}
    after: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: -run.created):
        if (kind := run.cause.get("kind")) in (TRIAL, TUNE):
            (by_study if kind == TRIAL else after).setdefault(run.cause["study"], []).append(run)
    return tuple(_study(metadata, found[::-1], after.get(name, ()), load) for name, found in by_study.items())


def _study(
    metadata: MetadataStore, runs: Sequence[Run], after: Sequence[Run], load: Callable[[Artifact], Any]
) -> Study:
    first = runs[0]
    asked = first.cause
    spaces = {each: space for each, told in asked["search"].items() if (space := space_of(told)) is not None}
    came_to = outcomes(metadata, runs, asked["metric"], load)
    study = Study(
        name=asked["study"],
        pipeline=first.pipeline,
        experiment=first.experiment,
        metric=asked["metric"],
        maximize=asked["direction"] == "maximize",
        spaces=FrozenMap(spaces),
        trials=tuple(_trial(run, spaces, came_to[run.id]) for run in runs),
        report=next((run.id for run in after if "trial" not in run.cause), ""),
    )
    best = study.best
    if best is None:
        return study
    whole = next(run.cause.get("whole", False) for run in runs if run.id == best.run)
    finals = [run.id for run in after if run.cause.get("trial") == best.number]
    return replace(study, final=best.run if whole else next(iter(finals), ""))


def _trial(run: Run, spaces: Iterable[str], outcome: Outcome) -> Trial:
    return Trial(
        number=run.cause["trial"],
        params=FrozenMap({name: run.params.get(name) for name in spaces}),
        state=outcome.state,
        value=outcome.value,
        run=run.id,
        seconds=outcome.seconds,
        error=outcome.error,
    )
