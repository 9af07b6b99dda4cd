"""To go on from a run that ended: what it was asked, and what of it can be taken over although it is never cached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, ENDED, Run, StepRun
from penstock.errors import ConflictError, DeclarationError, UnknownNameError
from penstock.pipelines.declining import REQUEST

UNPLAIN = "unplain"
"""The option of a run that names its parameters which the record holds only as their text."""
WENT_ON = "went_on"
"""The option of a run that waited for a person: when it was last driven on, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The steps of the run that is resumed, by name; of none, where none is."""

    run: str = ""
    steps: Mapping[str, StepRun] = field(default_factory=dict)

    def made(self, step: str, key: str) -> StepRun | None:
        """Return what that run made of a step under this key, if it did."""
        found = self.steps.get(step)
        good = found is not None and found.key == key and found.state in ("succeeded", "up_to_date")
        return found if good else None


def resumable(metadata: MetadataStore, run_id: str, *, as_itself: bool = False) -> Run:
    """Return the run to resume; raises where it is unknown, or goes on. One that waited for a person, who has decided,
    goes on `as_itself`, under its own id."""
    run = metadata.get(Run, run_id)
    if run is None:
        raise UnknownNameError("run", run_id, [each.id for each in metadata.find(Run, newest_first=True, limit=5)])
    if as_itself:
        if run.state != "waiting":
            raise ConflictError(f"run {run_id} is {run.state}: only one that waits for a person goes on as itself")
        return run
    if run.state == "waiting" and any(
        REQUEST in step.artifacts for step in metadata.find(StepRun, run=run_id, state="waiting")
    ):
        raise ConflictError(f"run {run_id} waits for a person: penstock approve {run_id}, or reject it")
    if run.state not in ENDED:
        raise ConflictError(f"run {run_id} is {run.state}; wait for its end, or cancel it, before you resume it")
    return run


def goes_on(metadata: MetadataStore, driven: Run, *, now: float) -> tuple[Run, dict[str, StepRun]]:
    """Return a run that waited as it is recorded, driven now by whoever drives `driven`, and its steps
    that have ended, or wait for a person still."""
    stored = resumable(metadata, driven.id, as_itself=True)
    steps = metadata.find(StepRun, run=stored.id)
    kept = {step.step: step for step in steps if step.state in DONE or REQUEST in step.artifacts}
    options = {**stored.options, WENT_ON: now}
    going = replace(stored, state="running", ended=None, error="", options=options, pid=driven.pid, host=driven.host)
    return going, kept


def resumed(metadata: MetadataStore, run_id: str) -> Resumed:
    """Return what a run made."""
    return Resumed(run_id, {step.step: step for step in metadata.find(StepRun, run=run_id)}) if run_id else Resumed()


def asked(run: Run, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a run, with those given anew instead."""
    lost = [name for name in run.options.get(UNPLAIN, ()) if name not in params]
    if lost:
        raise DeclarationError(
            f"run {run.id} was given {', '.join(lost)} as a value that a record cannot hold, so it cannot be resumed "
            f"alone; give {', '.join(f'{name}=...' for name in lost)} again"
        )
    return {**run.params, **params}
