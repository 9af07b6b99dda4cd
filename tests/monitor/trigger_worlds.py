"""A store, a clock that tests turn, and any number of servers whose runs are records only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.core.run import Run, State
from penstock.core.trigger import Firing, Trigger
from penstock.errors import ConflictError
from penstock.monitor import Monitor, Services, TriggerDeclaration, as_trigger, register
from penstock.stores import open_metadata


def at(text: str) -> float:
    """Seconds since 1970 of a time in UTC."""
    return datetime.fromisoformat(f"{text}+00:00").timestamp()


@dataclass
class World:
    """Everything that servers share. `started` lists the runs that were started, in order."""

    root: Path
    now: float = at("2026-11-25T12:00:00")
    started: list[str] = field(default_factory=list)
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuse: str = ""
    ids: int = 0
    metadata: MetadataStore = field(default_factory=lambda: open_metadata("sqlite://"))

    @property
    def services(self) -> Services:
        return Services(
            root=self.root,
            project="world",
            metadata=self.metadata,
            start_run=self._start,
            new_run_id=self._new_id,
            reap=lambda: None,
            clock=lambda: self.now,
        )

    def server(self) -> Monitor:
        """One more server. It starts runs in its own thread, at once."""
        return Monitor(self.services, spawn=lambda work: work())

    def declare(self, declaration: TriggerDeclaration, name: str = "t") -> Trigger:
        return register(self.metadata, as_trigger(declaration, name=name, declared="", now=self.now))

    def firings(self, trigger: str = "t") -> list[Firing]:
        return self.metadata.find(Firing, trigger=trigger)

    def states(self, trigger: str = "t") -> list[str]:
        return [firing.state for firing in self.firings(trigger)]

    def end(self, run_id: str, state: State = "succeeded") -> None:
        run = self.metadata.get(Run, run_id)
        assert run is not None
        self.metadata.write(replace(run, state=state, ended=self.now))

    def end_all(self) -> None:
        for run in self.metadata.find(Run, state="running"):
            self.end(run.id)

    def _new_id(self, now: float) -> str:
        self.ids += 1
        return f"r{self.ids}"

    def _start(self, trigger: Trigger, firing: Firing, params: Mapping[str, Any]) -> dict[str, Any]:
        if self.refuse:
            return {"error": {"code": "declaration", "message": self.refuse}}
        run = Run(id=firing.run, pipeline=trigger.pipeline, state="running", created=self.now)
        try:
            self.metadata.insert(run)
        except ConflictError as error:
            return {"error": {"code": "conflict", "message": str(error)}}
        self.started.append(firing.run)
        self.params[firing.run] = dict(params)
        return {"id": firing.run}
