"""The processes that drive runs: started apart from the server, so that they outlive it and always see the user's code
as it is now; cancelled by the signal that Ctrl-C sends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from penstock.core.run import DONE, Run
from penstock.errors import ConflictError, RunError
from penstock.serving.forms import RunForm

START_SECONDS = 60.0
"""How long a driver may take to import the user's code, plan, and record its run."""
_POLL_SECONDS = 0.01


def start_run(root: Path, folder: Path, pipeline: str, run_id: str, form: RunForm) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start `penstock run` and return it with the first line it printed: `{"id": ...}`, or `{"error": {...}}`.

    What it prints goes to files in the run's folder, not to a pipe: the server may end before the run does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    said = folder / "driver.jsonl"
    cause = msgspec.json.encode({"kind": "rest"}).decode()
    command = [
        sys.executable, "-m", "penstock", "--project", str(root), "run", "--json", "--run-id", run_id, "--cause", cause,
        "--params", "-", "--experiment", form.experiment, "--mode", form.mode, "--", pipeline,
    ]  # fmt: skip
    with said.open("wb") as out, (folder / "driver.log").open("wb") as log:
        driver = subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=out, stderr=log, start_new_session=True
        )
    assert driver.stdin is not None  # noqa: S101  # because stdin=PIPE
    with driver.stdin as stdin:
        stdin.write(msgspec.json.encode(form.params))
    return driver, _first_line(driver, said)


def _first_line(driver: subprocess.Popen[bytes], said: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = driver.poll() is not None  # asked before the file is read, so that no last words are missed
        line, newline, _ = said.read_bytes().partition(b"\n")
        if newline:
            return msgspec.json.decode(line, type=dict[str, Any])
        if ended:
            raise RunError(f"the run's process ended with code {driver.returncode} before it began; see {said.parent}")
        time.sleep(_POLL_SECONDS)
    driver.terminate()
    raise RunError(f"the run did not begin within {START_SECONDS:.0f} s; see {said.parent}")


def cancel_run(run: Run) -> None:
    """Ask the process that drives a run to cancel it, as Ctrl-C does; the run records how it ended.

    Raises `ConflictError` when the run has ended, or its process is gone.
    """
    if run.state in DONE:
        raise ConflictError(f"run {run.id} has ended already: it is {run.state}")
    if run.pid is None or not _is_driver(run.pid, run.created):
        raise ConflictError(f"run {run.id} is {run.state}, but the process that drove it is gone; run the pipeline again")
    os.kill(run.pid, signal.SIGINT)


def _is_driver(pid: int, created: float) -> bool:
    """Tell whether a process is the one that recorded a run: it began before the run did. A process that got the same
    number later began after."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        up_seconds = float(Path("/proc/uptime").read_text().split()[0])
    except FileNotFoundError:
        return not Path("/proc").exists() and _is_alive(pid)
    began = time.time() - up_seconds + ticks / os.sysconf("SC_CLK_TCK")
    return began <= created + 1.0


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
