"""Where every task begins, in whatever process the engine chose: open the store, run the step, publish its outputs."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from penstock.core.ports import ArtifactStore, Outcome, Task
from penstock.engines import EXCHANGE
from penstock.pipelines import run_task
from penstock.project.codecs import CODECS
from penstock.stores import LayeredStore, LocalArtifactStore, open_artifacts

ENTRY = "penstock.project.worker:work"


@lru_cache(maxsize=8)
def _store(uri: str, exchange: str) -> ArtifactStore:
    """Open the project's store; in a container that is read, and what the step makes goes to the exchange."""
    store = open_artifacts(uri)
    return LayeredStore(above=LocalArtifactStore(Path(exchange, "artifacts")), below=store) if exchange else store


def work(task: Task) -> Outcome:
    """Run one task."""
    return run_task(task, _store(task.context.artifacts, os.environ.get(EXCHANGE, "")), CODECS)
