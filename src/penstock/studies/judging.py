"""What a trial came to, as its run tells: a value, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Run, StepRun
from penstock.pipelines import GONE, Finals, finals_of
from penstock.pipelines.finals import Load
from penstock.studies.asking import value_of

PRUNED = "pruned: "
"""How the reason begins for which a run is cancelled that the pruner gives up."""
STOPPED = "the search was stopped"
"""The reason for which the runs of trials are cancelled that are to be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a trial stands: its state, its value, why it has none, and how long it took."""

    state: str
    value: float | None = None
    error: str = ""
    seconds: float | None = None


def outcomes(metadata: MetadataStore, runs: Sequence[Run], metric: str, load: Load) -> dict[str, Outcome]:
    """Return what trials came to, by their runs' ids."""
    succeeded = [run.id for run in runs if run.state == "succeeded"]
    finals = finals_of(metadata, succeeded, load) if succeeded else {}
    failed = [run.id for run in runs if run.state == "failed"]
    steps = metadata.find(StepRun, run=failed, state="failed") if failed else []
    first = {step.run: step for step in reversed(steps)}
    return {run.id: _outcome(run, metric, finals.get(run.id, {}), first.get(run.id)) for run in runs}


def no_value(metric: str) -> str:
    """Return why a trial has failed whose run has succeeded without the metric."""
    return f"it has no value of {metric}"


def _outcome(run: Run, metric: str, finals: Finals, failed: StepRun | None) -> Outcome:
    state, value, error = _judged(run, metric, finals, failed)
    return Outcome(
        state=state, value=value, error=error, seconds=None if run.ended is None else run.ended - run.created
    )


def _judged(run: Run, metric: str, finals: Finals, failed: StepRun | None) -> tuple[str, float | None, str]:
    match run.state:
        case "succeeded":
            value = value_of(finals, metric)
            if value is None:
                return "failed", None, no_value(metric)
            return ("failed", None, f"{metric} is NaN") if value != value else ("succeeded", value, "")
        case "cancelled" if run.error.startswith(PRUNED):
            return "pruned", None, run.error.removeprefix(PRUNED)
        case "cancelled" if run.error == STOPPED:
            return "interrupted", None, run.error
        case "failed" if run.error == GONE:
            return "interrupted", None, run.error
        case "failed" if failed is not None:
            return "failed", None, f"step '{failed.step}': {failed.error.strip().partition(chr(10))[0]}"
        case state if state in DONE or state == "waiting":
            return "failed", None, f"{state}: {run.error}" if run.error else state
    return "running", None, ""
