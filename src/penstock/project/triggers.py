"""The triggers of a project: what its modules declare, what `project.on` adds, each with its history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from penstock import monitor
from penstock.cascades import Cascade
from penstock.core.ports import MetadataStore
from penstock.core.run import Run, State
from penstock.core.trigger import EventData, Firing, FiringState, Pause, Trigger
from penstock.errors import ConflictError, UnknownNameError
from penstock.monitor import CloudEvent, Judge, Monitor, Received, When
from penstock.pipelines import PipelineFunction, check_params, new_run_id, reap, start_run
from penstock.project.config import Config
from penstock.project.declared import load_triggers


class TriggerRoom(Protocol):
    """Where triggers are kept and handled: in this project's store, or by the server of one."""

    @property
    def metadata(self) -> MetadataStore:
        """The records."""
        ...

    def pause(self, trigger: Trigger, reason: str) -> None:
        """Let it start nothing until it is resumed."""
        ...

    def resume(self, trigger: Trigger) -> None:
        """Let it go on."""
        ...

    def fire(self, trigger: Trigger, data: Mapping[str, Any]) -> Firing:
        """Fire it by hand."""
        ...

    def remove(self, trigger: Trigger) -> None:
        """Forget it, but for its history."""
        ...


class FiringView:
    """One time that a trigger fired: what happened, and what came of it."""

    def __init__(self, record: Firing, run: Run | None) -> None:
        self.record = record
        self._run = run

    @property
    def occurrence(self) -> str:
        """What happened, by name: an instant, a file with its digest, an event's source and id."""
        return self.record.occurrence

    @property
    def event(self) -> dict[str, Any]:
        """What happened, with its `data`."""
        return self.record.event

    @property
    def run(self) -> str:
        """The id of its run, "" where none came of it."""
        return self.record.run if self.record.state in ("started", "gathered") else ""

    @property
    def state(self) -> FiringState | State:
        """Where it stands: waiting, failed or skipped, or, once its run is there, where that stands."""
        return self.record.state if self._run is None else self._run.state

    @property
    def reason(self) -> str:
        """Why no run came of it, or why its run failed."""
        return self.record.reason if self._run is None else self._run.error

    @property
    def created(self) -> float:
        """When it was recorded, in seconds since 1970."""
        return self.record.created

    def __repr__(self) -> str:
        return f"<firing of {self.record.trigger} for {self.occurrence}: {self.state}>"


class TriggerView:
    """One trigger."""

    def __init__(self, record: Trigger, room: TriggerRoom) -> None:
        self.record = record
        self._room = room

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def paused(self) -> bool:
        """Whether it starts nothing just now."""
        return self._room.metadata.get(Pause, self.name) is not None

    @property
    def next(self) -> float | None:
        """When it fires next, in seconds since 1970; None where no schedule says so."""
        if self.record.kind not in monitor.SCHEDULED or self.paused:
            return None
        return next(monitor.instants(self.record.kind, self.record.spec, time.time()))

    @property
    def history(self) -> list[FiringView]:
        """What made it fire, newest first, and the runs that came of it."""
        return self.firings()

    def firings(self, limit: int | None = None) -> list[FiringView]:
        """Return the newest of its history."""
        metadata = self._room.metadata
        found = metadata.find(Firing, trigger=self.name, newest_first=True, limit=limit)
        runs = {run.id: run for run in metadata.find(Run, id=[firing.run for firing in found if firing.run])}
        return [FiringView(firing, runs.get(firing.run)) for firing in found]

    def pause(self, reason: str = "") -> None:
        """Start nothing until resumed. What happens meanwhile waits; missed instants are as `catch_up` says."""
        self._room.pause(self.record, reason)

    def resume(self) -> None:
        """Go on, with what waits."""
        self._room.resume(self.record)

    def fire(self, **data: Any) -> FiringView:
        """Fire it now, also if it is paused, as if an event with this data had come."""
        firing = self._room.fire(self.record, data)
        return FiringView(firing, self._room.metadata.get(Run, firing.run))

    def remove(self) -> None:
        """Forget it, but for its history."""
        self._room.remove(self.record)

    def __repr__(self) -> str:
        return f"<trigger {self.name}: {self.record.kind} -> {self.record.pipeline}>"


class Triggers(Mapping[str, TriggerView]):
    """The triggers of a project by name. Those that its modules declare are recorded when any is first asked for."""

    def __init__(
        self,
        config: Config,
        metadata: MetadataStore,
        pipelines: Callable[[], Mapping[str, PipelineFunction]],
        judge: Judge | None = None,
    ) -> None:
        """`judge` judges models in production, for triggers on drift; `clock` says what time it is: tests turn it."""
        self.metadata, self.clock, self._judge = metadata, time.time, judge
        self._config, self._pipelines, self._in_step = config, pipelines, False

    def __getitem__(self, name: str) -> TriggerView:
        self.bring_in_step()
        found = self.metadata.get(Trigger, name)
        if found is None:
            raise UnknownNameError("trigger", name, self)
        return TriggerView(found, self)

    def __contains__(self, name: object) -> bool:
        self.bring_in_step()
        return isinstance(name, str) and self.metadata.get(Trigger, name) is not None

    def __iter__(self) -> Iterator[str]:
        self.bring_in_step()
        return iter([trigger.name for trigger in self.metadata.find(Trigger)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def bring_in_step(self) -> None:
        """Record what the modules declare, once in the life of this object; raises what is wrong with it."""
        if self._in_step:
            return
        declared = {
            name: self._checked(monitor.as_trigger(each, name=name, declared=module, now=self.clock()))
            for name, (each, module) in load_triggers(self._config).items()
        }
        monitor.register_declared(self.metadata, declared)
        self._in_step = True

    def on(self, when: When, pipeline: PipelineFunction | Cascade | str, **how: Any) -> TriggerView:
        """Run a pipeline of the project's modules, or train a cascade, whenever something happens; as `ps.on` does.

        `penstock serve` and `penstock trigger run` see to it, also if they run already. `how` are the options of
        `ps.on`; a trigger of that name (default: the pipeline's and the kind) is changed, and keeps its history.
        """
        declaration = monitor.on(when, pipeline, **how)
        name = declaration.name or f"{declaration.pipeline}-{declaration.when.kind}"
        trigger = self._checked(monitor.as_trigger(declaration, name=name, declared="", now=self.clock()))
        self.bring_in_step()
        there = self.metadata.get(Trigger, name)
        if there is not None and there.declared:
            raise ConflictError(f"trigger '{name}' is declared in module {there.declared}; change it there")
        return TriggerView(monitor.register(self.metadata, trigger), self)

    def receive(self, event: CloudEvent) -> list[Received]:
        """Record an event for each trigger that waits for it."""
        return monitor.receive(self.services, event)

    def watch(self) -> Monitor:
        """Return what watches the triggers, and starts their runs, while it is open."""
        return Monitor(self.services)

    def pause(self, trigger: Trigger, reason: str) -> None:
        """Let a trigger start nothing until it is resumed."""
        monitor.pause(self.metadata, trigger, reason=reason, now=self.clock())

    def resume(self, trigger: Trigger) -> None:
        """Let a trigger go on."""
        monitor.resume(self.metadata, trigger)

    def fire(self, trigger: Trigger, data: Mapping[str, Any]) -> Firing:
        """Fire a trigger by hand."""
        return monitor.fire(self.services, trigger, data)

    def remove(self, trigger: Trigger) -> None:
        """Forget a trigger that `project.on` added."""
        if trigger.declared:
            raise ConflictError(f"trigger '{trigger.name}' is declared in module {trigger.declared}; remove it there")
        monitor.remove(self.metadata, trigger.name)

    @property
    def services(self) -> monitor.Services:
        """What triggers are handed in this project."""
        root = self._config.root
        return monitor.Services(
            root=root,
            project=self._config.project.name or root.name,
            metadata=self.metadata,
            start_run=self._start,
            new_run_id=new_run_id,
            reap=partial(reap, self.metadata),
            clock=self.clock,
            **({} if self._judge is None else {"judge": self._judge}),
        )

    def _start(self, trigger: Trigger, firing: Firing, params: Mapping[str, Any]) -> dict[str, Any]:
        return start_run(
            self._config.root,
            trigger.pipeline,
            cause=monitor.cause_of(firing),
            params=params,
            run_id=firing.run,
            options=["--experiment", trigger.experiment, "--mode", trigger.mode],
        )

    def _checked(self, trigger: Trigger) -> Trigger:
        """Return the trigger if its pipeline takes its parameters, as far as can be told before an event comes."""
        pipelines = self._pipelines()
        if trigger.pipeline not in pipelines:
            raise UnknownNameError("pipeline", trigger.pipeline, pipelines, within="the project's modules")
        params = monitor.read_params(trigger.params)
        later = [name for name, value in params.items() if isinstance(value, EventData)]
        given = {name: value for name, value in params.items() if name not in later}
        check_params(pipelines[trigger.pipeline], given, later=later)
        return trigger
