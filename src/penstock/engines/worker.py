"""A worker: a fork of the template that runs one task and ends."""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import itertools
import logging
import os
import pickle
import random
import signal
import socket
import sys
import tempfile
import time
import weakref
from collections.abc import Set
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NoReturn

from penstock.core.failure import names_of
from penstock.core.ports import Task
from penstock.engines.calling import call, failed, told
from penstock.engines.logs import flush, redirect, renew_streams
from penstock.engines.messages import Start
from penstock.engines.pulse import Pulse
from penstock.engines.threads import use_processors
from penstock.secrets import guard_output, settle_output

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_C = ctypes.CDLL(None)

LIBRARIES_LATER = frozenset({"pandas", "scipy", "sklearn", "lightgbm", "sqlalchemy", "sqlglot", "penstock"})
"""Loaded by the template once a worker has loaded them (pyarrow does so with pandas), so that the next one finds them.
Of our own code this is what most steps do not need (models, records): each page that the template has costs every fork.
Only what starts no thread when it is imported may stand here: threads do not survive a fork."""


class Stopped(BaseException):
    """Raised in a step when it is cancelled or out of time, so that its `finally` blocks run."""


def await_order(orders: socket.socket, outcome: BinaryIO, pulse: Pulse, *, template: int, wanted: Set[str]) -> NoReturn:
    """In a fresh fork: wait for a task, run it, write its outcome, end the process. Never returns into the template's
    code.

    With the outcome go the names of the modules of the packages `wanted` that the task loaded.
    """
    code, before = 1, len(sys.modules)
    try:
        _become_a_worker(template)
        start = _order(orders)
        if start.heartbeat_seconds is not None:
            pulse.start(start.heartbeat_seconds)
        content = _run(start)
        outcome.write(f"{' '.join(_loaded_since(before, wanted))}\n".encode() + content)
        outcome.flush()
        atexit._run_exitfuncs()  # temporary folders and pools of user code go as they would at a normal exit
        flush()
        settle_output()
        code = 0
    finally:
        os._exit(code)


def _order(orders: socket.socket) -> Start:
    with orders, orders.makefile("rb") as file:
        order = file.read()
    if not order:
        os._exit(0)  # the template has no task, or is gone
    start: Start = pickle.loads(order)  # noqa: S301  # the template wrote it
    return start


def read_outcome(file: BinaryIO) -> tuple[bytes, list[str]]:
    """Return the pickled outcome that a worker wrote, b"" where it did not come so far, and the modules it loaded."""
    with file:
        file.seek(0)
        names, _, outcome = file.read().partition(b"\n")
    return outcome, names.decode().split() if outcome else []


def _loaded_since(before: int, packages: Set[str]) -> list[str]:
    """Return the modules of these packages that are installed or ours (not the user's own) and were loaded since there
    were `before` modules, in order. The others are not even looked at: each page touched would be copied."""
    found = []
    for name in reversed(list(itertools.islice(reversed(sys.modules), max(0, len(sys.modules) - before)))):
        if name.partition(".")[0] in packages and "._" not in name:
            parts = Path(getattr(sys.modules.get(name), "__file__", None) or "").parts
            if name.startswith("penstock.") or "site-packages" in parts or "dist-packages" in parts:
                found.append(name)
    return found


def forget_exit_functions() -> None:
    """In the template: what its libraries want to tidy at its end is no worker's business, and costs each of them a
    copy of the memory that it touches."""
    atexit._clear()
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]  # the next one registers anew
    atexit.register(logging.shutdown)


def adopt_orphans() -> None:
    """Become the parent of every process below this one whose own parent ends, so that none is lost (Linux)."""
    if sys.platform == "linux":
        _C.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _become_a_worker(template: int) -> None:
    os.setpgid(0, 0)  # a group of its own: what the task starts can be stopped with it
    adopt_orphans()
    if sys.platform == "linux":
        _C.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):  # when memory runs out, the kernel takes the worker, not the driver of the run
            Path("/proc/self/oom_score_adj").write_text("500")
    if os.getppid() != template:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _stop)
    random.seed()
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()  # or every worker would draw the numbers that the template would have drawn


def _run(start: Start) -> bytes:
    """Run the task and return its outcome, pickled."""
    started = time.time()
    try:
        if start.log:
            redirect(Path(start.log))
        else:
            renew_streams()
        guard_output()
        faulthandler.enable()
        faulthandler.register(signal.SIGQUIT)  # the template's question where a task hangs
        os.chdir(start.directory)
        os.environ.clear()
        os.environ.update(start.environment)
        time.tzset()
        if start.cpus is not None:
            use_processors(start.cpus)
        tempfile.tempdir = None  # where that is, the environment says
        sys.path[:] = start.import_path
        task: Task = pickle.loads(start.payload)  # noqa: S301  # the engine's own process wrote it
        return pickle.dumps(call(task))
    except BaseException as error:  # whatever importing user code raises, and a full disk under the log
        return pickle.dumps(failed(start.task, told(error), started=started, of=names_of(type(error))))
    finally:
        flush()


def _stop(signal_number: int, frame: object) -> NoReturn:
    raise Stopped("the step was stopped")
