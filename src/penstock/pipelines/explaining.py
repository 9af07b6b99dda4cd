"""`why`: one line about why a step of a run ran, or did not."""

from __future__ import annotations

from penstock.core.ports import MetadataStore
from penstock.core.run import Run, StepRun
from penstock.errors import UnknownNameError
from penstock.pipelines.changes import NEVER_RAN


def why(metadata: MetadataStore, run_id: str, step: str) -> str:
    """Say in one line why a step ran or did not, by what its key was made of then and before."""
    if metadata.get(Run, run_id) is None:
        recent = [run.id for run in metadata.find(Run, newest_first=True, limit=5)]
        raise UnknownNameError("run", run_id, recent)
    found = metadata.get(StepRun, run_id, step)
    if found is None:
        raise UnknownNameError(
            "step", step, [item.step for item in metadata.find(StepRun, run=run_id)], within=f"run {run_id}"
        )
    match found.state:
        case "succeeded" if found.reason == NEVER_RAN:
            return f"{step} ran for the first time"
        case "succeeded":
            return f"{step} ran: {found.reason}"
        case "up_to_date":
            return f"{step} did not run, it is up to date: {found.reason}"
        case "failed":
            return f"{step} failed ({found.error.partition(chr(10))[0]}); it was to run: {found.reason}"
        case "skipped":
            return f"{step} was skipped: {found.reason}"
        case "cancelled":
            return f"{step} was cancelled: {found.reason}"
    return f"{step} is {found.state}: {found.reason or 'what it needs has not ended'}"
