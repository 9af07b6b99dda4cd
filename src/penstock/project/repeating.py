"""A step of a past run once more: replayed here, to look into it, or verified in fresh workers to give the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.artifact import Artifact
from penstock.core.ports import Outcome
from penstock.core.run import Run, StepRun
from penstock.engines import open_engine
from penstock.errors import CorruptArtifactError, RunError, UnknownNameError
from penstock.pipelines import PipelineFunction, Replay, Services, rebuild, replay, trace
from penstock.project.codecs import load_artifact
from penstock.project.config import Config
from penstock.project.images import engine_options, on_engine
from penstock.tables import table_difference


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDifference:
    """An output that came out otherwise: the digests then and now, and where the two differ, in words."""

    output: str
    then: str
    now: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepVerification:
    """What came of running a step again on what it was given: nothing in `differences` means that it gave the same
    bytes each time. `since` says what decides the result and has changed since that run, "" where nothing has."""

    run: str
    step: str
    times: int
    since: str = ""
    differences: tuple[OutputDifference, ...] = field(default=())

    @property
    def same(self) -> bool:
        """Whether every output was the same, byte for byte, each time."""
        return not self.differences


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeater:
    """Runs steps of past runs of a project again."""

    config: Config
    services: Services
    pipeline: Callable[[str], PipelineFunction]

    def replay(self, step: StepRun, *, debug: bool = False) -> Any:
        """Run a step in this process on the inputs that it had; return its value, record nothing."""
        return replay(self._rebuilt(step)[1], self.services, debug=debug)

    def verify(self, step: StepRun, *, times: int = 1) -> StepVerification:
        """Run a step in fresh workers on the inputs and with the seed that it had, and compare what it gives.

        Raises `RunError` where those inputs cannot be had any more, or where the step did not succeed then or now.
        """
        if step.state not in ("succeeded", "up_to_date"):
            raise RunError(
                f"step '{step.step}' of run {step.run} is {step.state}: it gave nothing to compare with; to look into "
                f"it, replay it: penstock replay {step.run} {step.step} --pdb",
                run_id=step.run,
            )
        run, given = self._rebuilt(step)
        if given.lost:
            raise RunError(
                f"step '{step.step}' of run {step.run} cannot be verified: {given.lost} since, and what it was is kept "
                "nowhere; run the pipeline again, and verify that run",
                run_id=step.run,
            )
        return self._verified(given, "container" if run.engine == "container" else "local", times)

    def _verified(self, given: Replay, engine: str, times: int) -> StepVerification:
        options = engine_options(self.config, engine, self.services.artifacts)
        found: dict[tuple[str, str], OutputDifference] = {}
        with tempfile.TemporaryDirectory() as folder, closing(open_engine(engine, slots=1, **options)) as workers:
            for number in range(1, times + 1):
                task = replace(given.task, id=f"{given.task.id}/{number}", log=Path(folder) / f"{number}.log")
                workers.submit(task)
                (outcome,) = workers.wait()
                for difference in self._compared(given.record, outcome, number):
                    found.setdefault((difference.output, difference.now), difference)
        record = given.record
        return StepVerification(
            run=record.run, step=record.step, times=times, since=given.since, differences=tuple(found.values())
        )

    def _compared(self, record: StepRun, outcome: Outcome, number: int) -> list[OutputDifference]:
        if outcome.state != "succeeded":
            raise RunError(
                f"step '{record.step}' of run {record.run} {outcome.state} when run again ({number}): {outcome.error}",
                run_id=record.run,
            )
        differences = []
        for output, artifact in outcome.outputs.items():
            then = record.artifacts.get(output, "")
            if then != artifact.digest:
                where = self._where(then, artifact)
                differences.append(OutputDifference(output=output, then=then, now=artifact.digest, where=where))
        return differences

    def _where(self, digest: str, now: Artifact) -> str:
        store = self.services.artifacts
        then = self.services.metadata.get(Artifact, digest)
        if then is None or not store.has(digest):
            return "what it was is not in the store any more"
        try:
            return value_difference(load_artifact(replace(then, kind=now.kind), store), load_artifact(now, store))
        except (CorruptArtifactError, UnknownNameError) as error:
            return str(error)

    def _rebuilt(self, step: StepRun) -> tuple[Run, Replay]:
        run = self.services.metadata.get(Run, step.run)
        if run is None:
            raise UnknownNameError("run", step.run, ())
        traced = trace(self.pipeline(run.pipeline), run.params)
        return run, rebuild(traced, step, on_engine(self.services, self.config, run.engine, traced), mode=run.mode)


def value_difference(then: Any, now: Any, path: str = "") -> str:
    """Return where two values differ, in words; "" where a person would see no difference."""
    at = f"{path}: " if path else ""
    if type(then) is not type(now):
        return f"{at}{_short(then)} then, {_short(now)} now"
    match then:
        case pa.Table():
            return at + text if (text := table_difference(then, now)) else ""
        case Mapping():
            if then.keys() != now.keys():
                return f"{at}the keys {', '.join(map(str, then))} then, {', '.join(map(str, now))} now"
            inner = (
                value_difference(one, now[key], f"{path}.{key}" if path else str(key)) for key, one in then.items()
            )
            return next(filter(None, inner), "")
        case list() | tuple():
            if len(then) != len(now):
                return f"{at}{len(then)} items then, {len(now)} now"
            inner = (value_difference(one, now[place], f"{path}[{place}]") for place, one in enumerate(then))
            return next(filter(None, inner), "")
        case np.ndarray():
            return _array_difference(then, now, at)
        case str() | bytes() | None | bool() | int() | float():
            return "" if repr(then) == repr(now) else f"{at}{_short(then)} then, {_short(now)} now"
    return f"{at}other bytes"


def _array_difference(then: np.ndarray[Any, Any], now: np.ndarray[Any, Any], at: str) -> str:
    if then.dtype != now.dtype or then.shape != now.shape:
        return f"{at}{then.dtype} {then.shape} then, {now.dtype} {now.shape} now"
    places = np.argwhere(then != now)
    if not len(places):
        return ""
    first = tuple(map(int, places[0]))
    return f"{at}{len(places)} of {then.size} values; first at {list(first)}: {then[first]!r} then, {now[first]!r} now"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
