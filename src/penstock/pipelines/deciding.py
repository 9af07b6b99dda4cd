"""A person's decision about a step that waits: who took it, when and why is recorded with what the step gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, CacheEntry, Lease, Run, State, StepRun
from penstock.errors import ConflictError, UnknownNameError
from penstock.pipelines.declining import EXPIRES, REQUEST

OUTPUT = "result"
"""The output of a step that a person gives."""


def waiting_step(metadata: MetadataStore, run: Run, name: str = "") -> StepRun:
    """Return the step of a run that waits for a person: the one of that name, or the only one.

    Raises `ConflictError` where none does, or where several do and none is named.
    """
    steps = metadata.find(StepRun, run=run.id)
    waiting = {step.step: step for step in steps if step.state == "waiting" and REQUEST in step.artifacts}
    if name and name not in {step.step for step in steps}:
        raise UnknownNameError("step", name, [step.step for step in steps], within=f"run {run.id}")
    if name in waiting or (not name and len(waiting) == 1):
        return waiting[name or next(iter(waiting))]
    if not name and waiting:
        raise ConflictError(f"several steps of run {run.id} wait: {', '.join(waiting)}; name the one that is decided")
    what = f"step '{name}' of run {run.id} does not wait" if name else f"no step of run {run.id} waits"
    raise ConflictError(f"{what} for a person; the run is {run.state}")


def approve(
    metadata: MetadataStore,
    step: StepRun,
    save: Callable[[Any], Artifact],
    request: Mapping[str, Any],
    *,
    by: str,
    reason: str = "",
    clock: Callable[[], float] = time.time,
) -> None:
    """Record that somebody approves what a step asks; its run can go on then.

    The step has made its output by that: the same question about the same thing is not asked again.
    """
    now, run = clock(), _claimed(metadata, step, clock)
    said = _said("approved", by, reason, now)
    artifact = replace(save(_blessing(request, said, by, reason, now)), made_by=f"{step.run}/{step.step}", created=now)
    outputs = {OUTPUT: artifact.digest}
    entry = CacheEntry(
        key=step.key, pipeline=run.pipeline, step=step.step, outputs=outputs, parts=step.parts, run=run.id, created=now
    )
    metadata.write(artifact, entry, replace(step, state="succeeded", reason=said, artifacts=outputs, ended=now))


def reject(
    metadata: MetadataStore,
    step: StepRun,
    *,
    by: str,
    reason: str = "",
    clock: Callable[[], float] = time.time,
) -> None:
    """Record that somebody rejects what a step asks: it has failed, and with it its run."""
    now, run = clock(), _claimed(metadata, step, clock)
    said = _said("rejected", by, reason, now)
    _close(metadata, run, "failed", f"{step.step}: {said}", replace(step, state="failed", error=said, ended=now), now)


def give_up(metadata: MetadataStore, run: Run, reason: str, *, clock: Callable[[], float] = time.time) -> None:
    """Record that a run that waits for a person is not to go on: it is cancelled."""
    _close(metadata, run, "cancelled", reason, None, clock())


def expire(metadata: MetadataStore, *, clock: Callable[[], float] = time.time) -> None:
    """Have runs failed for which nobody has decided in time."""
    for run in metadata.find(Run, state="waiting"):
        for step in metadata.find(StepRun, run=run.id, state="waiting"):
            asked = metadata.get(Artifact, step.artifacts.get(REQUEST, ""))
            until = None if asked is None else asked.facts.get(EXPIRES)
            if until is not None and until <= clock():
                said = f"nobody decided until {_moment(until)}"
                failed = replace(step, state="failed", error=said, ended=clock())
                _close(metadata, run, "failed", f"{step.step}: {said}", failed, clock())
                break


def _claimed(metadata: MetadataStore, step: StepRun, clock: Callable[[], float]) -> Run:
    """Return the run, of which nobody else takes this decision too."""
    expire(metadata, clock=clock)
    run, now = metadata.get(Run, step.run), metadata.get(StepRun, step.run, step.step)
    if run is None or now is None or now.state != "waiting":
        how = "" if now is None else f": it is {now.state}, {now.error or now.reason}"
        raise ConflictError(f"step '{step.step}' of run {step.run} does not wait for a person any more{how}")
    try:
        metadata.insert(Lease(key=f"decision:{step.run}/{step.step}/{step.artifacts[REQUEST]}", run=run.id))
    except ConflictError:
        raise ConflictError(f"somebody else decides about step '{step.step}' of run {step.run} just now") from None
    return run


def _close(metadata: MetadataStore, run: Run, state: State, error: str, decided: StepRun | None, now: float) -> None:
    """End a run that nobody drives: what was to come after the decision does not run."""
    reason = "the run was stopped" if decided is None else f"needs {decided.step}, which failed"
    others = [step for step in metadata.find(StepRun, run=run.id) if step.state not in DONE]
    left: State = "cancelled" if decided is None else "skipped"
    ended = [
        replace(step, state=left, reason=reason, artifacts={}, ended=now)
        for step in others
        if decided is None or step.step != decided.step
    ]
    ended += [] if decided is None else [decided]
    metadata.write(*ended, replace(run, state=state, error=error, ended=now))


def _blessing(request: Mapping[str, Any], said: str, by: str, reason: str, now: float) -> dict[str, Any]:
    check = {"name": "approval", "slice": "", "kind": "approval", "value": by, "bound": "a person", "rows": 0}
    who = {"by": by, "reason": reason, "at": now}
    checks = [{**check, "passed": True, "why": said}]
    return {"kind": "approval", "blessed": True, "graph": request["graph"], "checks": checks, **who}


def _said(what: str, by: str, reason: str, now: float) -> str:
    return f"{what} by {by}, {_moment(now)}{f': {reason}' if reason else ''}"


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
