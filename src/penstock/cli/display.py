"""A run as it goes: one row a step, live on a terminal, a line for each step that ended anywhere else."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from penstock.cli.output import STATE_STYLES, duration, print_table, size, took
from penstock.cli.summaries import summary
from penstock.core.artifact import Artifact
from penstock.core.run import Run, State, StepRun
from penstock.pipelines import Event, RunEnded, RunStarted, StepEnded, StepStarted

__all__ = ["RunDisplay", "print_table", "size", "summary"]

_MARKS = {
    "succeeded": "✓",
    "up_to_date": "=",
    "failed": "✗",
    "cancelled": "✗",
    "skipped": "-",
    "running": "▸",
    "waiting": "·",
}


@dataclass(slots=True)
class _Row:
    state: State = "waiting"
    started: float | None = None
    took: str = ""
    note: str = ""


class RunDisplay:
    """Shows the events of a run; give it as `on_event`. It is a context manager, so that an interrupted run leaves the
    terminal as it was.

    It writes to a duplicate of standard error: what steps print to standard output and error is captured.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._given = file
        self._console = Console(quiet=True)
        self._rows: dict[str, _Row] = {}
        self._title = Text()
        self._live: Live | None = None

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case RunStarted(run=run, steps=steps):
                self._start(run, [step.step for step in steps])
            case StepStarted(step=record):
                self._rows[record.step] = _Row("running", time.monotonic())
            case StepEnded(step=record, artifacts=artifacts):
                self._rows[record.step] = _Row(record.state, took=took(record), note=_note(record, artifacts))
                if self._live is None:
                    self._console.print(_line(record.step, self._rows[record.step], self._width), soft_wrap=True)
            case RunEnded(run=run):
                self._stop_drawing()
                whole = duration(run.ended - run.created) if run.ended is not None else ""
                state = Text(run.state, STATE_STYLES.get(run.state, ""))
                self._console.print(Text.assemble(f"run {run.id} ", state, f" in {whole}"))
                self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave what is drawn as it is, and end."""
        self._stop_drawing()
        if self._given is None and not self._console.quiet:
            self._console.file.close()
        self._console = Console(quiet=True)

    def _stop_drawing(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def _width(self) -> int:
        """The width of the names; on a terminal at most a third of it, so that there is room for what is said."""
        longest = max((len(name) for name in self._rows), default=0)
        return min(longest, self._console.width // 3) if self._console.is_terminal else longest

    def _start(self, run: Run, steps: Sequence[str]) -> None:
        file = self._given if self._given is not None else os.fdopen(os.dup(2), "w")
        self._console = Console(file=file, highlight=False)
        self._rows = {name: _Row() for name in steps}
        experiment = f", experiment {run.experiment}" if run.experiment else ""
        self._title = Text.assemble((run.pipeline, "bold"), f"  run {run.id}{experiment}")
        if self._console.is_terminal:
            self._console.width -= len("^C")  # which a terminal shows at the end of the last line: it must not wrap
            self._live = Live(
                get_renderable=self._table,
                console=self._console,
                refresh_per_second=8,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        else:
            self._console.print(self._title)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_row(self._title)
        for name, row in self._rows.items():
            table.add_row(_line(name, row, self._width))
        return table


def _line(name: str, row: _Row, width: int) -> Text:
    so_far = duration(time.monotonic() - row.started) if row.started is not None else row.took
    style, name = STATE_STYLES.get(row.state, ""), name if len(name) <= width else f"{name[: width - 1]}…"
    return Text.assemble((f"{_MARKS[row.state]} {name:<{width}}  {row.state:<10}", style), f"  {so_far:>8}  ", row.note)


def _note(step: StepRun, artifacts: Mapping[str, Artifact]) -> str:
    if step.state in ("failed", "cancelled"):
        return step.error.strip().partition("\n")[0]
    if step.state == "succeeded" and artifacts:
        return ", ".join(filter(None, map(summary, artifacts.values())))
    return step.reason
