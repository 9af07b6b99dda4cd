"""A run as it goes, as server-sent events: what its records say, looked at again and again, told as what changed."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool

from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Run, StepRun
from penstock.pipelines import reap
from penstock.serving.shown import shown_artifact, shown_run, shown_step

POLL_SECONDS = 0.1
_LOOKS_BETWEEN_SIGNS = 150  # of life: proxies cut connections on which nothing comes
_MOST_STEPS = 100_000
_ENDED = "end"
_DONE = -1


async def run_events(metadata: MetadataStore, run_id: str, seen_id: str = "") -> AsyncIterator[bytes]:
    """Yield the events of a run until it has ended: run_started, step_started, step_ended, run_ended.

    An event's id says how far each step was when it was told, so that a client that comes back with `Last-Event-ID`, to
    whichever server, misses nothing and is told nothing twice.
    """
    seen = _places(seen_id)
    if seen_id == _ENDED:
        return
    if seen is None:
        run, steps, _ = await run_in_threadpool(_look, metadata, run_id, [])
        seen = [0] * len(steps)
        waiting = [StepRun(run=run_id, step=step.step, position=step.position) for step in steps]
        yield _event("run_started", _id(seen), {"run": shown_run(run), "steps": list(map(shown_step, waiting))})
    for look in itertools.count(1):
        run, steps, artifacts = await run_in_threadpool(_look, metadata, run_id, seen)
        seen += [0] * (len(steps) - len(seen))
        for name, place, step in _changes(seen, steps):
            seen[place] = _DONE if name == "step_ended" else step.attempts
            made = {
                output: shown_artifact(artifacts[digest])
                for output, digest in step.artifacts.items()
                if digest in artifacts
            }
            content = (
                {"step": shown_step(step)} if name == "step_started" else {"step": shown_step(step), "artifacts": made}
            )
            yield _event(name, _id(seen), content)
        if run.state in DONE:
            yield _event("run_ended", _ENDED, {"run": shown_run(run)})
            return
        if look % _LOOKS_BETWEEN_SIGNS == 0:
            yield b": still running\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _look(metadata: MetadataStore, run_id: str, seen: Sequence[int]) -> tuple[Run, list[StepRun], dict[str, Artifact]]:
    """Return the run, its steps, and the artifacts of those that have ended since. The run is read first: once it has
    ended, its steps are all there is to tell."""
    reap(metadata)
    (run,) = metadata.find(Run, id=run_id)
    steps = metadata.find(StepRun, run=run_id)
    digests = {
        digest for name, _, step in _changes(seen, steps) if name == "step_ended" for digest in step.artifacts.values()
    }
    return (
        run,
        steps,
        {found.digest: found for found in metadata.find(Artifact, digest=list(digests))} if digests else {},
    )


def _changes(seen: Sequence[int], steps: Sequence[StepRun]) -> Iterator[tuple[str, int, StepRun]]:
    """Yield what is new of each step (event, place, step), in the order in which it happened."""
    found = []
    for place, step in enumerate(steps):
        before = seen[place] if place < len(seen) else 0
        if before == _DONE:
            continue
        if step.attempts > before:
            found.append((step.started or 0.0, 0, "step_started", place, step))
        if step.state in DONE:
            found.append((step.ended or 0.0, 1, "step_ended", place, step))
    for _, _, name, place, step in sorted(found, key=lambda each: each[:2]):
        yield name, place, step


def _event(name: str, id: str, content: dict[str, Any]) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (
        name.encode(),
        id.encode(),
        msgspec.json.encode(content, enc_hook=repr),
    )


def _id(seen: Sequence[int]) -> str:
    """Write how far each step was told, equal neighbours together: `3d.1x1.9x0`; d: to its end."""
    runs = ((place, sum(1 for _ in same)) for place, same in itertools.groupby(seen))
    return ".".join(f"{count}{'d' if place == _DONE else f'x{place}'}" for place, count in runs) or "0x0"


def _places(id: str) -> list[int] | None:
    """Read what `_id` wrote; None where it is no such id: then all is told from the beginning."""
    found: list[int] = []
    for part in id.split("."):
        matched = re.fullmatch(r"(\d{1,6})(?:d|x(\d{1,6}))", part)
        if matched is None or len(found) + int(matched[1]) > _MOST_STEPS:
            return None
        found += [_DONE if matched[2] is None else int(matched[2])] * int(matched[1])
    return found
