"""What `project.run` gives back: a view of a recorded run that reads the stores when it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.run import DONE, ENDED, Metric, Run as RunRecord, State, StepRun
from penstock.errors import DeclarationError, RunError, UnknownNameError
from penstock.models import person
from penstock.pipelines import (
    REQUEST,
    Curve,
    LogLine,
    LogQuery,
    approve,
    cancel_run,
    curves,
    draw_run,
    is_quiet,
    maker,
    may_go_on,
    metrics_file,
    pieces,
    read_metrics,
    read_piece,
    reap,
    reject,
    run_lines,
    tag_run,
)
from penstock.project.codecs import load_artifact, save_json
from penstock.project.repeating import Repeater, StepVerification

_POLL_SECONDS = 0.05


class Recorded(Protocol):
    """Where what is recorded of runs is read: in this project's stores, or over REST. The views below are the same."""

    @property
    def metadata(self) -> MetadataStore:
        """The records."""
        ...

    @property
    def artifacts(self) -> ArtifactStore:
        """The blobs."""
        ...

    def log(self, step: StepRun) -> str:
        """Return everything that a step printed so far."""
        ...

    def follow(self, step: StepRun) -> Iterator[str]:
        """Yield what a step prints, a line at a time, until it has ended."""
        ...

    def lines(self, run: RunRecord, query: LogQuery) -> Iterator[LogLine]:
        """Return the lines that the steps of a run have printed and a query asks for, by time."""
        ...

    def metrics(self, step: StepRun) -> dict[str, Curve]:
        """Return what a step logged so far, by name."""
        ...

    def reap(self) -> None:
        """Have runs whose process is gone marked as failed: nobody else says so."""
        ...

    def cancel(self, run: RunRecord, reason: str) -> None:
        """Ask for a run to be cancelled."""
        ...

    def decide(self, step: StepRun, *, approved: bool, reason: str, by: str) -> None:
        """Record a person's decision about a step that waits; with an approval, let the run go on."""
        ...

    def replay(self, step: StepRun, *, debug: bool) -> Any:
        """Run a step here on the inputs that it had; return its value."""
        ...

    def verify(self, step: StepRun, *, times: int) -> StepVerification:
        """Run a step again in fresh workers on the inputs that it had, and compare."""
        ...


@dataclass(frozen=True, slots=True)
class LocalRecords:
    """What is recorded in the stores of a project on this machine."""

    metadata: MetadataStore
    artifacts: ArtifactStore
    root: Path
    repeater: Repeater | None = None  # None: only to be read
    go_on: Callable[[str], Any] | None = None  # drives a run that waited to its end

    def log(self, step: StepRun) -> str:
        """Return what is in the step's log."""
        return b"".join(pieces(self.root / step.log)).decode(errors="replace") if step.log else ""

    def follow(self, step: StepRun) -> Iterator[str]:
        """Yield the lines of the step's log as they are written."""
        position, rest = 0, b""
        while True:
            piece = read_piece(self.root / step.log, position)
            position, lines = piece.end, (rest + piece.content).splitlines(keepends=True)
            rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""  # its end is not written yet
            yield from (_line(line) for line in lines)
            if piece.content:
                continue
            if is_quiet(step):
                yield from [_line(rest)] if rest else []
                return
            time.sleep(_POLL_SECONDS)
            self.reap()
            step = self.metadata.get(StepRun, step.run, step.step) or step  # read before the log: no end is missed

    def lines(self, run: RunRecord, query: LogQuery) -> Iterator[LogLine]:
        """Return them from the logs of the steps."""
        return run_lines(self.metadata, self.root, run, query)

    def metrics(self, step: StepRun) -> dict[str, Curve]:
        """Return the recorded metrics; those of a step that runs are read where it writes them."""
        if step.state not in DONE:
            return curves(read_metrics(metrics_file(self.root / step.log), step.run, step.step)) if step.log else {}
        run, name = maker(self.metadata, step)
        return curves(self.metadata.find(Metric, run=run, step=name))

    def reap(self) -> None:
        """Look which processes are gone."""
        reap(self.metadata)

    def cancel(self, run: RunRecord, reason: str) -> None:
        """Record the wish; the driver of the run sees it."""
        cancel_run(self.metadata, run, reason=reason)

    def replay(self, step: StepRun, *, debug: bool) -> Any:
        """Run it in this process."""
        return self._again().replay(step, debug=debug)

    def verify(self, step: StepRun, *, times: int) -> StepVerification:
        """Run it in worker processes of this machine."""
        return self._again().verify(step, times=times)

    def decide(self, step: StepRun, *, approved: bool, reason: str, by: str) -> None:
        """Record it here; the run goes on in this process."""
        who = by or person()
        if not approved:
            reject(self.metadata, step, by=who, reason=reason)
            return
        asked = self.metadata.get(Artifact, step.artifacts.get(REQUEST, ""))
        request = {} if asked is None else load_artifact(asked, self.artifacts)
        approve(self.metadata, step, partial(save_json, self.artifacts), request, by=who, reason=reason)
        if self.go_on is not None and may_go_on(self.metadata, step.run):
            self.go_on(step.run)

    def _again(self) -> Repeater:
        if self.repeater is None:
            raise DeclarationError("these records are only to be read; open the project: penstock.open(...)")
        return self.repeater


def _line(content: bytes) -> str:
    return content.decode(errors="replace").rstrip("\r\n")


class StepView:
    """One step of a run."""

    def __init__(self, record: StepRun, recorded: Recorded) -> None:
        self.record = record
        self._recorded = recorded

    @property
    def state(self) -> State:
        """Where the step stands: succeeded, up_to_date, failed, skipped, cancelled, running or waiting."""
        return self.record.state

    @property
    def reason(self) -> str:
        """Why it ran, or did not."""
        return self.record.reason

    @property
    def seconds(self) -> float | None:
        """How long it took; None where it did not run to an end."""
        record = self.record
        return None if record.started is None or record.ended is None else record.ended - record.started

    def log(self) -> str:
        """Return everything the step printed; a step that was up to date shows the log of the run that made it."""
        return self._recorded.log(self.record)

    def follow(self) -> Iterator[str]:
        """Yield what the step prints, a line at a time, as it comes, until the step has ended."""
        return self._recorded.follow(self.record)

    @property
    def metrics(self) -> dict[str, Curve]:
        """What it logged with `log_metric`, as curves: name -> (step number or None, value). A step that was up to date
        shows those of the run that made its outputs."""
        return self._recorded.metrics(self.record)

    def artifact(self, output: str = "result") -> ArtifactView:
        """Return one of its outputs."""
        if output not in self.record.artifacts:
            raise UnknownNameError("output", output, self.record.artifacts, within=f"step '{self.record.step}'")
        digest = self.record.artifacts[output]
        found = self._recorded.metadata.get(Artifact, digest)
        if found is None:
            raise RunError(f"artifact {digest[:12]} of step '{self.record.step}' is not recorded any more")
        return ArtifactView(found, self._recorded.artifacts)

    def approve(self, *, reason: str = "", by: str = "") -> None:
        """Approve what the step waits for; the run goes on to its end, here, or over REST there: `run.wait()`. `by` is
        who decides: by default the user of this process."""
        self._recorded.decide(self.record, approved=True, reason=reason, by=by)

    def reject(self, *, reason: str = "", by: str = "") -> None:
        """Reject what the step waits for: it has failed, and with it the run."""
        self._recorded.decide(self.record, approved=False, reason=reason, by=by)

    def replay(self, *, pdb: bool = False) -> Any:
        """Run the step in this process, with the code as it is now, on the inputs and with the seed that it had in this
        run; return its value. Nothing is recorded. `pdb=True` stops at its first line, and where it raises."""
        return self._recorded.replay(self.record, debug=pdb)

    def verify(self, *, times: int = 1) -> StepVerification:
        """Run the step again in a fresh worker on the inputs and with the seed that it had, and say whether it gives
        the same bytes, and if not, where they differ. Nothing is recorded."""
        return self._recorded.verify(self.record, times=times)

    def __repr__(self) -> str:
        return f"<step {self.record.step}: {self.state}>"


class ArtifactView:
    """Something a step made: what is known of it, and the value itself."""

    def __init__(self, record: Artifact, store: ArtifactStore) -> None:
        self.record = record
        self._store = store

    @property
    def digest(self) -> str:
        """The name of its bytes."""
        return self.record.digest

    def load(self) -> Any:
        """Return the value; tables are memory-mapped."""
        return load_artifact(self.record, self._store)

    def __repr__(self) -> str:
        return f"<{self.record.kind} {self.digest[:12]} made by {self.record.made_by}>"


class Run:
    """A run of a pipeline, as it is recorded now: every attribute reads the store."""

    def __init__(self, id: str, recorded: Recorded) -> None:
        self.id = id
        self._recorded = recorded

    @property
    def record(self) -> RunRecord:
        """Return the run's record."""
        found = self._recorded.metadata.get(RunRecord, self.id)
        if found is None:
            raise UnknownNameError("run", self.id, ())
        return found

    @property
    def state(self) -> State:
        """Where the run stands: waiting, running, succeeded, failed or cancelled."""
        return self.record.state

    @property
    def params(self) -> dict[str, Any]:
        """The pipeline's parameters, defaults included."""
        return self.record.params

    @property
    def mode(self) -> str:
        """`train` or `infer`."""
        return self.record.mode

    @property
    def cause(self) -> dict[str, Any]:
        """What started it."""
        return self.record.cause

    @property
    def tags(self) -> dict[str, str]:
        """The tags by name."""
        return self.record.tags

    def tag(self, tags: Mapping[str, Any] | None = None, *, note: str | None = None) -> Run:
        """Give the run tags (None removes one) or another note: `run.tag({"team": "delays"}, note="a first try")`."""
        tag_run(self._recorded.metadata, self.id, tags, note=note)
        return self

    @property
    def steps(self) -> Mapping[str, StepView]:
        """The steps by name, in the order of the pipeline."""
        records = self._recorded.metadata.find(StepRun, run=self.id)
        ordered = sorted(records, key=lambda record: record.position)
        return {record.step: StepView(record, self._recorded) for record in ordered}

    def artifact(self, step: str, output: str = "result") -> ArtifactView:
        """Return what a step made: `run.artifact("evaluate").load()`."""
        steps = self.steps
        if step not in steps:
            raise UnknownNameError("step", step, steps, within=f"run {self.id}")
        return steps[step].artifact(output)

    def result(self, step: str, output: str = "result") -> Any:
        """Return the value of what a step made, or raise the error that ended the run."""
        record = self.record
        if record.state != "succeeded":
            failed = [view.record for view in self.steps.values() if view.state == "failed"]
            said = failed[0].error.partition("\n")[0] if failed else record.error
            raise RunError(f"run {self.id} of {record.pipeline} {record.state}: {said}", run_id=self.id)
        return self.artifact(step, output).load()

    def cancel(self, *, reason: str = "") -> None:
        """Ask for the run to be stopped, with every process that its steps have started; `wait()` for it to end.

        Raises `ConflictError` where it has ended already.
        """
        self._recorded.cancel(self.record, reason)

    def wait(self, timeout_seconds: float | None = None) -> Run:
        """Return when the run has ended, or waits for a person; or raise `TimeoutError`."""
        limit = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while self.state not in ENDED:
            self._recorded.reap()  # nobody else says so where the process that drove it was killed
            if limit is not None and time.monotonic() > limit:
                raise TimeoutError(f"run {self.id} is still {self.state} after {timeout_seconds} s")
            time.sleep(_POLL_SECONDS)
        return self

    def _repr_svg_(self) -> str:
        """In a notebook a run is drawn, with what has become of each step."""
        return draw_run(self.record, [view.record for view in self.steps.values()])

    def __repr__(self) -> str:
        return f"<run {self.id} of {self.record.pipeline}: {self.state}>"


def run_log(run: Run, query: LogQuery) -> Iterator[LogLine]:
    """Return what all steps of a run printed, by time, as far as it is asked for."""
    return run._recorded.lines(run.record, query)
