"""Where every task begins, in whatever process the engine chose: open the store, run the step, publish its outputs."""

from __future__ import annotations

from functools import lru_cache

from penstock.core.ports import ArtifactStore, Outcome, Task
from penstock.pipelines import run_task
from penstock.project.codecs import CODECS
from penstock.stores import open_artifacts

ENTRY = "penstock.project.worker:work"


@lru_cache(maxsize=8)
def _store(uri: str) -> ArtifactStore:
    return open_artifacts(uri)


def work(task: Task) -> Outcome:
    """Run one task."""
    return run_task(task, _store(task.context.artifacts), CODECS)
