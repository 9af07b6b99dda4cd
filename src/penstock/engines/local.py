"""The engine of one machine: each task in a process of its own, forked from a template that is warm."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Self

import cloudpickle  # type: ignore[import-untyped]  # it says nothing about its types

from penstock.core.failure import ENDINGS, Ending
from penstock.core.ports import Outcome, Task
from penstock.engines.calling import failed, told
from penstock.engines.deaths import explanation
from penstock.engines.machine import Capacity, Share, capacity
from penstock.engines.messages import Cancel, Cause, Ended, Inbox, Message, Start, Started, packed

GRACE_SECONDS = 3.0
"""How long a task that is stopped may tidy up (`finally` blocks, its own processes) before it is killed."""

_RECEIVE_BYTES = 1 << 20
_ENDINGS: dict[Cause, Ending] = {
    "": "killed", "cancelled": "killed", "timeout": "timeout", "hung": "hung",
    "memory": "memory", "out of memory": "memory",
}  # fmt: skip


@dataclass(slots=True)
class _Template:
    """The template process and our end of the socket to it."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    errors: BinaryIO
    inbox: Inbox
    has_spoken: bool = False


@dataclass(slots=True)
class _UnderWay:
    """A task that has no outcome yet."""

    start: Start
    submitted: float
    pid: int | None = None  # None: no worker has been forked for it yet


class LocalEngine:
    """Runs tasks in worker processes, `slots` at once; the rest waits in line.

    A worker is forked from a template process that has numpy, pyarrow and duckdb loaded and never user code, so it
    starts in milliseconds and sees every edit. Functions of a script or notebook travel by value. Whatever a worker
    dies of, its task gets an outcome that says so. Nothing outlives the engine, and nothing outlives a task, but a
    process that has left the task's process group (a daemon).
    """

    def __init__(self, *, slots: int | None = None, grace_seconds: float = GRACE_SECONDS) -> None:
        self._capacity = capacity(slots)
        self._grace_seconds = grace_seconds
        self._template: _Template | None = None
        self._under_way: dict[str, _UnderWay] = {}
        self._outcomes: list[Outcome] = []

    @property
    def slots(self) -> int:
        """How many tasks run at once."""
        return self._capacity.tasks

    def warm_up(self, entry: str) -> None:
        """Start the template, if it does not run, and wait until it has loaded what tasks of that entry need."""
        template = self._template = self._template or _start_template(self._capacity, self._grace_seconds, entry)
        while self._template is template and not template.has_spoken:
            self._receive(template, None)

    def submit(self, task: Task) -> None:
        """Start a task, or queue it until there is room for what it asks for."""
        needs = task.step.needs
        if message := too_much(task, self._capacity, engine="local"):
            self._outcomes.append(failed(task.id, message, started=time.time(), final=True))
            return
        try:
            payload = cloudpickle.dumps(task)
        except Exception as error:  # pickling runs the reducers of user values, which may raise anything
            message = f"step '{task.step.name}' cannot travel to a worker process: {told(error)}"
            self._outcomes.append(failed(task.id, message, started=time.time(), final=True))
            return
        start = Start(
            task=task.id,
            payload=payload,
            entry=task.entry,
            log=str(task.log.absolute()),
            import_path=(*task.paths, *sys.path),
            directory=os.getcwd(),
            environment=dict(os.environ),
            share=Share(cpus=needs.cpus or 1.0, memory_bytes=needs.memory_bytes or 0),
            cpus=needs.cpus,
            timeout_seconds=needs.timeout_seconds,
            heartbeat_seconds=needs.heartbeat_seconds,
        )
        self._under_way[task.id] = _UnderWay(start=start, submitted=time.time())
        self._say(start)

    def wait(self, timeout_seconds: float | None = None) -> Sequence[Outcome]:
        """Return outcomes not yet returned, at least one unless the timeout passes or nothing is under way."""
        limit = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while not self._outcomes and self._under_way and self._template is not None:
            remaining = None if limit is None else max(0.0, limit - time.monotonic())
            if not self._receive(self._template, remaining):
                break
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def cancel(self, task_id: str) -> None:
        """Stop a task and every process it started."""
        if task_id in self._under_way:
            self._say(Cancel(task=task_id))

    def close(self) -> None:
        """Cancel what is under way and end the template."""
        if self._template is not None:
            self._end(self._template)
        for task_id, under_way in self._under_way.items():
            self._outcomes.append(cancelled(task_id, under_way.submitted))
        self._under_way.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, message: Message) -> None:
        if self._template is None:
            entry = next((each.start.entry for each in self._under_way.values()), "")
            self._template = _start_template(self._capacity, self._grace_seconds, entry)
        self._template.control.settimeout(None)
        try:
            self._template.control.sendall(packed(message))
        except (BrokenPipeError, ConnectionResetError):
            self._template_died(self._template)

    def _receive(self, template: _Template, timeout_seconds: float | None) -> bool:
        """Take in what the template says; tell whether it said anything in time."""
        template.control.settimeout(timeout_seconds)
        try:
            received = template.control.recv(_RECEIVE_BYTES)
        except (TimeoutError, BlockingIOError):
            return False
        except ConnectionResetError:
            received = b""
        if not received:
            self._template_died(template)
            return True
        template.has_spoken = True
        for message in template.inbox.add(received):
            match message:
                case Started(task=task, pid=pid):
                    self._under_way[task].pid = pid
                case Ended(task=task):
                    own = pickle.loads(message.outcome) if message.outcome else None  # noqa: S301  # our worker wrote it
                    self._outcomes.append(outcome_of(message, own, self._under_way.pop(task).start))
        return True

    def _template_died(self, template: _Template) -> None:
        """Somebody killed the template, or it could not start. What ran has failed; what had not begun goes to a new
        template, if this one ever worked."""
        said = self._end(template)
        reason = f"the process that starts the workers ended (exit code {template.process.returncode}). {said}".strip()
        lost = [id for id, under_way in self._under_way.items() if under_way.pid or not template.has_spoken]
        for task_id in lost:
            under_way = self._under_way.pop(task_id)
            if under_way.pid is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(under_way.pid, signal.SIGKILL)
            self._outcomes.append(failed(task_id, reason, started=under_way.submitted))
        for under_way in list(self._under_way.values()):
            self._say(under_way.start)

    def _end(self, template: _Template) -> str:
        """End the template and its workers; return what it wrote to standard error."""
        self._template = None
        with suppress(OSError):  # it is gone already
            template.control.shutdown(socket.SHUT_RDWR)  # to the template this is the order to stop everything
        template.control.close()
        try:
            template.process.wait(self._grace_seconds + 2)
        except subprocess.TimeoutExpired:
            template.process.kill()  # the kernel kills its workers with it
            template.process.wait()
        with template.errors:
            template.errors.seek(0)
            return template.errors.read().decode(errors="replace").strip()


def too_much(task: Task, there: Capacity, *, engine: str) -> str:
    """Say what a task asks for that this machine does not have; "" where it has."""
    needs, name = task.step.needs, task.step.name
    if (needs.cpus or 0) > there.cpus:
        return (
            f"step '{name}' asks for cpus={needs.cpus:g}, but engine '{engine}' has {there.cpus:g} here; ask for less, "
            "or say that there are more ([engine] slots in penstock.toml)"
        )
    if (needs.memory_bytes or 0) > there.memory_bytes:
        return (
            f"step '{name}' asks for {(needs.memory_bytes or 0) / 1e6:,.0f} MB of memory, but engine '{engine}' has "
            f"{there.memory_bytes / 1e6:,.0f} MB here (the machine, or its control group); ask for less, or run it on "
            "a larger machine"
        )
    return ""


def _start_template(there: Capacity, grace_seconds: float, entry: str) -> _Template:
    ours, theirs = socket.socketpair()
    errors = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the template
    room = f"Capacity(tasks={there.tasks}, cpus={there.cpus!r}, memory_bytes=float({str(there.memory_bytes)!r}))"
    call = f"template.main({theirs.fileno()}, {os.getpid()}, {room}, {grace_seconds!r}, {entry!r})"
    code = f"from penstock.engines import template; from penstock.engines.machine import Capacity; {call}"
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C goes to the driver of the run, which decides
        )
    return _Template(process=process, control=ours, errors=errors, inbox=Inbox())


def outcome_of(ended: Ended, own: Outcome | None, start: Start) -> Outcome:
    """Return the outcome of a task whose worker has ended: its `own`, where it had one and was not stopped before."""
    if own is not None and (own.state == "succeeded" or not ended.cause):
        return own  # it may have ended before it could be stopped
    if ended.cause == "cancelled":
        return cancelled(ended.task, ended.started)
    error = explanation(ended, start)
    where = f"\n{own.error}" if own is not None else ""
    return failed(ended.task, error + where, started=ended.started, of=ENDINGS[_ENDINGS[ended.cause]])


def cancelled(task_id: str, started: float) -> Outcome:
    """Return the outcome of a task that was cancelled."""
    return Outcome(task=task_id, state="cancelled", error="cancelled", started=started, ended=time.time())
