"""A run as it goes, as server-sent events: what its records say, looked at again and again, told as what changed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence, Set
from typing import Any, TypeAlias

import msgspec
from starlette.concurrency import run_in_threadpool

from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, ENDED, Run, StepRun
from penstock.pipelines import reap
from penstock.serving.shown import shown_artifact, shown_run, shown_step

POLL_SECONDS = 0.1
_LOOKS_BETWEEN_SIGNS = 150  # of life: proxies cut connections on which nothing comes
_LONGEST = 10  # digits
_ENDED = "end"

Happened: TypeAlias = tuple[str, str]
"""An event of a step: its name, and the step's."""


async def run_events(metadata: MetadataStore, run_id: str, seen_id: str = "") -> AsyncIterator[bytes]:
    """Yield the events of a run until it has ended: run_started, step_started, step_ended, run_ended.

    An event's id counts the events of steps up to it. What happened is told by its time, so the count means the same to
    every server: a client that comes back with `Last-Event-ID` misses nothing and is told nothing twice.
    """
    if seen_id == _ENDED:
        return
    known = int(seen_id) if seen_id.isascii() and seen_id.isdecimal() and len(seen_id) < _LONGEST else None
    told: set[Happened] = set()
    if known is None:
        run, steps, _ = await run_in_threadpool(_look, metadata, run_id, told)
        waiting = [StepRun(run=run_id, step=each.step, position=each.position, needs=each.needs) for each in steps]
        yield _event("run_started", "0", {"run": shown_run(run), "steps": list(map(shown_step, waiting))})
    for look in itertools.count(1):
        run, steps, artifacts = await run_in_threadpool(_look, metadata, run_id, told)
        by_name = {step.step: step for step in steps}
        happened = _happened(steps)
        if look == 1 and known:
            told.update(happened[:known])
        for each in happened:
            if each in told:
                continue
            told.add(each)
            name, step = each[0], by_name[each[1]]
            content: dict[str, Any] = {"step": shown_step(step)}
            if name == "step_ended":
                made = {output: artifacts.get(digest) for output, digest in step.artifacts.items()}
                content["artifacts"] = {
                    output: shown_artifact(artifact) for output, artifact in made.items() if artifact
                }
            yield _event(name, str(len(told)), content)
        if run.state in ENDED:
            yield _event("run_ended", _ENDED, {"run": shown_run(run)})
            return
        if look % _LOOKS_BETWEEN_SIGNS == 0:
            yield b": still running\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _look(metadata: MetadataStore, run_id: str, told: Set[Happened]) -> tuple[Run, list[StepRun], dict[str, Artifact]]:
    """Return the run, its steps, and the artifacts of those that have ended since. The run is read first: once it has
    ended, its steps are all there is to tell."""
    reap(metadata)
    (run,) = metadata.find(Run, id=run_id)
    steps = metadata.find(StepRun, run=run_id)
    ended = [step for step in steps if step.state in DONE and ("step_ended", step.step) not in told]
    digests = sorted({digest for step in ended for digest in step.artifacts.values()})
    artifacts = metadata.find(Artifact, digest=digests) if digests else []
    return run, steps, {artifact.digest: artifact for artifact in artifacts}


def _happened(steps: Sequence[StepRun]) -> list[Happened]:
    """Return what happened to steps, by time. A run has one driver and one clock: what is recorded later is later."""
    found = []
    for step in steps:
        if step.attempts:
            found.append((step.started or 0.0, 0, step.position, ("step_started", step.step)))
        if step.state in DONE:
            found.append((step.ended or 0.0, 1, step.position, ("step_ended", step.step)))
    return [each[-1] for each in sorted(found)]


def _event(name: str, id: str, content: dict[str, Any]) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (
        name.encode(),
        id.encode(),
        msgspec.json.encode(content, enc_hook=repr),
    )
