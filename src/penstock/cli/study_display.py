"""A search as it goes: on a terminal how far it is and what runs, live; else a line for each trial that has ended."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from penstock.cli.output import STATE_STYLES, duration, shown

if TYPE_CHECKING:  # it loads what --help does not need
    from penstock.studies import StudyEvent, Trial

_FRAMES_PER_SECOND = 4
_BAR_WIDTH = 30


class StudyDisplay:
    """Shows the events of a search; give it as `on_event`. It writes to a duplicate of standard error, because what
    steps print is captured; it is a context manager, so that an interrupted search leaves the terminal as it was."""

    def __init__(self) -> None:
        self._console = Console(quiet=True)
        self._live: Live | None = None
        self._title, self._began = "", time.monotonic()
        self._wanted, self._done = 0, 0
        self._running: dict[int, tuple[Trial, float]] = {}
        self._best: Trial | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if not self._console.quiet:
            self._console.file.close()
            self._console = Console(quiet=True)

    def __call__(self, event: StudyEvent) -> None:
        """Show an event."""
        from penstock.studies import StudyEnded, StudyStarted, TrialEnded, TrialStarted

        match event:
            case StudyStarted():
                self._start(event)
            case TrialStarted(trial=trial):
                self._running[trial.number] = (trial, time.monotonic())
            case TrialEnded(trial=trial, best=best):
                self._running.pop(trial.number, None)
                self._done, self._best = self._done + 1, best
                self._say(self._line(trial))
            case StudyEnded(why=why):
                self._stop()
                if why == "interrupted":  # any other reason is the error that the command ends with
                    left = f"{self._done} of {self._wanted} trials are kept; the same command goes on from there"
                    self._say(Text(f"interrupted: {left}", "yellow"))

    def _start(self, event: object) -> None:
        from penstock.studies import StudyStarted

        assert isinstance(event, StudyStarted)  # noqa: S101  # it is the event that begins
        study = event.study
        self._console = Console(file=os.fdopen(os.dup(2), "w"), highlight=False)
        self._wanted, self._best = event.wanted, study.best
        counts = {state: count for state, count in study.counts.items() if state != "interrupted"}
        self._done = sum(counts.values())
        self._title = f"{study.pipeline}  study {study.name}, experiment {study.experiment}"
        self._say(Text(self._title, "bold"))
        if counts or event.again:
            found = ", ".join(f"{count} {state}" for state, count in counts.items()) or "none with an end"
            again = f"; {event.again} interrupted, tried again" if event.again else ""
            self._say(f"goes on: {found} of {event.wanted} are there{again}")
        if event.others and not counts:
            self._say(
                f"another search than {event.others[0]} of this experiment: code, rows, parameters, metric or search "
                "spaces are others"
            )
        if self._console.is_terminal and self._done < self._wanted:
            self._live = Live(
                get_renderable=self._picture,
                console=self._console,
                refresh_per_second=_FRAMES_PER_SECOND,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def _say(self, text: Text | str) -> None:
        self._console.print(text, soft_wrap=True)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _line(self, trial: Trial) -> Text:
        best = "  best" if self._best is not None and self._best.number == trial.number else ""
        said = shown(trial.value) if trial.value is not None else trial.error
        return Text.assemble(
            f"{time.strftime('%H:%M:%S')} trial {trial.number:>3}  ",
            (f"{trial.state:<9}", STATE_STYLES.get(trial.state, "yellow")),
            f" {duration(trial.seconds):>8}  {_params(trial)}  ",
            said,
            (best, "bold green"),
        )

    def _picture(self) -> Group:
        table = Table.grid(padding=(0, 2, 0, 0))
        for trial, began in list(self._running.values()):
            table.add_row(f"  trial {trial.number}", _params(trial), duration(time.monotonic() - began))
        best = "" if self._best is None else f"best {shown(self._best.value)} with {_params(self._best)}"
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_row(
            ProgressBar(total=self._wanted, completed=self._done, width=_BAR_WIDTH),
            f"{self._done} of {self._wanted} in {duration(time.monotonic() - self._began)}",
            best,
        )
        return Group(table, line)


def _params(trial: Trial) -> str:
    return " ".join(f"{name}={shown(value)}" for name, value in trial.params.items())
