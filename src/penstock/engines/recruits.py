"""Workers forked before there is a task for them: what a fork costs is paid while nobody waits for it."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from penstock.engines.messages import Start
from penstock.engines.pulse import Pulse
from penstock.engines.worker import LIBRARIES_LATER, await_order


@dataclass(slots=True, kw_only=True)
class Recruit:
    """A process that waits for its task, and runs it when it comes; it ends where our end of `orders` is closed."""

    pid: int
    orders: socket.socket
    outcome: BinaryIO
    pulse: Pulse

    def give(self, start: Start) -> bool:
        """Give it its task; tell whether it was still there."""
        with self.orders:
            try:
                self.orders.sendall(start.packed())
            except (BrokenPipeError, ConnectionResetError):
                return False
        return True

    def dismiss(self) -> None:
        """Let it go without a task."""
        self.orders.close()
        self.outcome.close()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class Recruits:
    """At most one recruit that waits; another one is forked when it has got its task."""

    def __init__(self) -> None:
        self._waiting: Recruit | None = None

    @property
    def pid(self) -> int | None:
        """The process that waits, if there is one."""
        return None if self._waiting is None else self._waiting.pid

    def prepare(self, *, ours: Iterable[int]) -> None:
        """Have one wait; `ours` are the descriptors that a worker must not hold. Without memory for it, none waits."""
        if self._waiting is None:
            with suppress(OSError):
                self._waiting = _fork(ours)

    def enlist(self, start: Start, *, ours: Iterable[int]) -> Recruit:
        """Give a task to the one that waits, or to a new one; raises `OSError` where there can be none."""
        recruit, self._waiting = self._waiting or _fork(ours), None
        if not recruit.give(start):
            recruit.dismiss()
            recruit = _fork(ours)
            recruit.give(start)
        return recruit

    def dismiss(self) -> None:
        """Let the one go that waits: it is not wanted, it was forked from what the template was before, or it died."""
        if self._waiting is not None:
            self._waiting.dismiss()
            self._waiting = None


def _memory_file() -> BinaryIO:
    """Return a file without a name; in memory where that can be, for a disk makes few hundred in a second."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("penstock-outcome"), "w+b")
    return tempfile.TemporaryFile()


def _fork(ours: Iterable[int]) -> Recruit:
    template, pulse = os.getpid(), Pulse()
    outcome = _memory_file()  # closed when the worker has been buried
    orders, theirs = socket.socketpair()
    try:
        pid = os.fork()
    except OSError:
        for each in (orders, theirs, outcome):
            each.close()
        raise
    if pid == 0:
        for descriptor in (*ours, orders.fileno()):
            os.close(descriptor)
        await_order(theirs, outcome, pulse, template=template, wanted=LIBRARIES_LATER)
    theirs.close()
    with suppress(PermissionError, ProcessLookupError):  # the worker does the same: whoever comes first
        os.setpgid(pid, pid)
    return Recruit(pid=pid, orders=orders, outcome=outcome, pulse=pulse)
