"""A person's decision about a step that waits: who took it, when and why is recorded with what the step gives.

A decision may come while the run still runs, or twice at once. So who decides claims it, and so does who lets the run
go on; whoever drives the run looks for decisions once more after the run is recorded as waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, CacheEntry, Lease, Run, State, StepRun
from penstock.errors import ConflictError, UnknownNameError
from penstock.pipelines.declining import EXPIRES, REQUEST

OUTPUT = "result"
"""The output of a step that a person gives."""
CLAIM_SECONDS = 60.0
"""How long a claim counts of which nothing came: whoever made it is gone then. A driver has so long to start."""


def waiting_step(metadata: MetadataStore, run: Run, name: str = "") -> StepRun:
    """Return the step of a run that waits for a person: the one of that name, or the only one.

    Raises `ConflictError` where none does, or where several do and none is named.
    """
    steps = metadata.find(StepRun, run=run.id)
    waiting = {step.step: step for step in steps if _asks(step)}
    if name and name not in {step.step for step in steps}:
        raise UnknownNameError("step", name, [step.step for step in steps], within=f"run {run.id}")
    if name in waiting or (not name and len(waiting) == 1):
        return waiting[name or next(iter(waiting))]
    if not name and waiting:
        raise ConflictError(f"several steps of run {run.id} wait: {', '.join(waiting)}; name the one that is decided")
    what = f"step '{name}' of run {run.id} does not wait" if name else f"no step of run {run.id} waits"
    if run.state == "waiting":
        raise ConflictError(f"{what} for a person any more; what was decided counts: penstock run --resume {run.id}")
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
    """Record that somebody approves what a step asks; its run can go on then, by whoever `may_go_on`.

    The step has made its output by that: the same question about the same thing is not asked again.
    """
    with _deciding(metadata, step, clock) as run:
        now = clock()
        said = _said("approved", by, reason, now)
        made = replace(save(_blessing(request, said, by, reason, now)), made_by=f"{step.run}/{step.step}", created=now)
        outputs = {OUTPUT: made.digest}
        entry = CacheEntry(
            key=step.key,
            pipeline=run.pipeline,
            step=step.step,
            outputs=outputs,
            parts=step.parts,
            run=run.id,
            created=now,
        )
        metadata.write(made, entry, replace(step, state="succeeded", reason=said, artifacts=outputs, ended=now))


def reject(
    metadata: MetadataStore,
    step: StepRun,
    *,
    by: str,
    reason: str = "",
    clock: Callable[[], float] = time.time,
) -> None:
    """Record that somebody rejects what a step asks: it has failed, and with it its run, at the latest once what is
    under way in it has ended."""
    with _deciding(metadata, step, clock):
        now = clock()
        metadata.write(replace(step, state="failed", error=_said("rejected", by, reason, now), artifacts={}, ended=now))
        _look_after(metadata, step.run, now)


def give_up(metadata: MetadataStore, run: Run, reason: str, *, clock: Callable[[], float] = time.time) -> None:
    """Record that a run that waits for a person is not to go on: it is cancelled."""
    _close(metadata, run, "cancelled", reason, None, clock())


def expire(metadata: MetadataStore, *, clock: Callable[[], float] = time.time) -> None:
    """Have runs failed that wait for nothing any more: nobody has decided in time, somebody has rejected, or who was to
    let them go on is gone."""
    for run in metadata.find(Run, state="waiting"):
        _look_after(metadata, run.id, clock())


def may_go_on(metadata: MetadataStore, run_id: str, *, clock: Callable[[], float] = time.time) -> bool:
    """Claim that a run that waited, and about which a person has decided, is driven on from here. False where it is
    driven already: its driver sees the decision."""
    if not _waits(metadata, run_id) or not _claim(metadata, _going_on(run_id), clock()):
        return False
    if _waits(metadata, run_id):
        return True
    gone_on(metadata, run_id)
    return False


def gone_on(metadata: MetadataStore, run_id: str) -> None:
    """Give the claim back: the run waits again, or is done."""
    metadata.delete(Lease, key=_going_on(run_id))


def decided_meanwhile(
    metadata: MetadataStore, run_id: str, asking: Iterable[str], *, clock: Callable[[], float] = time.time
) -> bool:
    """Tell who has driven a run to where it waits whether somebody approved one of the steps that asked while it was
    driven: then it is claimed to go on. If one was rejected the run has failed now."""
    _look_after(metadata, run_id, clock())
    asked = metadata.find(StepRun, run=run_id, step=list(asking))
    return any(step.state == "succeeded" for step in asked) and may_go_on(metadata, run_id, clock=clock)


def _look_after(metadata: MetadataStore, run_id: str, now: float) -> None:
    """End a run that is recorded as waiting and that nobody will let go on."""
    run = metadata.get(Run, run_id)
    if run is None or run.state != "waiting":
        return
    steps = metadata.find(StepRun, run=run_id)
    if rejected := next((step for step in steps if step.state == "failed"), None):
        return _close(metadata, run, "failed", f"{rejected.step}: {rejected.error}", rejected, now)
    asking = [step for step in steps if _asks(step)]
    for step in asking:
        asked = metadata.get(Artifact, step.artifacts[REQUEST])
        until = None if asked is None else asked.facts.get(EXPIRES)
        if until is not None and until <= now and _claim(metadata, _decision(step), now):
            said = f"nobody decided until {_moment(until)}"
            failed = replace(step, state="failed", error=said, artifacts={}, ended=now)
            _close(metadata, run, "failed", f"{step.step}: {said}", failed, now)
            metadata.delete(Lease, key=_decision(step))
            return None
    if not asking and now - max(run.ended or 0.0, *(step.ended or 0.0 for step in steps)) >= CLAIM_SECONDS:
        said = f"a person decided, and the process that was to go on is gone: penstock run --resume {run_id}"
        _close(metadata, run, "failed", said, None, now)
    return None


@contextmanager
def _deciding(metadata: MetadataStore, step: StepRun, clock: Callable[[], float]) -> Iterator[Run]:
    """Yield the run, while nobody else takes this decision too."""
    expire(metadata, clock=clock)
    if not _claim(metadata, _decision(step), clock()):
        raise ConflictError(f"somebody else decides about step '{step.step}' of run {step.run} just now")
    try:
        run, now = metadata.get(Run, step.run), metadata.get(StepRun, step.run, step.step)
        if run is None or run.state in DONE or now is None or not _asks(now) or now.artifacts != step.artifacts:
            how = "" if now is None else f": it is {now.state}, {now.error or now.reason}"
            raise ConflictError(f"step '{step.step}' of run {step.run} does not wait for a person any more{how}")
        yield run
    finally:
        metadata.delete(Lease, key=_decision(step))


def _claim(metadata: MetadataStore, key: str, now: float) -> bool:
    """Claim something that one alone may do; a claim of which nothing came for long does not count. It is of no run:
    one that ends frees all that are its own."""
    held = metadata.get(Lease, key)
    if held is not None and now - held.created >= CLAIM_SECONDS:
        metadata.delete(Lease, key=key, created=held.created)
    try:
        metadata.insert(Lease(key=key, run="", created=now))
    except ConflictError:
        return False
    return True


def _asks(step: StepRun) -> bool:
    return step.state == "waiting" and REQUEST in step.artifacts


def _waits(metadata: MetadataStore, run_id: str) -> bool:
    run = metadata.get(Run, run_id)
    return run is not None and run.state == "waiting"


def _decision(step: StepRun) -> str:
    return f"decision:{step.run}/{step.step}"


def _going_on(run_id: str) -> str:
    return f"going on:{run_id}"


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
