"""How far a run is: its steps as a tree, and which of them are worth the lines of a screen."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penstock.cli.output import took
from penstock.core.run import State, StepRun

_DEEPEST = 8  # more levels of a tree are not told apart: names need the room
_RECENT = 200


@dataclass(slots=True)
class Row:
    """A step as it is shown. Of a mapped one, `items` counts its items by state, of which there are `total`."""

    name: str
    depth: int = 0
    state: State = "waiting"
    started: float | None = None
    took: str = ""
    note: str = ""
    log: Path | None = None
    items: Counter[State] = field(default_factory=Counter)
    total: int = 0

    @property
    def label(self) -> str:
        """Return the name, of a mapped step with the items that it has: `clean[0..99]`."""
        return f"{self.name}[0..{self.total - 1}]" if self.total else self.name

    @property
    def done(self) -> int:
        """Return how many items have ended."""
        return self.total - self.items["waiting"] - self.items["running"]


class Progress:
    """What the events of a run have said so far; each costs microseconds, however many steps there are."""

    def __init__(self, needs: Mapping[str, Sequence[str]] | None = None) -> None:
        self.rows = {name: Row(name, depth) for name, depth in laid_out(list(needs or {}), needs or {})}
        self.counts: Counter[State] = Counter({"waiting": len(self.rows)})
        self.width = max((len(row.label) + 2 * row.depth for row in self.rows.values()), default=0)
        self.longest = max(map(len, self.rows), default=0)
        self._items: dict[str, tuple[Row, State]] = {}  # item -> the row of its step, the state that it is counted in
        self._ended: deque[str] = deque(maxlen=_RECENT)

    def mapped(self, step: StepRun, items: Iterable[StepRun]) -> None:
        """Note that a step runs as these items."""
        row = self.rows[step.step]
        for item in items:
            self._items[item.step] = (row, item.state)
            row.items[item.state] += 1
            row.total += 1
        self.width = max(self.width, len(row.label) + 2 * row.depth)
        self.longest = max(self.longest, len(row.label))
        self._turn(row, "running")
        row.started = time.monotonic()

    def started(self, step: StepRun, log: Path | None) -> None:
        """Note that a step, or an item of one, runs."""
        if (row := self._counted(step)) is not None:
            row.log = log
        else:
            row = self.rows[step.step]
            self._turn(row, "running")
            row.started, row.log = time.monotonic(), log

    def ended(self, step: StepRun, note: str) -> Row | None:
        """Note how a step ended and return its row; None for an item that does not need to be spoken of."""
        if (row := self._counted(step)) is not None:
            if step.state in ("failed", "cancelled") and not row.note:
                row.note = f"{step.step}: {note}"
            return Row(step.step, 0, step.state, took=took(step), note=note) if step.state == "failed" else None
        row = self.rows[step.step]
        self._turn(row, step.state)
        row.started, row.took, row.log = None, took(step), None
        row.note = row.note or note
        self._ended.append(step.step)
        return row

    def visible(self, lines: int) -> list[Row]:
        """Return the rows for so many lines, in order: where not all fit, those that failed or run, those that ended
        last, and those that come next."""
        if len(self.rows) <= lines:
            return list(self.rows.values())
        every = self.rows.values()
        failed = [row.name for row in every if row.state == "failed"][: max(1, lines // 3)]
        running = [row.name for row in every if row.state == "running"]
        waiting = [row.name for row in every if row.state == "waiting"]
        recent = list(reversed(self._ended))
        half = max(1, (lines - len(failed) - len(running)) // 2)
        wanted = dict.fromkeys([*failed, *running, *recent[:half], *waiting, *recent])
        chosen = set(list(wanted)[:lines])
        return [row for row in every if row.name in chosen]

    def _counted(self, step: StepRun) -> Row | None:
        if step.step not in self._items:
            return None
        row, before = self._items[step.step]
        row.items[before] -= 1
        row.items[step.state] += 1
        self._items[step.step] = (row, step.state)
        return row

    def _turn(self, row: Row, state: State) -> None:
        self.counts[row.state] -= 1
        self.counts[state] += 1
        row.state = state


def laid_out(names: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[tuple[str, int]]:
    """Return steps as a tree, each with its depth: below the last of those that it needs, and further in only where
    that one has several below it, so that a chain stays in its column."""
    position = {name: at for at, name in enumerate(names)}
    below: dict[str | None, list[str]] = {}
    for name in names:
        needed = [each for each in needs.get(name, ()) if each in position]
        below.setdefault(max(needed, key=position.__getitem__) if needed else None, []).append(name)
    found, left = [], [(name, 0) for name in reversed(below.get(None, ()))]
    while left:
        name, depth = left.pop()
        found.append((name, depth))
        under = below.get(name, ())
        inner = min(depth + (len(under) > 1), _DEEPEST)
        left += [(each, inner) for each in reversed(under)]
    return found
