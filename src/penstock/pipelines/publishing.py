"""What a step made, as it is recorded: its artifacts, and the entry that makes them a hit from now on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from penstock.core.artifact import Artifact
from penstock.core.pipeline import Step
from penstock.core.ports import Outcome
from penstock.core.run import CacheEntry, Run
from penstock.pipelines.evidence import evidence
from penstock.pipelines.recall import Recall
from penstock.pipelines.verdicts import Verdict


def made(outputs: Mapping[str, Artifact], recall: Recall, *, by: str, now: float) -> dict[str, Artifact]:
    """Return outputs with their maker ("run/step"): equal bytes keep their first one."""
    known = recall.artifacts(artifact.digest for artifact in outputs.values())
    named = {}
    for name, artifact in outputs.items():
        first = known.get(artifact.digest, replace(artifact, made_by=by, created=now))
        named[name] = replace(artifact, made_by=first.made_by, created=first.created)
        recall.remember(named[name])
    return named


def entry(
    step: Step, run: Run, verdict: Verdict, outcome: Outcome, outputs: Mapping[str, Artifact], *, root: str, now: float
) -> CacheEntry | None:
    """Return the entry of a step that succeeded; None where it is never cached."""
    if step.cache is False:
        return None
    return CacheEntry(
        key=verdict.key.digest,
        pipeline=run.pipeline,
        step=step.name,
        outputs={name: artifact.digest for name, artifact in outputs.items()},
        parts=verdict.key.parts,
        observed=evidence(verdict.key, outcome.observed, root),
        expires=None if step.cache is True else now + step.cache,
        run=run.id,
        created=now,
    )
