"""`why`: one line about why a step of a run ran, or did not. `reap`: runs whose process is gone are not running."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Run, StepRun
from penstock.errors import UnknownNameError

GONE = "the process that drove this run is gone"


def why(metadata: MetadataStore, run_id: str, step: str) -> str:
    """Say in one line why a step ran or did not, by what its key was made of then and before."""
    if metadata.get(Run, run_id) is None:
        recent = [run.id for run in metadata.find(Run, newest_first=True, limit=5)]
        raise UnknownNameError("run", run_id, recent)
    found = metadata.get(StepRun, run_id, step)
    if found is None:
        raise UnknownNameError(
            "step", step, [item.step for item in metadata.find(StepRun, run=run_id)], within=f"run {run_id}"
        )
    match found.state:
        case "succeeded":
            return f"{step} ran: {found.reason}"
        case "up_to_date":
            return f"{step} did not run, it is {found.reason}"
        case "failed":
            return f"{step} failed ({found.error.partition(chr(10))[0]}); it was to run: {found.reason}"
        case "skipped":
            return f"{step} was skipped: {found.reason}"
        case "cancelled":
            return f"{step} was cancelled: {found.reason}"
    return f"{step} is {found.state}: {found.reason or 'what it needs has not ended'}"


def reap(metadata: MetadataStore, *, clock: Callable[[], float] = time.time) -> list[Run]:
    """Mark runs that are recorded as under way, but whose process is gone, as failed; return them."""
    dead = [run for run in metadata.find(Run, state=["waiting", "running"]) if not drives(run)]
    now = clock()
    reaped = [replace(run, state="failed", error=GONE, ended=now) for run in dead]
    steps = metadata.find(StepRun, run=[run.id for run in dead]) if dead else []
    stopped = [
        replace(step, state="failed" if step.state == "running" else "cancelled", error=GONE, ended=now)
        for step in steps
        if step.state not in DONE
    ]
    if reaped:
        metadata.write(*reaped, *stopped)
    return reaped


def drives(run: Run) -> bool:
    """Tell whether the process that recorded a run is still there (another process may have got its number since)."""
    if run.pid is None:
        return False
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    began = _began(run.pid)
    return began is None or began <= run.created + 1.0


def _began(pid: int) -> float | None:
    """Return when a process began, in seconds since 1970; None where the system does not tell."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        up_seconds = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return time.time() - up_seconds + ticks / os.sysconf("SC_CLK_TCK")
