"""The processes that drive runs: started apart from the server, so that they outlive it and always see the user's code
as it is now; cancelled by the signal that Ctrl-C sends."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Run
from penstock.errors import ConflictError, RunError
from penstock.pipelines import drives, reap
from penstock.serving.forms import RunForm

START_SECONDS = 60.0
"""How long a driver may take to import the user's code, plan, and record its run."""
_POLL_SECONDS = 0.01


def start_run(root: Path, pipeline: str, form: RunForm) -> dict[str, Any]:
    """Start `penstock run` and return the first line that it prints: `{"id": ...}`, or `{"error": {...}}`.

    What it prints goes to files in the project's state, not to a pipe: the server may end before the run does.
    """
    folder = root / ".penstock" / "drivers"
    folder.mkdir(parents=True, exist_ok=True)
    began = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    said = folder / f"{began}.jsonl"
    command = [
        sys.executable, "-m", "penstock", "--project", str(root), "run", "--json", "--cause", '{"kind":"rest"}',
        "--params", "-", "--experiment", form.experiment, "--mode", form.mode, "--", pipeline,
    ]  # fmt: skip
    with said.open("wb") as out, said.with_suffix(".log").open("wb") as log, tempfile.TemporaryFile() as params:
        params.write(msgspec.json.encode(form.params))
        params.seek(0)
        driver = subprocess.Popen(command, cwd=root, stdin=params, stdout=out, stderr=log, start_new_session=True)
    # Somebody must take the exit status when the run ends, or its process stays as a zombie.
    threading.Thread(target=driver.wait, name=f"penstock-driver-{driver.pid}", daemon=True).start()
    return _first_line(driver, said)


def _first_line(driver: subprocess.Popen[bytes], said: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = driver.poll() is not None  # asked before the file is read, so that no last words are missed
        line, newline, _ = said.read_bytes().partition(b"\n")
        if newline:
            first: dict[str, Any] = msgspec.json.decode(line)
            return first
        if ended:
            raise RunError(
                f"the run's process ended with code {driver.returncode} before it began; see {said.with_suffix('.log')}"
            )
        time.sleep(_POLL_SECONDS)
    driver.terminate()
    raise RunError(f"the run did not begin within {START_SECONDS:.0f} s; see {said.with_suffix('.log')}")


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
