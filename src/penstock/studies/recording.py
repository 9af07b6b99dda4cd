"""A search as a run of one step: listed, cancelled and found dead as any other; the log of its step is what happens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.core.run import Run, State, StepRun
from penstock.errors import PenstockError, RunError, describe
from penstock.pipelines import HOST, Pulse, driving
from penstock.pipelines.tagging import checked_tags
from penstock.studies.asking import Asked
from penstock.studies.events import OnStudyEvent, StudyEvent, event_line, line

SEARCH = "search"
"""The step of the run that a search is."""


class SearchRecord:
    """What a search under way is told, and what it is to heed; `run` is the run that it is."""

    def __init__(self, run: str, log: Path, pulse: Pulse, on_event: OnStudyEvent) -> None:
        self.run = run
        self._log, self._pulse, self._on_event = log, pulse, on_event

    def tell(self, event: StudyEvent) -> None:
        """Write an event into the log, and hand it on."""
        self.write(event_line(event))
        self._on_event(event)

    def write(self, content: bytes) -> None:
        """Write a line into the log."""
        with self._log.open("ab") as file:
            file.write(content)

    def heed(self) -> None:
        """Raise `RunError` where somebody has cancelled the search."""
        if self._pulse.cancelled is not None:
            why = f"the search was cancelled ({self._pulse.cancelled}); asked again, it goes on from here"
            raise RunError(why, run_id=self.run)


@contextmanager
def recorded_search(
    asked: Asked,
    metadata: MetadataStore,
    root: Path,
    logs: Path,
    *,
    run_id: str,
    tags: Mapping[str, Any],
    cause: Mapping[str, Any],
    engine: str,
    on_event: OnStudyEvent,
) -> Iterator[SearchRecord]:
    """Record a search as under way while the block lasts, and how it ended. Raises `ConflictError` where the run's id
    was used before."""
    now, log = time.time(), logs / run_id / f"{SEARCH}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    run = Run(
        id=run_id, pipeline=f"tune {asked.function.name}", state="running", experiment=asked.experiment, engine=engine,
        tags=checked_tags({**tags, "study": asked.name}), cause=dict(cause), created=now, pid=os.getpid(), host=HOST,
    )  # fmt: skip
    path = (log.relative_to(root) if log.is_relative_to(root) else log).as_posix()
    reason = f"searches {', '.join(asked.spaces)} by {asked.metric}"
    step = StepRun(run=run_id, step=SEARCH, state="running", reason=reason, attempts=1, started=now, log=path)
    with driving(run_id):
        metadata.insert(run, step)
        state: State = "failed"
        error = ""
        pulse = Pulse(run_id, metadata, clock=time.time)
        record = SearchRecord(run_id, log, pulse, on_event)
        try:
            with pulse:
                yield record
            state = "succeeded"
        except PenstockError as failed:
            state, error = ("cancelled", pulse.cancelled) if pulse.cancelled is not None else ("failed", str(failed))
            record.write(line({"error": describe(failed)}))
            raise
        except BaseException as failed:
            state = "cancelled" if isinstance(failed, KeyboardInterrupt) else "failed"
            error = "interrupted" if state == "cancelled" else f"{type(failed).__name__}: {failed}"
            raise
        finally:
            ended = time.time()
            stored = metadata.get(Run, run_id) or run  # it may have been tagged meanwhile
            metadata.write(
                replace(stored, state=state, error=error, ended=ended),
                replace(step, state=state, error=error, ended=ended),
            )
