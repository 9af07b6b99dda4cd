"""Cancelling a run from anywhere: a wish that is recorded, which the process that drives the run looks for."""

from __future__ import annotations

import time
from collections.abc import Callable

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Cancellation, Run
from penstock.errors import ConflictError
from penstock.pipelines.deciding import give_up
from penstock.pipelines.liveness import reap


def cancel_run(metadata: MetadataStore, run: Run, *, reason: str = "", clock: Callable[[], float] = time.time) -> None:
    """Ask for a run to be cancelled, whoever drives it, here or on another machine; the run records how it ended.

    Raises `ConflictError` where the run has ended already, also because its process is gone.
    """
    reap(metadata, clock=clock)
    run = metadata.get(Run, run.id) or run
    if run.state == "waiting":
        give_up(metadata, run, reason, clock=clock)
        return
    if run.state in DONE:
        why = f": {run.error}" if run.error else ""
        raise ConflictError(f"run {run.id} has ended already: it is {run.state}{why}")
    metadata.write(Cancellation(run=run.id, reason=reason, created=clock()))
