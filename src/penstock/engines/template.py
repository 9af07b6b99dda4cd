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
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import BinaryIO

from penstock.engines.calling import failed
from penstock.engines.families import children, descendants, memory_used
from penstock.engines.machine import Capacity, Share, oom_kills
from penstock.engines.messages import Cancel, Cause, Ended, Inbox, Message, Ready, Start, Started, packed
from penstock.engines.pulse import Pulse
from penstock.engines.recruits import Recruits
from penstock.engines.worker import adopt_orphans, forget_exit_functions, read_outcome
from penstock.secrets import is_pump

LIBRARIES = ("cloudpickle", "msgspec", "numpy", "numpy.random", "pyarrow", "pyarrow.compute", "duckdb")
"""Loaded before the first fork, where installed."""

_RECEIVE_BYTES = 1 << 20
_LOOK_SECONDS = 0.1
"""How often the workers are looked at that have a limit of memory or must show signs of life."""


@dataclass(slots=True, kw_only=True)
class _Worker:
    """A worker under way; times are of the monotonic clock."""

    task: str
    pid: int
    outcome: BinaryIO
    started: float  # seconds since 1970
    deadline: float  # when its time is up
    share: Share
    pulse: Pulse | None
    kill_at: float = math.inf  # when it has had its grace
    cause: Cause = ""
    most_memory_bytes: int = 0  # of all its processes together, as far as it was looked at

    @property
    def is_watched(self) -> bool:
        """Whether somebody must look at it now and then."""
        return not self.cause and (self.pulse is not None or self.share.memory_bytes > 0)


class Template:
    """The loop of the template process, and what it knows."""

    def __init__(self, control: socket.socket, *, engine_pid: int, capacity: Capacity, grace_seconds: float) -> None:
        self._control, self._capacity, self._grace = control, capacity, grace_seconds
        self._workers: dict[int, _Worker] = {}
        self._recruits = Recruits()
        self._queue: deque[Start] = deque()
        self._inbox, self._outbox = Inbox(), bytearray()
        self._closing = False
        self._oom_kills = oom_kills()
        self._to_load: dict[str, None] = {}
        self._look_at = math.inf
        self._selector = selectors.DefaultSelector()
        self._descriptors = [control.fileno()]
        control.setblocking(False)
        self._selector.register(control, selectors.EVENT_READ, self._receive)
        self._watch_children()
        self._watch_engine(engine_pid)

    def serve(self) -> None:
        """Run until the engine is gone and no worker is left."""
        self._say(Ready())
        self._send()
        while not self._closing or self._workers or children(os.getpid()):
            for key, _ in self._selector.select(self._seconds_to_next_deadline()):
                key.data()
            self._look()
            self._enforce_deadlines()
            self._fill_slots()
            self._send()
            self._get_ready()

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
        """Start what there is room for, strictly in order: a large task is not overtaken by small ones for ever."""
        while self._queue and not self._closing:
            if not self._capacity.room_for(self._queue[0].share, [each.share for each in self._workers.values()]):
                break
            self._fork(self._queue.popleft())

    def _get_ready(self) -> None:
        """Between two messages, when nobody waits: load one of the modules that workers had to load by themselves, and
        once all are loaded have the next worker wait for its task."""
        if self._to_load:
            module = next(iter(self._to_load))
            del self._to_load[module]
            with suppress(Exception):  # the worker could; if we cannot, the next worker does it again
                import_module(module)
            self._recruits.dismiss()  # it does not have the module
        elif not self._closing and self._workers:
            self._recruits.prepare(ours=self._ours())

    def _ours(self) -> list[int]:
        return [*self._descriptors, *(worker.outcome.fileno() for worker in self._workers.values())]

    def _fork(self, start: Start) -> None:
        if _load(start.entry):
            self._recruits.dismiss()
        now = time.time()
        try:
            recruit = self._recruits.enlist(start, ours=self._ours())
        except OSError as error:
            reason = f"no worker process could be started: {error}; run fewer steps at once, or free some memory"
            return self._say(_unborn(start.task, pickle.dumps(failed(start.task, reason, started=now))))
        if start.heartbeat_seconds is not None:
            recruit.pulse.expect(start.heartbeat_seconds)
        self._workers[recruit.pid] = _Worker(
            task=start.task,
            pid=recruit.pid,
            outcome=recruit.outcome,
            started=now,
            deadline=math.inf if start.timeout_seconds is None else time.monotonic() + start.timeout_seconds,
            share=start.share,
            pulse=recruit.pulse if start.heartbeat_seconds is not None else None,
        )
        self._look_at = min(self._look_at, time.monotonic() + _LOOK_SECONDS)
        self._say(Started(task=start.task, pid=recruit.pid))

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
            exit_code, (outcome, found) = os.waitstatus_to_exitcode(status), read_outcome(worker.outcome)
            own_peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            self._say(
                Ended(
                    task=worker.task,
                    outcome=outcome,
                    exit_code=exit_code,
                    cause="out of memory" if self._was_memory_short(worker, exit_code) else worker.cause,
                    started=worker.started,
                    peak_memory_bytes=max(own_peak, worker.most_memory_bytes),
                )
            )
            self._to_load |= dict.fromkeys(name for name in found if name not in sys.modules)
        self._bury_orphans()

    def _bury_orphans(self) -> None:
        """End what workers that are gone had started: also what has left their group or session is ours to bury now."""
        for pid in children(os.getpid()):
            if pid not in self._workers and pid != self._recruits.pid:
                if not is_pump(pid):  # that writes the last words of its step, and ends
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)  # its own children come to us then, and SIGCHLD with them

    def _was_memory_short(self, worker: _Worker, exit_code: int) -> bool:
        """Tell whether the kernel killed a worker because memory ran out: it counts when it does."""
        if exit_code != -signal.SIGKILL or worker.cause:
            return False
        before, self._oom_kills = self._oom_kills, oom_kills()
        return self._oom_kills > before

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
            worker.kill_at = time.monotonic() + (0.0 if cause == "memory" else self._grace)
            if cause in ("timeout", "hung"):
                os.kill(worker.pid, signal.SIGQUIT)  # its Python stack goes to the log: where it hangs
            _signal_family(worker.pid, signal.SIGTERM)
            if cause == "hung":
                _signal_family(worker.pid, signal.SIGCONT)  # one that was only halted can tidy up

    def _look(self) -> None:
        """Stop the workers that use more memory than they asked for, or show no life."""
        now = time.monotonic()
        if now < self._look_at:
            return
        for worker in self._workers.values():
            if worker.is_watched and worker.pulse is not None and worker.pulse.is_gone(now):
                self._stop(worker, "hung")
            if worker.is_watched and (limit := worker.share.memory_bytes):
                used = memory_used((worker.pid, *descendants(worker.pid)), limit_bytes=limit)
                worker.most_memory_bytes = max(worker.most_memory_bytes, used)
                if used > limit:
                    self._stop(worker, "memory")
        self._look_at = now + _LOOK_SECONDS if any(each.is_watched for each in self._workers.values()) else math.inf

    def _enforce_deadlines(self) -> None:
        now = time.monotonic()
        for worker in self._workers.values():
            if worker.deadline <= now:
                self._stop(worker, "timeout")
            if worker.kill_at <= now:
                worker.kill_at = math.inf
                _signal_family(worker.pid, signal.SIGKILL)

    def _seconds_to_next_deadline(self) -> float | None:
        times = [self._look_at, *(min(worker.deadline, worker.kill_at) for worker in self._workers.values())]
        next_one = 0.0 if self._to_load else min(times)
        return None if next_one == math.inf else max(0.0, next_one - time.monotonic())

    def _close(self) -> None:
        """The engine is gone: stop everything."""
        if not self._closing:
            self._closing = True
            self._selector.unregister(self._control)
            self._queue.clear()
            self._recruits.dismiss()
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


def main(control: int, engine_pid: int, capacity: Capacity, grace_seconds: float, entry: str) -> None:
    """Load the libraries and what tasks of that entry need, and serve the engine at the other end of `control`."""
    adopt_orphans()
    for library in LIBRARIES:
        with suppress(ImportError):
            import_module(library)
    _load(entry)
    forget_exit_functions()
    gc.collect()
    gc.freeze()  # workers share these objects' pages as long as nobody touches them
    served = socket.socket(fileno=control)
    Template(served, engine_pid=engine_pid, capacity=capacity, grace_seconds=grace_seconds).serve()


def _load(entry: str) -> bool:
    """Load the entry's module where it is our own, once for all workers; a user's is loaded by each worker anew. Tell
    whether that was news."""
    module = entry.partition(":")[0]
    if not module.startswith("penstock.") or module in sys.modules:
        return False
    with suppress(Exception):  # the worker meets the same error, and reports it
        import_module(module)
    return True


def _unborn(task: str, outcome: bytes, *, cause: Cause = "") -> Ended:
    """Return the end of a task that never had a worker."""
    return Ended(task=task, outcome=outcome, exit_code=0, cause=cause, started=time.time(), peak_memory_bytes=0)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _signal_family(pid: int, number: signal.Signals) -> None:
    """Signal a worker's group, and what it started that has left the group."""
    left = [each for each in descendants(pid) if _group(each) != pid]
    _signal_group(pid, number)
    for each in left:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each, number)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
