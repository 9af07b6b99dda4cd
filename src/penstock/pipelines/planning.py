"""`plan`: what a run would do, step by step, and why - without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from penstock.core.artifact import Artifact
from penstock.core.pipeline import Pipeline, Step, references
from penstock.errors import RunError
from penstock.pipelines.arguments import decide
from penstock.pipelines.changes import change
from penstock.pipelines.keys import Keys
from penstock.pipelines.recall import Recall
from penstock.pipelines.selection import Names, lenders, select
from penstock.pipelines.services import Services
from penstock.pipelines.validation import checked
from penstock.pipelines.verdicts import Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """What a run would do with a step. `unknown`: until what it needs has run. `skipped`: not selected, not for this
    mode, or its condition does not hold."""

    name: str
    state: Literal["up_to_date", "stale", "unknown", "skipped"]
    reason: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run of a pipeline would do, in order."""

    pipeline: str
    steps: tuple[PlannedStep, ...]

    @property
    def up_to_date(self) -> bool:
        """Whether nothing would run."""
        return all(step.state in ("up_to_date", "skipped") for step in self.steps)

    def step(self, name: str) -> PlannedStep:
        """Return the planned step of that name."""
        return next(step for step in self.steps if step.name == name)


def plan(
    pipeline: Pipeline,
    services: Services,
    *,
    only: Names = None,
    since: Names = None,
    until: Names = None,
    mode: str = "train",
) -> Plan:
    """Say what `execute` would do now with the same arguments; raises the errors that it would begin with."""
    pipeline = checked(pipeline)
    left_out = select(pipeline, only=only, since=since, until=until, mode=mode)
    return Planner(pipeline, left_out, new_judge(pipeline, services)).plan()


def new_judge(pipeline: Pipeline, services: Services) -> Judge:
    """Return a judge of the pipeline's steps, over what the stores hold now."""
    recall = Recall(pipeline.name, metadata=services.metadata, artifacts=services.artifacts, codecs=services.codecs)
    return Judge(
        services, recall, Keys(root=Path(services.context.root), sources=services.sources, images=services.images)
    )


class Planner:
    """One walk over the steps, keeping the outputs that are known without running anything."""

    def __init__(self, pipeline: Pipeline, left_out: Mapping[str, str], judge: Judge) -> None:
        self._pipeline, self._left_out, self._judge = pipeline, left_out, judge
        self._outputs: dict[str, Mapping[str, Artifact]] = {}
        self._skipped: set[str] = set()
        self._lenders = lenders(pipeline, left_out)

    def plan(self) -> Plan:
        """Return the plan."""
        steps = tuple(
            self._left(step) if self._left_out[step.name] else self._selected(step) for step in self._pipeline.steps
        )
        return Plan(pipeline=self._pipeline.name, steps=steps)

    def _selected(self, step: Step) -> PlannedStep:
        if gone := [name for name in step.upstream() if name in self._skipped]:
            self._skipped.add(step.name)
            return PlannedStep(name=step.name, state="skipped", reason=f"needs {gone[0]}, which is skipped")
        if all(ref.step in self._outputs for ref in references(step.when)) and not decide(
            step.when, self._outputs, self._judge.recall.load
        ):
            self._skipped.add(step.name)
            return PlannedStep(name=step.name, state="skipped", reason=f"its condition {step.when!r} does not hold")
        if waits := [name for name in step.upstream() if name not in self._outputs]:
            return self._waiting(step, waits)
        verdict = self._judge.verdict(step, self._outputs)
        if verdict.entry is None:
            return PlannedStep(name=step.name, state="stale", reason=verdict.reason, key=verdict.key.digest)
        self._outputs[step.name] = verdict.outputs
        return PlannedStep(name=step.name, state="up_to_date", reason=verdict.reason, key=verdict.key.digest)

    def _waiting(self, step: Step, waits: list[str]) -> PlannedStep:
        """A step behind a stale one may be up to date yet; but not if its own code or parameters changed."""
        parts = {**self._judge.keys.settled(step).parts, **self._judge.keys.parameters(step)}
        previous = self._judge.recall.previous(step.name)
        if previous is None:
            return PlannedStep(name=step.name, state="stale", reason="never ran")
        if changed := change(step.name, parts, previous.parts, only_known=True):
            return PlannedStep(name=step.name, state="stale", reason=changed)
        reason = f"unknown until {' and '.join(waits)} {'has' if len(waits) == 1 else 'have'} run"
        return PlannedStep(name=step.name, state="unknown", reason=reason)

    def _left(self, step: Step) -> PlannedStep:
        reason = self._left_out[step.name]
        if step.name not in self._lenders:
            return PlannedStep(name=step.name, state="skipped", reason=reason)
        taken = borrowed(step, reason, self._outputs, self._judge)
        if taken is not None:
            self._outputs[step.name], reason = taken
        elif users := [
            other.name
            for other in self._pipeline.steps
            if step.name in other.upstream() and not self._left_out[other.name]
        ]:
            raise RunError(
                f"step '{users[0]}' needs what '{step.name}' gives, but '{step.name}' {_is(reason)}, and no earlier "
                f"successful run has left its outputs; run it first: without a selection, or with until='{step.name}'"
            )
        return PlannedStep(name=step.name, state="skipped", reason=reason)


def borrowed(
    step: Step, reason: str, outputs: Mapping[str, Mapping[str, Artifact]], judge: Judge
) -> tuple[dict[str, Artifact], str] | None:
    """Return the outputs of a step that is left out, and the reason that says where they are from; None: nowhere."""
    by_mode = reason.startswith("runs only")
    if not by_mode and all(name in outputs for name in step.upstream()):
        verdict = judge.verdict(step, outputs)
        if verdict.entry is not None:
            return dict(verdict.outputs), f"{reason}; its outputs are up to date (run {verdict.entry.run})"
    earlier = judge.recall.given(step.name, modes=step.modes if by_mode else ("train", "infer"))
    found = judge.given(step, earlier.artifacts) if earlier is not None else {}
    if earlier is None or set(found) != set(step.outputs):
        return None
    return found, f"{reason}; its outputs are those of run {earlier.run}"


def _is(reason: str) -> str:
    return f"is {reason}" if reason.startswith("not") else reason
