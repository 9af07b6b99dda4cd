"""The record of a run under way: every change of a step, gathered and written in few transactions, told as events."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.pipeline import Pipeline
from penstock.core.ports import Outcome
from penstock.core.run import DONE, Attempt, CacheEntry, Run, State, StepRun
from penstock.pipelines.events import OnEvent, RunEnded, RunStarted, StepEnded, StepMapped, StepStarted
from penstock.pipelines.logkeeping import LogKeeper
from penstock.pipelines.mapping import MOST_ITEMS
from penstock.pipelines.metrics import metrics_file, read_metrics
from penstock.pipelines.services import Services
from penstock.pipelines.verdicts import Verdict
from penstock.secrets import masked

APART = MOST_ITEMS + 1
"""How far apart the positions of a pipeline's steps are: those of the items of a mapped step stand between."""


class Recorder:
    """Keeps the newest record of the run and each step; `flush` writes those that changed, all or none. `earlier` are
    the steps of a run that goes on as itself: what it made, and what it asks a person still, stays as it was recorded.
    """

    def __init__(
        self,
        run: Run,
        pipeline: Pipeline,
        services: Services,
        on_event: OnEvent,
        earlier: Mapping[str, StepRun] | None = None,
    ) -> None:
        self.run, self._goes_on, self._earlier = run, earlier is not None, earlier or {}
        self._services, self._tell = services, on_event
        self._steps = {
            step.name: StepRun(run=run.id, step=step.name, position=position * APART, needs=step.upstream())
            for position, step in enumerate(pipeline.steps)
        }
        self._changed: dict[Any, Any] = {}
        self._logs = LogKeeper(services.log_bytes)
        # Recorded paths are those from the project's root: in a project that is moved they still lead to the logs.
        root, logs = services.context.root, services.logs
        self._place = (logs.relative_to(root) if logs.is_relative_to(root) else logs).as_posix()

    def begin(self) -> None:
        """Write the run and its steps, and make the folder of its logs."""
        (self._services.logs / self.run.id).mkdir(parents=True, exist_ok=True)
        begun = self._services.metadata.write if self._goes_on else self._services.metadata.insert
        new = [record for name, record in self._steps.items() if name not in self._earlier]
        begun(replace(self.run, params=_plain(self.run.params)), *new)
        self._tell(RunStarted(self.run, tuple(self._steps.values())))

    def log(self, step: str) -> Path:
        """Return the path of a step's log."""
        return self._services.logs / self.run.id / f"{step}.log"

    def step(self, name: str) -> StepRun:
        """Return the newest record of a step."""
        return self._steps[name]

    def start(self, step: str, verdict: Verdict) -> int:
        """Note that a step goes to the engine; return which attempt it is."""
        now, record = self._services.clock(), self._steps[step]
        self._change(
            step,
            state="running",
            **_known(verdict),
            reason=verdict.reason,
            attempts=record.attempts + 1,
            started=record.started or now,
            log=f"{self._place}/{self.run.id}/{step}.log",
        )
        self._logs.begin(step, self.log(step))
        self._tell(StepStarted(self._steps[step]))
        return record.attempts + 1

    def map(self, step: str, verdict: Verdict, items: Sequence[str]) -> None:
        """Note that a step runs as its items."""
        now, first = self._services.clock(), self._steps[step].position + 1
        self._change(step, state="running", reason=verdict.reason, started=now, **_known(verdict))
        for number, name in enumerate(items):
            self._steps[name] = record = StepRun(run=self.run.id, step=name, position=first + number)
            if name not in self._earlier:
                self._changed["step", name] = record
        self._tell(StepMapped(self._steps[step], tuple(self._steps[name] for name in items)))

    def blocked(self, step: str, verdict: Verdict) -> None:
        """Note that a step waits for another run that is making the same."""
        self._change(step, key=verdict.key.digest, reason="another run is making the same just now; waiting for it")

    def failed_attempt(self, step: str, outcome: Outcome, wait_seconds: float) -> None:
        """Note that a step failed and will be tried again: in the record, and in its log, where the next attempt's
        lines follow."""
        number, first = self._steps[step].attempts, outcome.error.partition("\n")[0]
        said = f"attempt {number}: {first}; again in {wait_seconds:g} s"
        self._change(step, state="waiting", error=said)
        failed = Attempt(run=self.run.id, step=step, number=number, error=outcome.error)
        self._changed["attempt", step, number] = replace(failed, started=outcome.started, ended=outcome.ended)
        with suppress(OSError), self.log(step).open("a") as log:  # it may be what failed the step; the record says so
            log.write(f"--- {said} ---\n")

    def finish(
        self,
        step: str,
        state: State,
        *,
        reason: str,
        verdict: Verdict | None,
        outputs: Mapping[str, Artifact],
        error: str,
        origin: str,
    ) -> None:
        """Note how a step ended, or that it waits for a person; `outputs` is then what it asks."""
        now, record = self._services.clock(), self._steps[step]
        self._logs.end(step)
        if verdict is not None and self._kept(step, state, verdict, origin):
            if state in DONE:
                self._tell(StepEnded(self._steps[step], dict(outputs)))
            return
        self._change(
            step,
            state=state,
            reason=reason,
            **(_known(verdict) if verdict else {}),
            artifacts={name: artifact.digest for name, artifact in outputs.items()},
            started=record.started if record.started is not None else now,
            ended=now if state in DONE else None,
            log=f"{self._place}/{origin}.log" if origin else record.log,
            error=error,
            origin=origin,
        )
        if not origin and record.log:
            self._take_metrics(step)
        if state in DONE:
            self._tell(StepEnded(self._steps[step], dict(outputs)))

    def _kept(self, step: str, state: State, verdict: Verdict, origin: str) -> bool:
        """Leave as it is what this very run has recorded of a step: what it made before it waited, what a person has
        approved meanwhile, what it asks a person still."""
        found = self._earlier.get(step)
        if origin == f"{self.run.id}/{step}" and (found is None or found.state not in DONE):
            found = self._services.metadata.get(StepRun, self.run.id, step)
        if found is None or found.key != verdict.key.digest:
            return False
        if state == "waiting" == found.state:
            self._steps[step] = found  # not written again: a person may decide about it just now
            return True
        if state == "up_to_date" and found.state in DONE:
            self._steps[step] = self._changed["step", step] = found
            return True
        return False

    def add(self, record: Artifact | CacheEntry) -> None:
        """Have a record written with the next flush."""
        self._changed[id(record)] = record

    def flush(self) -> None:
        """Write what changed since the last time."""
        if self._changed:
            self._services.metadata.write(*self._changed.values())
            self._changed.clear()

    def end(self) -> Run:
        """Note that every step has ended: the run succeeded if none failed or was cancelled. It waits where one of its
        steps does, for a person, and those behind it."""
        states = {record.state for record in self._steps.values()}
        failed = [record for record in self._steps.values() if record.state == "failed"]
        state: State = "failed" if failed else "cancelled" if "cancelled" in states else "succeeded"
        error = "; ".join(f"{record.step}: {record.error.partition(chr(10))[0]}" for record in failed)
        if "waiting" not in states:
            return self._close(state, error)
        if state != "succeeded":
            return self.abandon(state, error)
        for name, record in self._steps.items():
            if record.state == "running":  # mapped, and some of its items wait
                self._change(name, state="waiting")
        return self._close("waiting", error)

    def abandon(self, state: State, error: str) -> Run:
        """Note that the run stops here; steps that have not ended are cancelled."""
        now = self._services.clock()
        for record in list(self._steps.values()):
            if record.state not in DONE:
                self._change(record.step, state="cancelled", reason=record.reason or "the run was stopped", ended=now)
                self._tell(StepEnded(self._steps[record.step]))
        return self._close(state, error)

    def _close(self, state: State, error: str) -> Run:
        stored = self._services.metadata.get(Run, self.run.id) or self.run  # it may have been tagged meanwhile
        ended = self._services.clock()
        self.run = replace(
            self.run, state=state, error=masked(error), ended=ended, tags=stored.tags, notes=stored.notes
        )
        self._logs.close()
        self._changed["run"] = replace(self.run, params=_plain(self.run.params))
        self.flush()
        self._tell(RunEnded(self.run))
        return self.run

    def _take_metrics(self, step: str) -> None:
        for metric in read_metrics(metrics_file(self.log(step)), self.run.id, step):
            self._changed["metric", step, metric.name, metric.sequence] = metric

    def _change(self, step: str, **changes: Any) -> None:
        self._steps[step] = self._changed["step", step] = replace(self._steps[step], **changes)


def _known(verdict: Verdict) -> dict[str, Any]:
    return {"key": verdict.key.digest, "parts": verdict.key.parts, "inputs": dict(verdict.inputs)}


def unplain(params: Mapping[str, Any]) -> list[str]:
    """Return the names of the parameters that the record holds only as their text."""
    return [name for name, value in params.items() if not _is_plain(value)]


def _is_plain(value: Any) -> bool:
    match value:
        case list():
            return all(map(_is_plain, value))
        case dict():
            return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, float, str)


def _plain(value: Any) -> Any:
    """Parameters as the record can hold them: what JSON does not know is written as its `repr`."""
    match value:
        case str():
            return masked(value)
        case None | bool() | int() | float():
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case os.PathLike():
            return masked(os.fsdecode(value))
    return masked(repr(value))
