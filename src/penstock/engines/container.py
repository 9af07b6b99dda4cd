"""The engine whose tasks run in containers, by podman or docker: the same worker, and little else of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self

import cloudpickle  # type: ignore[import-untyped]  # it says nothing about its types
import msgspec

from penstock.core.ports import ArtifactStore, Outcome, Task
from penstock.engines import exchange as exchanges, launching
from penstock.engines.calling import failed, told
from penstock.engines.exchange import Exchange, Result
from penstock.engines.launching import Mount
from penstock.engines.local import GRACE_SECONDS, cancelled, outcome_of, too_much
from penstock.engines.machine import Share, capacity
from penstock.engines.messages import Start
from penstock.engines.removing import remove_container
from penstock.errors import ContainerError, CorruptArtifactError, PenstockError
from penstock.images import Runtime, complaint, find_runtime, remedied

_LATE_SECONDS = 5.0  # after its grace, when a container that does not end is killed from outside
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """How a project's steps run in containers. `image` is for tasks that name none; `state` is a folder for what is
    under way; what steps make goes to `store`; `mounts` are paths that every step sees; `runtime` is "podman" or
    "docker", "" for what is there; `environment` has variables for every step."""

    image: str
    state: Path
    store: ArtifactStore | None = None
    mounts: tuple[str, ...] = ()
    runtime: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _UnderWay:
    """A task that has no outcome yet."""

    task: Task
    start: Start
    exchange: Exchange
    submitted: float
    process: subprocess.Popen[bytes] | None = None
    runtime: Runtime | None = None  # by which it was started; None: in a process of this machine
    mounts: Sequence[Mount] = ()
    kill_at: float | None = None  # monotonic; it was told to stop, and is killed then


class ContainerEngine:
    """Runs each task in a container of its own, `slots` at once; the rest waits in line.

    A step sees its project, the artifacts and the files of its sources, all read-only; what it makes is looked at and
    taken into the store when it has ended, so that no step can damage that. It has no network unless it asks, is not
    root, and ends with its container. A step that works on the project's records (its parameter is a `Context`) runs
    in a process of this machine instead. Containers end when their engine's process does, in whatever way; what a
    machine that lost power left is cleared away by the next engine.
    """

    def __init__(
        self, *, slots: int | None = None, containers: Containers, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self._capacity, self._grace_seconds = capacity(slots), grace_seconds
        self._given = containers
        self._mounts = launching.parse_mounts(containers.mounts)
        self._runtime = find_runtime(containers.runtime, state=containers.state)
        self._queue: deque[_UnderWay] = deque()
        self._running: dict[str, _UnderWay] = {}
        self._ended: SimpleQueue[_UnderWay] = SimpleQueue()
        self._outcomes: list[Outcome] = []

    @property
    def slots(self) -> int:
        """How many tasks run at once."""
        return self._capacity.tasks

    def submit(self, task: Task) -> None:
        """Start a task, or queue it until there is room for what it asks for."""
        exchange = exchanges.new_exchange(self._given.state)
        try:
            self._queue.append(_UnderWay(task, self._start_of(task, exchange), exchange, time.time()))
        except _Refused as refused:
            self._outcomes.append(failed(task.id, str(refused), started=time.time(), final=True))
        self._fill_slots()

    def wait(self, timeout_seconds: float | None = None) -> Sequence[Outcome]:
        """Return outcomes not yet returned, at least one unless the timeout passes or nothing is under way."""
        limit = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while not self._outcomes and self._running:
            if not self._receive(limit):
                break
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def cancel(self, task_id: str) -> None:
        """Stop a task and every process it started."""
        for waiting in [each for each in self._queue if each.task.id == task_id]:
            self._queue.remove(waiting)
            self._outcomes.append(cancelled(task_id, waiting.submitted))
        if (running := self._running.get(task_id)) is not None:
            self._stop(running)

    def close(self) -> None:
        """Cancel what is under way and wait for its end."""
        for id in [each.task.id for each in (*self._queue, *self._running.values())]:
            self.cancel(id)
        while self._running:
            self._receive(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_of(self, task: Task, exchange: Exchange) -> Start:
        """Return what is said to the worker of a task; raises `_Refused` where it cannot run."""
        needs, inside = task.step.needs, not _works_on_records(task)
        if message := too_much(task, self._capacity, engine="container"):
            raise _Refused(message)
        # What it puts beside its log is fetched from the exchange; no process in there is the one that drives the run.
        # The records are none of its business, and their address may have a password in it.
        context = replace(task.context, metadata="")
        there = replace(task, pid=None, log=exchange.beside / task.log.name, context=context) if inside else task
        try:
            payload = cloudpickle.dumps(there)
        except Exception as error:  # pickling runs the reducers of user values, which may raise anything
            raise _Refused(f"step '{task.step.name}' cannot travel to a container: {told(error)}") from error
        return Start(
            task=task.id,
            payload=payload,
            entry=task.entry,
            log="",
            import_path=tuple(task.paths) if inside else (*task.paths, *sys.path),
            directory=task.context.root,
            environment=self._given.environment | launching.secrets_of(task) if inside else {},
            share=Share(cpus=needs.cpus or 1.0, memory_bytes=needs.memory_bytes or 0),
            cpus=needs.cpus,
            timeout_seconds=needs.timeout_seconds,
            heartbeat_seconds=needs.heartbeat_seconds,
        )

    def _fill_slots(self) -> None:
        """Start what there is room for, strictly in order: a large task is not overtaken by small ones for ever."""
        while self._queue:
            taken = [each.start.share for each in self._running.values()]
            if not self._capacity.room_for(self._queue[0].start.share, taken):
                break
            self._launch(self._queue.popleft())

    def _launch(self, item: _UnderWay) -> None:
        self._cleared  # noqa: B018  # once, before the first container
        task, exchange = item.task, item.exchange
        item.runtime = None if _works_on_records(task) else self._runtime
        try:
            exchange.make(launching.user() if item.runtime is not None and os.getuid() == 0 else None)
            exchange.write_start(item.start)
            task.log.parent.mkdir(parents=True, exist_ok=True)
            with task.log.open("ab") as log, exchange.errors.open("wb") as errors:
                item.process = subprocess.Popen(
                    self._command(item),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=errors,
                    cwd=exchange.folder if item.runtime is not None else None,  # podman's conmon may leave a file here
                    start_new_session=True,  # Ctrl-C goes to the driver of the run, which decides
                )
        except (OSError, PenstockError) as error:
            exchange.remove()
            text = str(error) if isinstance(error, PenstockError) else told(error)
            self._outcomes.append(failed(task.id, text, started=time.time()))
            return
        self._running[task.id] = item
        threading.Thread(target=self._await, args=(item, item.process), daemon=True).start()

    def _command(self, item: _UnderWay) -> list[str]:
        task, exchange = item.task, item.exchange
        if item.runtime is None:
            return [sys.executable, *launching.command_inside(exchange, self._grace_seconds)]
        item.mounts = launching.seen(task, exchange, self._mounts)
        if (path := launching.unreadable(item.mounts)) is not None:
            name, uid = task.step.name, launching.user()[0]
            raise ContainerError(
                f"step '{name}' runs as user {uid} in its container, and that user may not read {path}; "
                f"let everybody read it: chmod -R o+rX {path}"
            )
        image = task.image or self._given.image
        return launching.command(item.runtime, image, task, exchange, item.mounts, grace_seconds=self._grace_seconds)

    def _await(self, item: _UnderWay, process: subprocess.Popen[bytes]) -> None:
        """In a thread of its own: wait until the process has ended, and say so."""
        process.wait()
        self._ended.put(item)

    def _receive(self, limit: float | None) -> bool:
        """Take in an end; tell whether there was any in time. Kills what does not end though it was told to."""
        times = [limit, *(each.kill_at for each in self._running.values())]
        next_one = min((each for each in times if each is not None), default=None)
        try:
            item = self._ended.get(timeout=None if next_one is None else max(0.0, next_one - time.monotonic()))
        except Empty:
            now = time.monotonic()
            for late in [each for each in self._running.values() if each.kill_at is not None and each.kill_at <= now]:
                self._kill(late)
            return limit is None or now < limit
        del self._running[item.task.id]
        self._take(item)
        self._fill_slots()
        return True

    def _take(self, item: _UnderWay) -> None:
        """Make an outcome of what a process that has ended left, or start it anew on a host now known better."""
        process, exchange = item.process, item.exchange
        assert process is not None  # noqa: S101  # it ran
        assert process.stdin is not None  # noqa: S101  # it is a pipe
        with suppress(BrokenPipeError):
            process.stdin.close()
        said = exchange.errors.read_text(errors="replace")
        try:
            result = exchange.read_result()
            if result is None and item.kill_at is None and self._knows_better(item, said):
                self._queue.appendleft(item)
                return
            self._outcomes.append(self._outcome(item, result, process.returncode, said))
        except (msgspec.MsgspecError, CorruptArtifactError) as error:
            text = f"what the container of step '{item.task.step.name}' left cannot be trusted: {error}"
            self._outcomes.append(failed(item.task.id, text, started=item.submitted))
        finally:
            # A container takes itself away, unless what watches it was killed: then it may even go on.
            if item.runtime is None or process.returncode == 0 or remove_container(item.runtime, exchange.name):
                exchange.remove()

    def _knows_better(self, item: _UnderWay, said: str) -> bool:
        """Tell whether the container could not start for something that its runtime can be told to do otherwise."""
        if item.runtime is None:
            return False
        if item.runtime is not self._runtime:
            return True  # another task has found out meanwhile
        better = remedied(self._runtime, said)
        self._runtime = better or self._runtime
        return better is not None

    def _outcome(self, item: _UnderWay, result: Result | None, exit_code: int, said: str) -> Outcome:
        if result is None:
            return cancelled(item.task.id, item.submitted) if item.kill_at is not None else _lost(item, exit_code, said)
        limit = item.start.share.memory_bytes
        if limit and result.oom_kills and result.cause in ("", "out of memory"):
            # The kernel was faster than we; it may have killed a process that the step had started.
            result = replace(result, cause="memory", peak_memory_bytes=max(result.peak_memory_bytes, limit))
        outcome = outcome_of(result.ended(item.task.id), result.outcome, item.start)
        exchanges.collect_beside(item.exchange, item.task.log)
        if item.runtime is None or outcome.state != "succeeded":
            return outcome
        if self._given.store is not None:
            outcome = exchanges.collect(item.exchange, outcome, self._given.store)
        return replace(outcome, observed=launching.of_this_machine(outcome.observed, item.mounts))

    def _stop(self, item: _UnderWay) -> None:
        if item.kill_at is None and item.process is not None and item.process.stdin is not None:
            item.kill_at = time.monotonic() + self._grace_seconds + _LATE_SECONDS
            with suppress(BrokenPipeError):  # it has ended
                item.process.stdin.write(b"cancel\n")
                item.process.stdin.flush()

    def _kill(self, item: _UnderWay) -> None:
        assert item.process is not None  # noqa: S101  # it runs
        if item.runtime is not None:
            remove_container(item.runtime, item.exchange.name)
        item.process.kill()
        item.kill_at = time.monotonic() + _LATE_SECONDS

    @cached_property
    def _cleared(self) -> None:
        """Remove what engines left whose process is gone, though their containers should have ended by themselves."""
        for orphan in exchanges.orphans(self._given.state):
            if remove_container(self._runtime, orphan.name):
                orphan.remove()


class _Refused(Exception):
    """A task that cannot run, and why."""


def _works_on_records(task: Task) -> bool:
    return "context" in task.step.kinds.values()


def _lost(item: _UnderWay, exit_code: int, said: str) -> Outcome:
    """Return the outcome of a task whose container ended without saying how."""
    name, what = item.task.step.name, complaint(said)
    final = False
    if "No module named 'penstock'" in said:
        text, final = f"the image of step '{name}' has no penstock in it; build one: penstock image build", True
    elif "no such image" in said.lower() or "image not known" in said.lower():
        text, final = f"the image of step '{name}' is not there: {what}; build it: penstock image build", True
    elif exit_code in (125, 126, 127) and item.exchange.has_begun:
        text = f"what watches the container of step '{name}' ended, and the container with it: {what}"
    elif exit_code in (125, 126, 127):
        text = f"the container of step '{name}' could not be started: {what}"
    elif exit_code in (_KILLED, -signal.SIGKILL):
        text = (
            f"the container of step '{name}' was killed from outside (SIGKILL), by somebody or by the kernel when the "
            "machine's memory ran out; its log says how far it came"
        )
    else:
        text = f"the container of step '{name}' ended with exit code {exit_code} before it said how: {what}"
    return failed(item.task.id, text, started=item.submitted, final=final)
