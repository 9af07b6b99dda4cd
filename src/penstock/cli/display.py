"""A run as it goes: on a terminal the tree of its steps, live; anywhere else a line for each step that has ended."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from penstock.cli.output import STATE_STYLES, duration, print_table, size
from penstock.cli.progress import Progress, Row
from penstock.cli.summaries import summary
from penstock.core.artifact import Artifact
from penstock.core.run import Run, StepRun
from penstock.pipelines import Event, RunEnded, RunStarted, StepEnded, StepMapped, StepStarted, plain

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
_FRAMES_PER_SECOND = 5
_OTHER_LINES = 4  # of a screen: the title, the counts, the last line, the prompt
_TAIL_BYTES = 4096


class RunDisplay:
    """Shows the events of a run; give it as `on_event`. It is a context manager, so that an interrupted run leaves the
    terminal as it was.

    It writes to a duplicate of standard error: what steps print to standard output and error is captured. `root` is the
    folder that the logs of its steps are below, None where they are out of reach.
    """

    def __init__(self, file: IO[str] | None = None, *, root: Path | None = None) -> None:
        self._given, self._root = file, root
        self._console = Console(quiet=True)
        self._progress = Progress()
        self._title = Text()
        self._began = time.monotonic()
        self._live: Live | None = None
        self._left_out = 0  # steps that are not for the mode of the run: said together, at the end

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case RunStarted(run=run, steps=steps):
                self._start(run, {step.step: step.needs for step in steps})
            case StepMapped(step=record, items=items):
                self._progress.mapped(record, items)
            case StepStarted(step=record):
                log = self._root / record.log if self._root is not None and record.log else None
                self._progress.started(record, log)
            case StepEnded(step=record, artifacts=artifacts):
                row = self._progress.ended(record, _note(record, artifacts))
                if _of_other_mode(record):
                    self._left_out += 1
                elif self._live is None and row is not None:
                    self._say(row)
            case RunEnded(run=run):
                self._stop_drawing()
                whole = duration(run.ended - run.created) if run.ended is not None else ""
                if self._left_out:
                    which = "one step is" if self._left_out == 1 else f"{self._left_out} steps are"
                    self._console.print(f"{which} not for mode {run.mode}", style="dim")
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

    def _start(self, run: Run, needs: Mapping[str, Sequence[str]]) -> None:
        file = self._given if self._given is not None else os.fdopen(os.dup(2), "w")
        self._console = Console(file=file, highlight=False)
        self._progress, self._began = Progress(needs), time.monotonic()
        experiment = f", experiment {run.experiment}" if run.experiment else ""
        self._title = Text.assemble((run.pipeline, "bold"), f"  run {run.id}{experiment}")
        if self._console.is_terminal:
            self._console.width -= len("^C")  # which a terminal shows at the end of the last line: it must not wrap
            self._live = Live(
                get_renderable=self._table,
                console=self._console,
                refresh_per_second=_FRAMES_PER_SECOND,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        else:
            self._console.print(self._title)

    def _say(self, row: Row) -> None:
        """Write the line of a step that has ended; a run of a thousand steps is not to wait for its display."""
        moment = time.strftime("%H:%M:%S")
        mark = f"{_MARKS[row.state]} {row.label:<{self._progress.longest}}  {row.state:<10}"
        self._console.file.write(f"{moment} {mark}  {row.took:>8}  {_one_line(row.note)}".rstrip() + "\n")
        self._console.file.flush()

    def _table(self) -> Table:
        """Return what is on the screen: the steps that fit there, and where there are more, how far the run is."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_row(self._title)
        progress, lines = self._progress, max(3, self._console.height - _OTHER_LINES)
        width = min(progress.width, max(12, self._console.width // 3))
        rows = progress.visible(lines)
        for row in rows:
            table.add_row(_line(row, width))
        if len(rows) < len(progress.rows):
            table.add_row(self._counts())
        return table

    def _counts(self) -> Text:
        counts, every = self._progress.counts, len(self._progress.rows)
        done = every - counts["waiting"] - counts["running"]
        text = Text(f"  {done:,} of {every:,} steps in {duration(time.monotonic() - self._began)}")
        for state, count in counts.items():
            if count:
                text.append(f"  {count:,} {state}", STATE_STYLES.get(state, ""))
        return text


def _line(row: Row, width: int) -> Text:
    so_far = duration(time.monotonic() - row.started) if row.started is not None else row.took
    indent, style = "  " * row.depth, STATE_STYLES.get(row.state, "")
    label = indent + row.label
    label = label if len(label) <= width else f"{label[: width - 1]}…"
    state = f"{row.done}/{row.total}" if row.total and row.state == "running" else row.state
    note = row.note or (_last_words(row.log) if row.log is not None else "")
    words = (_one_line(note), "dim" if row.state == "running" else "")
    return Text.assemble((f"{_MARKS[row.state]} {label:<{width}}  {state:<10}", style), f"  {so_far:>8}  ", words)


def _of_other_mode(step: StepRun) -> bool:
    """Tell whether a step is not for the run's mode, and nothing of it is used."""
    return step.state == "skipped" and step.reason.startswith("runs only in mode") and not step.artifacts


def _last_words(log: Path) -> str:
    """Return the last line that a step has printed so far."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:  # it has printed nothing yet
        return ""
    return next((line for line in reversed(re.split(r"[\r\n]+", text)) if line.strip()), "")


def _one_line(text: str) -> str:
    """Return a text without what moves the cursor or changes colours."""
    return "".join(each for each in plain(text) if each.isprintable()).strip()


def _note(step: StepRun, artifacts: Mapping[str, Artifact]) -> str:
    if step.state in ("failed", "cancelled"):
        return step.error.strip().partition("\n")[0]
    if step.state == "succeeded" and artifacts:
        said = {name: text for name, each in artifacts.items() if (text := summary(each))}
        if len(artifacts) == 1:
            return "".join(said.values())
        return ", ".join(f"{name} ({text})" if ", " in text else f"{name} {text}" for name, text in said.items())
    return step.reason
