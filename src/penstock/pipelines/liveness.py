"""Which recorded runs are really under way: where the process was killed, nobody else says that its run has ended."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Heartbeat, Run, StepRun
from penstock.pipelines.deciding import expire
from penstock.pipelines.resuming import WENT_ON

GONE = "the process that drove this run is gone"
HOST = socket.gethostname()
SILENT_SECONDS = 60.0
"""How long the driver on another machine may be silent before its run counts as dead."""
_STATE, _START_TICKS = 0, 19  # places in /proc/<pid>/stat after the process's name

_driven: set[str] = set()


@contextmanager
def driving(run_id: str) -> Iterator[None]:
    """Say that this process drives a run while the block lasts: a notebook or a server outlives its runs."""
    _driven.add(run_id)
    try:
        yield
    finally:
        _driven.discard(run_id)


def reap(metadata: MetadataStore, *, clock: Callable[[], float] = time.time) -> list[Run]:
    """Mark runs that are recorded as under way, but whose process is gone, as failed; return them. Those for which a
    person has not decided in time have failed too."""
    expire(metadata, clock=clock)
    gone = [run for run in metadata.find(Run, state="running") if not alive(run, metadata, clock=clock)]
    # Read again, now that nobody writes to them any more: a run may have ended well just before its process did.
    dead = [run for run in gone if (now := metadata.get(Run, run.id)) is not None and now.state not in DONE]
    if not dead:
        return []
    ended = clock()
    reaped = [replace(run, state="failed", error=GONE, ended=ended) for run in dead]
    stopped = [
        replace(step, state="failed" if step.state == "running" else "cancelled", error=GONE, ended=ended)
        for step in metadata.find(StepRun, run=[run.id for run in dead])
        if step.state not in DONE
    ]
    metadata.write(*reaped, *stopped)
    return reaped


def alive(run: Run, metadata: MetadataStore, *, clock: Callable[[], float] = time.time) -> bool:
    """Tell whether the driver of a run lives: here by its process, on another machine by its heartbeat."""
    if run.host in ("", HOST):
        return drives(run)
    heard = metadata.get(Heartbeat, run.id)
    return clock() - max(_driven_since(run), heard.beat if heard is not None else 0.0) < SILENT_SECONDS


def drives(run: Run) -> bool:
    """Tell whether the process of this machine that recorded a run still drives it (another process may have got its
    number since)."""
    if run.pid == os.getpid():
        return run.id in _driven
    if run.pid is None:
        return False
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _lives_since(run.pid, _driven_since(run))


def _driven_since(run: Run) -> float:
    """Return when its driver recorded a run, or that it goes on: the driver is older than that, whoever has its number
    later is not."""
    went_on: float = run.options.get(WENT_ON, 0.0)
    return max(run.created, went_on)


def _lives_since(pid: int, moment: float) -> bool:
    """Tell whether a process began before a moment, in seconds since 1970, and is no zombie; True where the system does
    not tell."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        up_seconds = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return True
    began = time.time() - up_seconds + int(status[_START_TICKS]) / os.sysconf("SC_CLK_TCK")
    return status[_STATE] not in "ZX" and began <= moment + 1.0
