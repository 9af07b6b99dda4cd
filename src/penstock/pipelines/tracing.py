"""The trace under way: the steps recorded so far while a pipeline function is called to see what it declares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from penstock.core.pipeline import Condition, Maybe, Ref, Step

_CURRENT: ContextVar[Trace | None] = ContextVar("penstock_trace", default=None)


class Trace:
    """Steps in the order in which they were called."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self._calls: dict[str, int] = {}  # how often a name was asked for
        self._within = ""  # "prepare." while the steps of a nested pipeline are recorded
        self._pipelines: set[str] = set()
        self._condition: Condition | Ref | None = None

    def free_name(self, name: str) -> str:
        """Return `name`, or for the second call of that name `name_2`; in a nested pipeline after that one's name."""
        wanted = free = self._within + name
        while free in self.steps:
            self._calls[wanted] = self._calls.get(wanted, 1) + 1
            free = f"{wanted}_{self._calls[wanted]}"
        return free

    def add(self, step: Step) -> None:
        """Record a step."""
        self.steps[step.name] = step

    def condition(self, own: Condition | Ref | None) -> Condition | Ref | None:
        """Return what must hold for a step that has a condition of its own: that, and those of the branches around."""
        return conjunction(self._condition, own)

    @contextmanager
    def branch(self, condition: Condition | Ref) -> Iterator[None]:
        """Let the steps called inside run only where a condition holds."""
        around, self._condition = self._condition, self.condition(condition)
        try:
            yield
        finally:
            self._condition = around

    @contextmanager
    def nested(self, pipeline: str) -> Iterator[None]:
        """Name the steps called inside after a pipeline: `prepare.clean`."""
        around, name, number = self._within, self._within + pipeline, 2
        while name in self._pipelines:
            name, number = f"{self._within}{pipeline}_{number}", number + 1
        self._pipelines.add(name)
        self._within = f"{name}."
        try:
            yield
        finally:
            self._within = around


def conjunction(one: Condition | Ref | None, other: Condition | Ref | None) -> Condition | Ref | None:
    """Return the condition that both hold; None is no condition."""
    if one is None or other is None:
        return one if other is None else other
    return Condition("and", one, other)


def current_trace() -> Trace | None:
    """Return the trace under way in this context, or None."""
    return _CURRENT.get()


def given_before(call: object) -> list[Maybe]:
    """Return what the steps so far give that call this step function, None for one that will be skipped."""
    trace = current_trace()
    steps = () if trace is None else trace.steps.values()
    return [Maybe(Ref(step.name, output)) for step in steps if step.call is call for output in step.outputs]


@contextmanager
def tracing() -> Iterator[Trace]:
    """Record the steps called inside."""
    trace = Trace()
    token = _CURRENT.set(trace)
    try:
        yield trace
    finally:
        _CURRENT.reset(token)
