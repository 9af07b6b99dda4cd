"""A whole small world for pipeline tests: real stores on disk, the inline engine, a clock that the test turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.core.artifact import Artifact, Source
from penstock.core.ports import Context, Engine, Outcome, Task
from penstock.core.run import Run, StepRun
from penstock.engines import InlineEngine
from penstock.pipelines import Event, PipelineFunction, Plan, Services, execute, observe, plan, run_task, trace
from penstock.stores import CODECS, LocalArtifactStore, SqlMetadata

STORES: dict[str, LocalArtifactStore] = {}


def work(task: Task) -> Outcome:
    """The entry of every task in these tests."""
    return run_task(task, STORES[task.context.artifacts], CODECS)


@dataclass
class World:
    root: Path
    engine: Engine = field(default_factory=InlineEngine)
    now: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = LocalArtifactStore(self.root / "artifacts")
        self.metadata = SqlMetadata("sqlite://")
        STORES[str(self.root / "artifacts")] = self.store
        self.services = Services(
            metadata=self.metadata,
            artifacts=self.store,
            codecs=CODECS,
            sources=self.source,
            observe=lambda name: self.seen.get(name, observe(name)),
            entry="worlds:work",
            context=Context(root=str(self.root), metadata="", artifacts=str(self.root / "artifacts")),
            logs=self.root / "logs",
            clock=self.clock,
            sleep=self.sleep,
        )

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def source(self, text: str) -> Source:
        path = self.root / text
        return Source(name=text, uris=(str(path),), format="csv", digest=observe(f"file:{path}"))

    def run(self, pipeline: PipelineFunction, params: Mapping[str, Any] | None = None, **options: Any) -> Run:
        options.setdefault("engine", self.engine)
        return execute(trace(pipeline, params or {}), self.services, **options)

    def plan(self, pipeline: PipelineFunction, params: Mapping[str, Any] | None = None, **options: Any) -> Plan:
        return plan(trace(pipeline, params or {}), self.services, **options)

    def steps(self, run: Run) -> dict[str, StepRun]:
        return {step.step: step for step in self.metadata.find(StepRun, run=run.id)}

    def states(self, run: Run) -> dict[str, str]:
        return {name: step.state for name, step in self.steps(run).items()}

    def artifact(self, run: Run, step: str, output: str = "result") -> Artifact:
        record = self.metadata.get(Artifact, self.steps(run)[step].artifacts[output])
        assert record is not None
        return record

    def value(self, run: Run, step: str, output: str = "result") -> Any:
        record = self.artifact(run, step, output)
        codec = next(codec for codec in CODECS if codec.kind == record.kind)
        return codec.load(record, self.store)


@dataclass
class Listener:
    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]
