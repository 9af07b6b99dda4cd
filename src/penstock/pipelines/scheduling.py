"""Which steps of a run may begin: those for which all that they wait for has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from penstock.core.pipeline import Pipeline, Step


class Schedule:
    """The steps of a run by name, those that are ready, and the items of mapped steps, which join while it goes on."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.steps = {step.name: step for step in pipeline.steps}
        self._waits = {step.name: set(step.upstream()) for step in pipeline.steps}
        self._users: dict[str, list[str]] = {name: [] for name in self.steps}
        for name, waits in self._waits.items():
            for needed in waits:
                self._users[needed].append(name)
        self.ready = deque(name for name, waits in self._waits.items() if not waits)
        self._mapped: dict[str, str] = {}  # item -> the mapped step it is of
        self._items: dict[str, list[str]] = {}
        self._open: dict[str, int] = {}  # mapped step -> how many of its items have not ended

    def map(self, name: str, items: Iterable[Step]) -> None:
        """Let the items of a mapped step join: they are ready."""
        joined = {item.name: item for item in items}
        self.steps |= joined
        self._mapped |= dict.fromkeys(joined, name)
        self._items[name], self._open[name] = list(joined), len(joined)
        self.ready.extend(joined)

    def end(self, name: str) -> str | None:
        """Note that a step has ended; return the mapped step whose last item it was."""
        mapped = self._mapped.get(name)
        if mapped is not None:
            self._open[mapped] -= 1
            return None if self._open[mapped] else mapped
        for user in self._users[name]:
            self._waits[user].discard(name)
            if not self._waits[user]:
                self.ready.append(user)
        return None

    def items(self, name: str) -> list[str]:
        """Return the names of a mapped step's items, in order."""
        return self._items[name]
