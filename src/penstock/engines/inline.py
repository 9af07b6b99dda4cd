"""The engine without processes: a task runs where it is submitted."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from penstock.core.failure import names_of
from penstock.core.ports import Outcome, Task
from penstock.engines.calling import call, failed, told
from penstock.engines.logs import captured


class InlineEngine:
    """Runs each task inside `submit`, in this process and thread.

    For tests, notebooks and many tiny steps: no isolation, so a crash ends the whole process, `timeout_seconds` is not
    enforced, and there is nothing left to cancel once `submit` has returned. Ctrl-C goes through to the caller.
    """

    def __init__(self, *, slots: int | None = None) -> None:
        self._outcomes: list[Outcome] = []

    @property
    def slots(self) -> int:
        """One: tasks run one after the other."""
        return 1

    def submit(self, task: Task) -> None:
        """Run a task, with its output captured in its log."""
        started = time.time()
        try:
            with _import_path(task.paths), captured(task.log):
                outcome = call(task)
        except OSError as error:  # of the log: what the task raises does not come out of `call`
            outcome = failed(task.id, told(error), started=started, of=names_of(type(error)))
        self._outcomes.append(outcome)

    def wait(self, timeout_seconds: float | None = None) -> Sequence[Outcome]:
        """Return the outcomes not yet returned."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def cancel(self, task_id: str) -> None:
        """Do nothing: a task has ended before anybody could cancel it."""

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _import_path(paths: Sequence[str]) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = [path for path in paths if path not in before]
    try:
        yield
    finally:
        sys.path[:] = before
