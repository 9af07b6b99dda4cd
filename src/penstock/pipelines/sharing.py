"""One engine that several runs of a process use at once: its workers are warm for all of them, its slots count once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Self

from penstock.core.ports import Engine, Outcome, Task
from penstock.errors import RunError

_LOOK_SECONDS = 0.005  # between two looks at what the engine has to say, while something is under way


class SharedEngine:
    """Holds an engine, which one thread may use, in a thread of its own; each run has a `share` of it. Closing it, or
    leaving it as a context manager, closes the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._owners: dict[str, _Share] = {}
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="penstock-shared-engine", daemon=True)
        self._thread.start()

    def share(self) -> Engine:
        """Return an engine for one run: it gives the outcomes of what was submitted to it."""
        return _Share(self)

    def close(self) -> None:
        """Cancel what is under way and free everything."""
        self._orders.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        try:
            while (order := self._next()) is not None:
                order()
                for outcome in self._engine.wait(0.0):
                    self._owners.pop(outcome.task)._give(outcome)
        except BaseException as error:  # told to every run that waits for an outcome, in its own thread
            self._error = error
        finally:
            self._engine.close()
            self._error = self._error or RunError("the engine was closed")
            for owner in set(self._owners.values()):
                owner._wake()

    def _next(self) -> Callable[[], None] | None:
        try:
            return self._orders.get(timeout=_LOOK_SECONDS if self._owners else None)
        except Empty:
            return _nothing

    def _order_submit(self, share: _Share, task: Task) -> None:
        def submit() -> None:
            self._owners[task.id] = share
            self._engine.submit(task)

        self._orders.put(submit)

    def _order_cancel(self, task_id: str) -> None:
        self._orders.put(lambda: self._engine.cancel(task_id))


class _Share:
    """The engine as one run sees it."""

    def __init__(self, shared: SharedEngine) -> None:
        self._shared = shared
        self._changed = threading.Condition()
        self._under_way: set[str] = set()
        self._outcomes: list[Outcome] = []

    @property
    def slots(self) -> int:
        """How many tasks run at once, of all runs together: the engine has those wait that are more."""
        return self._shared._engine.slots

    def submit(self, task: Task) -> None:
        """Hand a task over."""
        with self._changed:
            self._under_way.add(task.id)
        self._shared._order_submit(self, task)

    def wait(self, timeout_seconds: float | None = None) -> Sequence[Outcome]:
        """Return outcomes not yet returned, at least one unless the timeout passes or nothing is under way."""
        limit = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        with self._changed:
            while self._under_way and not self._outcomes:
                if self._shared._error is not None:
                    raise self._shared._error
                left = None if limit is None else limit - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def cancel(self, task_id: str) -> None:
        """Stop a task."""
        if task_id in self._under_way:
            self._shared._order_cancel(task_id)

    def close(self) -> None:
        """Cancel what this run has under way; the engine itself stays."""
        for task_id in list(self._under_way):
            self._shared._order_cancel(task_id)

    def _give(self, outcome: Outcome) -> None:
        with self._changed:
            self._under_way.discard(outcome.task)
            self._outcomes.append(outcome)
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _nothing() -> None:
    """Order nothing."""
