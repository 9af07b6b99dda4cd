"""Runs that a server has: read as the local ones are, followed by the events that it sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from penstock.core.artifact import Artifact
from penstock.core.run import Run, StepRun
from penstock.errors import DeclarationError
from penstock.models import person
from penstock.pipelines import Curve, Event, LogLine, LogQuery, RunEnded, RunStarted, StepEnded, StepStarted
from penstock.project.repeating import StepVerification
from penstock.remote.connection import Server, segment
from penstock.remote.stores import RemoteArtifacts, RemoteMetadata

JSON_LINES = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class RemoteRecords:
    """What a server has recorded of runs, as the views of runs read it."""

    server: Server
    metadata: RemoteMetadata
    artifacts: RemoteArtifacts

    def log(self, step: StepRun) -> str:
        """Return everything that a step printed so far."""
        return self.server.content("GET", f"{_path(step)}/log").decode(errors="replace")

    def follow(self, step: StepRun) -> Iterator[str]:
        """Yield what a step prints, as the server tells it."""
        for event in self.server.events(f"{_path(step)}/log", final="end"):
            if event.name != "end":
                yield event.data

    def lines(self, run: Run, query: LogQuery) -> Iterator[LogLine]:
        """Return the lines that a query asks for; their colours stay on the server."""
        asked = {
            "step": query.step or None,
            "grep": query.grep or None,
            "ignore_case": "1" if query.ignore_case else None,
            "since": None if query.since_seconds is None else f"{query.since_seconds:g}s",
            "context": query.context or None,
        }
        return self._lines(f"/v1/runs/{segment(run.id)}/log", asked)

    def _lines(self, path: str, asked: dict[str, Any]) -> Iterator[LogLine]:
        with self.server.answer("GET", path, query=asked, headers={"accept": JSON_LINES}) as response:
            for line in response:
                told = msgspec.json.decode(line)
                yield LogLine(told["step"], told["time"], told["line"])

    def metrics(self, step: StepRun) -> dict[str, Curve]:
        """Return what a step logged so far, by name."""
        found = self.server.get(f"/v1/runs/{segment(step.run)}/metrics", step=step.step)["metrics"]
        curves = found.get(step.step, {})
        return {name: [(number, float(value)) for number, value in curve] for name, curve in curves.items()}

    def reap(self) -> None:
        """Do nothing: the server looks which processes are gone whenever it is asked."""

    def cancel(self, run: Run, reason: str) -> None:
        """Ask for a run to be cancelled."""
        self.server.post(f"/v1/runs/{segment(run.id)}:cancel", {"reason": reason} if reason else {})

    def decide(self, step: StepRun, *, approved: bool, reason: str, by: str) -> None:
        """Have the server record it, and the run go on there."""
        verb = "approve" if approved else "reject"
        self.server.post(f"{_path(step)}:{verb}", {"reason": reason, "by": by or person()})

    def replay(self, step: StepRun, *, debug: bool) -> Any:
        """Refuse: the code of the step is where the server is, a replay is looked into where the code is."""
        raise DeclarationError(
            f"a replay runs in this process, and the code of step '{step.step}' is on the server {self.server.url}; "
            f"in a checkout of the project with its stores: penstock replay {step.run} {step.step}"
        )

    def verify(self, step: StepRun, *, times: int) -> StepVerification:
        """Have the server run it again in fresh workers."""
        found = self.server.post(f"{_path(step)}:verify", {"times": times})
        return msgspec.convert({name: value for name, value in found.items() if name != "same"}, StepVerification)


def run_events(server: Server, run_id: str) -> Iterator[Event]:
    """Yield the events of a run, from its beginning, as they happen, to its end."""
    for event in server.events(f"/v1/runs/{segment(run_id)}/events", final="run_ended"):
        told = msgspec.json.decode(event.data)
        match event.name:
            case "run_started":
                steps = tuple(msgspec.convert(step, StepRun) for step in told["steps"])
                yield RunStarted(msgspec.convert(told["run"], Run), steps)
            case "step_started":
                yield StepStarted(msgspec.convert(told["step"], StepRun))
            case "step_ended":
                made = {name: msgspec.convert(each, Artifact) for name, each in told["artifacts"].items()}
                yield StepEnded(msgspec.convert(told["step"], StepRun), made)
            case "run_ended":
                yield RunEnded(msgspec.convert(told["run"], Run))


def _path(step: StepRun) -> str:
    return f"/v1/runs/{segment(step.run)}/steps/{segment(step.step)}"
