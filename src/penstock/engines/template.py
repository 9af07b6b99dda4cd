"""The template process: it has third-party libraries loaded, forks a worker for each task, and buries the dead.

It runs no user code, holds no connection and starts no thread, so what a fork inherits is clean, and an edited step is
seen by the next worker. It ends, with all its workers, when the engine's process ends in whatever way.
"""

from __future__ import annotations

import gc
import math
import os
import pickle
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import BinaryIO

from penstock.engines.calling import failed
from penstock.engines.messages import Cancel, Cause, Ended, Inbox, Message, Start, Started, packed
from penstock.engines.worker import run_and_exit

LIBRARIES = ("cloudpickle", "msgspec", "numpy", "numpy.random", "pyarrow", "pyarrow.compute", "duckdb")
"""Loaded before the first fork, where installed."""

_RECEIVE_BYTES = 1 << 20


@dataclass(slots=True, kw_only=True)
class _Worker:
    """A worker under way; times are of the monotonic clock."""

    task: str
    pid: int
    outcome: BinaryIO
    started: float  # seconds since 1970
    deadline: float  # when its time is up
    kill_at: float = math.inf  # when it has had its grace
    cause: Cause = ""


class Template:
    """The loop of the template process, and what it knows."""

    def __init__(self, control: socket.socket, *, engine_pid: int, slots: int, grace_seconds: float) -> None:
        self._control, self._slots, self._grace = control, slots, grace_seconds
        self._workers: dict[int, _Worker] = {}
        self._queue: deque[Start] = deque()
        self._inbox, self._outbox = Inbox(), bytearray()
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._descriptors = [control.fileno()]
        control.setblocking(False)
        self._selector.register(control, selectors.EVENT_READ, self._receive)
        self._watch_children()
        self._watch_engine(engine_pid)

    def serve(self) -> None:
        """Run until the engine is gone and no worker is left."""
        while not self._closing or self._workers:
            for key, _ in self._selector.select(self._seconds_to_next_deadline()):
                key.data()
            self._enforce_deadlines()
            self._fill_slots()
            self._send()

    def _receive(self) -> None:
        try:
            received = self._control.recv(_RECEIVE_BYTES)
        except ConnectionResetError:
            received = b""
        except BlockingIOError:
            return
        if not received:
            return self._close()
        for message in self._inbox.add(received):
            match message:
                case Start():
                    self._queue.append(message)
                case Cancel(task=task):
                    self._cancel(task)

    def _send(self) -> None:
        """Send what fits; the rest goes when the engine reads, so that the template never waits for it."""
        with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self._outbox and not self._closing:
                del self._outbox[: self._control.send(self._outbox)]
        if not self._closing:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outbox else 0)
            self._selector.modify(self._control, events, self._receive)

    def _say(self, message: Message) -> None:
        self._outbox += packed(message)

    def _fill_slots(self) -> None:
        while self._queue and len(self._workers) < self._slots and not self._closing:
            self._fork(self._queue.popleft())

    def _fork(self, start: Start) -> None:
        _load(start.entry)
        template, now = os.getpid(), time.time()
        try:
            outcome = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the worker has been buried
            pid = os.fork()
        except OSError as error:
            reason = f"no worker process could be started: {error}; run fewer steps at once, or free some memory"
            return self._say(_unborn(start.task, pickle.dumps(failed(start.task, reason, started=now))))
        if pid == 0:
            for descriptor in (*self._descriptors, *(worker.outcome.fileno() for worker in self._workers.values())):
                os.close(descriptor)
            run_and_exit(start, outcome, template=template)
        with suppress(PermissionError, ProcessLookupError):  # the worker does the same: whoever comes first
            os.setpgid(pid, pid)
        deadline = math.inf if start.timeout_seconds is None else time.monotonic() + start.timeout_seconds
        self._workers[pid] = _Worker(task=start.task, pid=pid, outcome=outcome, started=now, deadline=deadline)
        self._say(Started(task=start.task, pid=pid))

    def _bury(self) -> None:
        """Take leave of every worker that has ended, and of what it left running."""
        with suppress(BlockingIOError):
            self._children.recv(_RECEIVE_BYTES)
        for worker in list(self._workers.values()):
            pid, status, usage = os.wait4(worker.pid, os.WNOHANG)
            if pid == 0:
                continue
            _signal_group(pid, signal.SIGKILL)
            del self._workers[pid]
            self._say(
                Ended(
                    task=worker.task,
                    outcome=_content(worker.outcome),
                    exit_code=os.waitstatus_to_exitcode(status),
                    cause=worker.cause,
                    started=worker.started,
                    peak_memory_bytes=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
                )
            )

    def _cancel(self, task: str) -> None:
        for start in [start for start in self._queue if start.task == task]:
            self._queue.remove(start)
            self._say(_unborn(task, b"", cause="cancelled"))
        for worker in self._workers.values():
            if worker.task == task:
                self._stop(worker, "cancelled")

    def _stop(self, worker: _Worker, cause: Cause) -> None:
        if not worker.cause:
            worker.cause, worker.deadline = cause, math.inf
            worker.kill_at = time.monotonic() + self._grace
            _signal_group(worker.pid, signal.SIGTERM)

    def _enforce_deadlines(self) -> None:
        now = time.monotonic()
        for worker in self._workers.values():
            if worker.deadline <= now:
                self._stop(worker, "timeout")
            if worker.kill_at <= now:
                worker.kill_at = math.inf
                _signal_group(worker.pid, signal.SIGKILL)

    def _seconds_to_next_deadline(self) -> float | None:
        next_one = min((min(worker.deadline, worker.kill_at) for worker in self._workers.values()), default=math.inf)
        return None if next_one == math.inf else max(0.0, next_one - time.monotonic())

    def _close(self) -> None:
        """The engine is gone: stop everything."""
        if not self._closing:
            self._closing = True
            self._selector.unregister(self._control)
            self._queue.clear()
            for worker in self._workers.values():
                self._stop(worker, "cancelled")

    def _watch_children(self) -> None:
        self._children, wakeup = socket.socketpair()
        for end in (self._children, wakeup):
            end.setblocking(False)
            self._descriptors.append(end.fileno())
        self._wakeup = wakeup
        signal.signal(signal.SIGCHLD, lambda *_: None)  # Python writes to the wake-up socket only where a handler is
        signal.set_wakeup_fd(wakeup.fileno())
        self._selector.register(self._children, selectors.EVENT_READ, self._bury)

    def _watch_engine(self, pid: int) -> None:
        """Notice the engine's end even where a process that it forked holds its end of the socket open."""
        if hasattr(os, "pidfd_open"):
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                return self._close()
            self._descriptors.append(descriptor)
            self._selector.register(descriptor, selectors.EVENT_READ, self._engine_ended)
        self._descriptors.append(self._selector.fileno())

    def _engine_ended(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data == self._engine_ended:
                self._selector.unregister(key.fileobj)
        self._close()


def main(control: int, engine_pid: int, slots: int, grace_seconds: float) -> None:
    """Load the libraries and serve the engine at the other end of the socket `control`."""
    for library in LIBRARIES:
        with suppress(ImportError):
            import_module(library)
    gc.collect()
    gc.freeze()  # workers share these objects' pages as long as nobody touches them
    Template(socket.socket(fileno=control), engine_pid=engine_pid, slots=slots, grace_seconds=grace_seconds).serve()


def _load(entry: str) -> None:
    """Load the entry's module where it is our own, once for all workers; a user's is loaded by each worker anew."""
    module = entry.partition(":")[0]
    if module.startswith("penstock.") and module not in sys.modules:
        with suppress(Exception):  # the worker meets the same error, and reports it
            import_module(module)


def _unborn(task: str, outcome: bytes, *, cause: Cause = "") -> Ended:
    """Return the end of a task that never had a worker."""
    return Ended(task=task, outcome=outcome, exit_code=0, cause=cause, started=time.time(), peak_memory_bytes=0)


def _content(file: BinaryIO) -> bytes:
    with file:
        file.seek(0)
        return file.read()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
