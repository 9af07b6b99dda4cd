"""The processes that drive runs: started apart from the server, cancelled by the signal that Ctrl-C sends."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from penstock import pipelines
from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Run
from penstock.errors import ConflictError
from penstock.pipelines import drives, reap
from penstock.serving.forms import RunForm


def start_run(root: Path, pipeline: str, form: RunForm) -> dict[str, Any]:
    """Start a run as a process of its own and return what it says first: `{"id": ...}`, or `{"error": {...}}`."""
    options = ["--experiment", form.experiment, "--mode", form.mode]
    return pipelines.start_run(root, pipeline, cause={"kind": "rest"}, params=form.params, options=options)


def cancel_run(metadata: MetadataStore, run: Run) -> None:
    """Ask the process that drives a run to cancel it, as Ctrl-C does; the run records how it ended.

    Raises `ConflictError` when the run has ended, its process is gone, or it is a statement that this server runs.
    """
    if run.state in DONE:
        raise ConflictError(f"run {run.id} has ended already: it is {run.state}")
    if run.pid is None or not drives(run):
        reap(metadata)
        raise ConflictError(f"the process that drove run {run.id} is gone, so it failed; run the pipeline again")
    if run.pid == os.getpid():
        raise ConflictError(f"run {run.id} is part of a SQL statement that the server itself runs; it ends by itself")
    os.kill(run.pid, signal.SIGINT)
