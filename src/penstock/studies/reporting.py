"""The figures of a study, drawn by a run like any other, so that they are artifacts of its experiment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from penstock.components import plot_tuning
from penstock.models.fitting.trials import trials_table
from penstock.models.learning.search import Range
from penstock.pipelines import pipeline, step, trace
from penstock.studies.study import TUNE, Study, trial_json
from penstock.tables import Table


@step(modes={"train"})
def trials(told: list[dict[str, Any]]) -> Table:
    """Put the trials into a table: a row each."""
    return trials_table(told)


def reported(study: Study, figures: bool, run: Callable[..., str]) -> Study:
    """Return the study with the run that keeps its trials as a table and draws `figures` if it can;
    without a trial that has a value, as it is."""
    if study.best is None:
        return study
    logs = [name for name, space in study.spaces.items() if isinstance(space, Range) and space.log]
    told = [trial_json(trial) for trial in study.trials]

    @pipeline(name=f"trials of {study.pipeline}")
    def declared() -> None:
        table = trials(told)
        if figures and find_spec("matplotlib") is not None:  # the table is there without the figures too
            plot_tuning(table, study.metric, study.maximize, logs)

    cause = {"kind": TUNE, "study": study.name}
    made = run(trace(declared), experiment=study.experiment, tags={"study": study.name}, cause=cause)
    return replace(study, report=made)
