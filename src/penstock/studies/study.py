"""What came of a search: its trials, the best of them, and the runs that each was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.core.mapping import FrozenMap
from penstock.models.learning.search import Space, plain, space_of

TRIAL = "trial"
"""The kind of cause that a run has which is a trial."""
TUNE = "tune"
"""That of the run with the best parameters, which names their `trial`, and of the run that drew the figures."""


_TOLD = ("number", "state", "value", "run", "seconds", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One set of parameters that was tried. `state` is succeeded, failed, pruned (stopped, because it was not worth its
    end), interrupted or running; `run` is the run that it was; `error` says why there is no `value`."""

    number: int
    params: FrozenMap[Any]
    state: str
    value: float | None = None
    run: str = ""
    seconds: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A search over parameters of a pipeline, as far as it came. `final` is the run of the whole pipeline with the best
    parameters, `report` the run that drew the figures; "": there is none."""

    name: str
    pipeline: str
    experiment: str
    metric: str
    maximize: bool
    spaces: FrozenMap[Space]
    trials: tuple[Trial, ...] = ()
    final: str = ""
    report: str = ""

    @property
    def best(self) -> Trial | None:
        """The trial with the best value, the earliest of equals; None while none has one."""
        best: Trial | None = None
        for trial in self.trials:
            best = better(best, trial, maximize=self.maximize)
        return best

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial; none while no trial has a value."""
        return dict(self.best.params) if self.best is not None else {}

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs: of the trials, the final one, and the one that drew the figures."""
        found = [trial.run for trial in self.trials]
        return tuple(dict.fromkeys(run for run in (*found, self.final, self.report) if run))

    @property
    def counts(self) -> dict[str, int]:
        """How many trials are in each state."""
        return dict(Counter(trial.state for trial in self.trials))


def better(best: Trial | None, trial: Trial, *, maximize: bool) -> Trial | None:
    """Return the better of two trials, the first of equals; only one that succeeded counts."""
    if trial.state != "succeeded" or trial.value is None:
        return best
    if best is None or best.value is None:
        return trial
    return trial if (trial.value > best.value if maximize else trial.value < best.value) else best


def summary(study: Study) -> dict[str, Any]:
    """Return a study as plain JSON."""
    best = study.best
    return {
        "study": study.name,
        "pipeline": study.pipeline,
        "experiment": study.experiment,
        "metric": study.metric,
        "direction": "maximize" if study.maximize else "minimize",
        "search": {name: plain(space) for name, space in study.spaces.items()},
        "counts": study.counts,
        "best": None if best is None else trial_json(best),
        "final": study.final,
        "report": study.report,
        "trials": [trial_json(trial) for trial in study.trials],
    }


def trial_json(trial: Trial) -> dict[str, Any]:
    """Return a trial as plain JSON."""
    return {**{name: getattr(trial, name) for name in _TOLD}, "params": dict(trial.params)}


def study_of(told: Mapping[str, Any]) -> Study:
    """Return the study that `summary` has told of."""
    spaces = {name: space for name, plain in told["search"].items() if (space := space_of(plain)) is not None}
    return Study(
        name=told["study"],
        pipeline=told["pipeline"],
        experiment=told["experiment"],
        metric=told["metric"],
        maximize=told["direction"] == "maximize",
        spaces=FrozenMap(spaces),
        trials=tuple(map(trial_of, told["trials"])),
        final=told["final"],
        report=told["report"],
    )


def trial_of(told: Mapping[str, Any]) -> Trial:
    """Return the trial that `trial_json` has told of."""
    return Trial(**{**{name: told[name] for name in _TOLD}, "params": FrozenMap(told["params"])})
