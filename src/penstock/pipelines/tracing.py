"""The trace under way: the steps recorded so far while a pipeline function is called to see what it declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from penstock.core.pipeline import Condition, Ref, Step

_CURRENT: ContextVar[Trace | None] = ContextVar("penstock_trace", default=None)


class Trace:
    """Steps in the order in which they were called."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self._within = ""  # "prepare." while the steps of a nested pipeline are recorded
        self._pipelines: set[str] = set()
        self._condition: Condition | Ref | None = None

    @property
    def kinds(self) -> Mapping[str, Mapping[str, str]]:
        """Step name -> its outputs and their kinds."""
        return {name: step.outputs for name, step in self.steps.items()}

    def free_name(self, name: str) -> str:
        """Return `name`, or for the second call of that name `name_2`; in a nested pipeline after that one's name."""
        return _free(self._within + name, self.steps)

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
        around, name = self._within, _free(self._within + pipeline, self._pipelines)
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


def _free(name: str, taken: Mapping[str, object] | set[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


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
