"""The trace under way: the steps recorded so far while a pipeline function is called to see what it declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from penstock.core.pipeline import Step

_CURRENT: ContextVar[Trace | None] = ContextVar("penstock_trace", default=None)


class Trace:
    """Steps in the order in which they were called."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}

    @property
    def kinds(self) -> Mapping[str, Mapping[str, str]]:
        """Step name -> its outputs and their kinds."""
        return {name: step.outputs for name, step in self.steps.items()}

    def free_name(self, name: str) -> str:
        """Return `name`, or for the second call of that name `name_2`."""
        candidate, number = name, 2
        while candidate in self.steps:
            candidate, number = f"{name}_{number}", number + 1
        return candidate

    def add(self, step: Step) -> None:
        """Record a step."""
        self.steps[step.name] = step


def current_trace() -> Trace | None:
    """Return the trace under way in this context, or None."""
    return _CURRENT.get()


@contextmanager
def tracing() -> Iterator[Trace]:
    """Record the steps called inside."""
    trace = Trace()
    token = _CURRENT.set(trace)
    try:
        yield trace
    finally:
        _CURRENT.reset(token)
