"""`plan`: what a run would do, step by step, and why - without doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from penstock.core.artifact import Artifact
from penstock.core.pipeline import Pipeline, Step, references
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines.arguments import decide
from penstock.pipelines.changes import NEVER_RAN, change
from penstock.pipelines.drawing import Drawn, draw
from penstock.pipelines.keys import Keys
from penstock.pipelines.kinds import fits
from penstock.pipelines.lending import borrowed, joined, not_lent
from penstock.pipelines.modes import in_mode
from penstock.pipelines.recall import Recall
from penstock.pipelines.resuming import resumed
from penstock.pipelines.selection import Names, lender, lenders, select
from penstock.pipelines.services import Services
from penstock.pipelines.settling import Chosen, Mapped, Skipped, chosen_input, settle
from penstock.pipelines.validation import checked
from penstock.pipelines.verdicts import Judge, Override, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """What a run would do with a step. `unknown`: until what it needs has run. `skipped`: not selected, not for this
    mode, or its condition does not hold."""

    name: str
    state: Literal["up_to_date", "stale", "unknown", "skipped"]
    reason: str
    key: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run of a pipeline would do, in order. In a notebook it is drawn."""

    pipeline: str
    steps: tuple[PlannedStep, ...]

    @property
    def up_to_date(self) -> bool:
        """Whether nothing would run."""
        return all(step.state in ("up_to_date", "skipped") for step in self.steps)

    @property
    def svg(self) -> str:
        """The steps as a picture: what runs, what is up to date, what is left out."""
        drawn = [
            Drawn(
                name=step.name,
                state=step.state,
                needs=step.needs,
                told=step.reason,
                lent=lender(step.reason),
            )
            for step in self.steps
        ]
        return draw(f"What a run of pipeline {self.pipeline} would do", drawn)

    def _repr_svg_(self) -> str:
        return self.svg

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
    override: Override | None = None,
    resume: str = "",
    states_from: Mapping[str, str] | None = None,
) -> Plan:
    """Say what `execute` would do now with the same arguments; raises the errors that it would begin with."""
    pipeline = in_mode(checked(pipeline), mode)
    left_out = select(pipeline, only=only, since=since, until=until, mode=mode, override=override or ())
    judge = new_judge(pipeline, services, override=override, resume=resume, states_from=states_from)
    return Planner(pipeline, left_out, judge).plan()


def new_judge(
    pipeline: Pipeline,
    services: Services,
    *,
    override: Override | None = None,
    resume: str = "",
    states_from: Mapping[str, str] | None = None,
) -> Judge:
    """Return a judge of the pipeline's steps, over what the stores hold now."""
    recall = Recall(pipeline.name, metadata=services.metadata, artifacts=services.artifacts, codecs=services.codecs)
    keys = Keys(root=Path(services.context.root), sources=services.sources, images=services.images)
    given = _checked_override(pipeline, override or {})
    earlier = resumed(services.metadata, resume)
    return Judge(services, recall, keys, override=given, resumed=earlier, states_from=states_from)


def _checked_override(pipeline: Pipeline, override: Override) -> Override:
    for name, outputs in override.items():
        step = pipeline.step(name)
        for output, artifact in outputs.items():
            if output not in step.outputs:
                raise UnknownNameError("output", output, step.outputs, within=f"step '{name}'")
            if step.each is None and not fits(artifact.kind, step.outputs[output]):
                raise DeclarationError(
                    f"step '{name}' gives a {step.outputs[output]} as '{output}', but a {artifact.kind} is to stand "
                    f"for it (override); give a {step.outputs[output]}"
                )
        if missing := [output for output in step.outputs if output not in outputs]:
            raise DeclarationError(
                f"override of step '{name}' lacks its outputs {', '.join(missing)}; give all of them: "
                + ", ".join(f"'{name}.{output}'" for output in step.outputs)
            )
    return override


class Planner:
    """One walk over the steps, keeping the outputs that are known without running anything."""

    def __init__(self, pipeline: Pipeline, left_out: Mapping[str, str], judge: Judge) -> None:
        self._pipeline, self._left_out, self._judge = pipeline, left_out, judge
        self.learned: dict[str, str] = {}  # steps that learn, and do not here -> the run that has learned for them
        self._outputs: dict[str, Mapping[str, Artifact]] = {}
        self._skipped: set[str] = set()
        self._lenders = lenders(pipeline, left_out)

    def plan(self) -> Plan:
        """Return the plan."""
        steps = [
            replace(planned, needs=step.upstream()) if planned.name == step.name else planned
            for step in self._pipeline.steps
            for planned in ([self._left(step)] if self._left_out[step.name] else self._selected(step))
        ]
        return Plan(pipeline=self._pipeline.name, steps=tuple(steps))

    def _selected(self, step: Step) -> list[PlannedStep]:
        """Return what would be done with a step; of a mapped one whose items are known, also with each of them."""
        if gone := [name for name in step.required() if name in self._skipped]:
            return [self._skip(step, f"needs {gone[0]}, which is skipped")]
        if all(ref.step in self._outputs for ref in references(step.when)) and not decide(
            step.when, self._outputs, self._judge.recall.load
        ):
            return [self._skip(step, f"its condition {step.when!r} does not hold")]
        if waits := self._waits(step):
            return [self._waiting(step, waits)]
        match settle(step, self._outputs, self._judge):
            case Skipped(reason=reason):
                return [self._skip(step, reason)]
            case Chosen(outputs=outputs, reason=reason):
                self._outputs[step.name] = outputs
                return [PlannedStep(name=step.name, state="up_to_date", reason=reason)]
            case Mapped(verdict=verdict, items=items):
                return self._mapped(step, verdict, items)
            case Verdict() as verdict:
                return [self._judged(step, verdict)]

    def _skip(self, step: Step, reason: str) -> PlannedStep:
        self._skipped.add(step.name)
        return PlannedStep(name=step.name, state="skipped", reason=reason)

    def _waits(self, step: Step) -> list[str]:
        """Return the steps that must run before it is known what becomes of this one."""
        known = self._outputs.keys() | self._skipped
        if step.chooses and all(ref.step in known for ref in references(step.inputs["condition"])):
            taken = step.inputs.get(chosen_input(step, self._outputs, self._judge))
            return list(dict.fromkeys(ref.step for ref in references(taken) if ref.step not in known))
        return [name for name in step.upstream() if name not in known]

    def _judged(self, step: Step, verdict: Verdict) -> PlannedStep:
        if verdict.entry is None:
            return PlannedStep(name=step.name, state="stale", reason=verdict.reason, key=verdict.key.digest)
        self._outputs[step.name] = verdict.outputs
        return PlannedStep(name=step.name, state="up_to_date", reason=verdict.reason, key=verdict.key.digest)

    def _mapped(self, step: Step, verdict: Verdict, items: tuple[Step, ...]) -> list[PlannedStep]:
        self._judge.foresee(items, self._outputs)
        planned = [self._judged(item, self._judge.verdict(item, self._outputs)) for item in items]
        stale = [item for item in planned if item.state == "stale"]
        if not stale:
            self._outputs[step.name] = joined(step, [self._outputs[item.name] for item in items], self._judge)
        reason = f"{len(stale)} of {len(items)} would run" if stale else all_up_to_date(items)
        state: Literal["stale", "up_to_date"] = "stale" if stale else "up_to_date"
        return [PlannedStep(name=step.name, state=state, reason=reason, key=verdict.key.digest), *planned]

    def _waiting(self, step: Step, waits: list[str]) -> PlannedStep:
        """A step behind a stale one may be up to date yet; but not if its own code or parameters changed."""
        reason = f"unknown until {' and '.join(waits)} {'has' if len(waits) == 1 else 'have'} run"
        if step.chooses:
            return PlannedStep(name=step.name, state="unknown", reason=reason)
        parts = {**self._judge.keys.settled(step).parts, **self._judge.keys.parameters(step)}
        previous = self._judge.recall.previous(step.name)
        if previous is None:
            return PlannedStep(name=step.name, state="stale", reason=NEVER_RAN)
        if changed := change(step.name, parts, previous.parts, only_known=True):
            return PlannedStep(name=step.name, state="stale", reason=changed)
        return PlannedStep(name=step.name, state="unknown", reason=reason)

    def _left(self, step: Step) -> PlannedStep:
        reason = self._left_out[step.name]
        if step.name not in self._lenders:
            return PlannedStep(name=step.name, state="skipped", reason=reason)
        if taken := borrowed(step, reason, self._outputs, self._judge):
            self._outputs[step.name], reason = taken.outputs, taken.reason
            self.learned |= {step.name: taken.run} if taken.run else {}
        elif users := [
            other.name
            for other in self._pipeline.steps
            if step.name in other.upstream() and not self._left_out[other.name]
        ]:
            raise not_lent(step, reason, users[0], self._judge)
        return PlannedStep(name=step.name, state="skipped", reason=reason)


def all_up_to_date(items: Sequence[object]) -> str:
    """Say of a mapped step that none of its items runs."""
    return f"each of {len(items)} is up to date" if items else "there is nothing to run it for"
