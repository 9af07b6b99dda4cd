"""What becomes of a step once all that it waits for has ended: skipped, judged by its key, mapped, or chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from penstock.core.artifact import Artifact
from penstock.core.pipeline import Ref, Step, references
from penstock.pipelines.arguments import Outputs, decide
from penstock.pipelines.mapping import expanded
from penstock.pipelines.spanned import with_spans
from penstock.pipelines.verdicts import Judge, Verdict


@dataclass(frozen=True, slots=True)
class Skipped:
    """It does not run, and neither does what needs it; `needs` is the step that gave nothing, where that is why."""

    reason: str
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """It runs as its items; `verdict` has the key and the inputs of the whole."""

    verdict: Verdict
    items: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Its outputs are those of one of its branches."""

    outputs: Mapping[str, Artifact]
    reason: str


Settled: TypeAlias = Skipped | Mapped | Chosen | Verdict


def settle(step: Step, outputs: Outputs, judge: Judge) -> Settled:
    """Say what becomes of a step whose upstream has ended; the steps that `outputs` lacks have none."""
    if gone := [name for name in step.required() if name not in outputs]:
        return Skipped(f"needs {gone[0]}", gone[0])
    if not decide(step.when, outputs, judge.recall.load):
        return Skipped(f"its condition {step.when!r} does not hold")
    if step.chooses:
        return _chosen(step, outputs, judge)
    if step.each is not None:
        return _mapped(step, outputs, judge)
    return judge.verdict(step, outputs)


def chosen_input(step: Step, outputs: Outputs, judge: Judge) -> str:
    """Return which input a step that chooses takes: `then` or `otherwise`."""
    return "then" if decide(step.inputs["condition"], outputs, judge.recall.load) else "otherwise"


def _chosen(step: Step, outputs: Outputs, judge: Judge) -> Settled:
    taken = chosen_input(step, outputs, judge)
    reason = f"{step.inputs['condition']!r} {'holds' if taken == 'then' else 'does not hold'}"
    if taken not in step.inputs:
        return Skipped(f"{reason}, and there is nothing otherwise")
    value = step.inputs[taken]
    if gone := [ref.step for ref in references(value, optional=False) if ref.step not in outputs]:
        return Skipped(f"{reason}, but it needs {gone[0]}", gone[0])
    said = f"{reason}: {value!r}" if isinstance(value, Ref) else f"{reason}: a value given"
    return Chosen({"result": judge.stored(value, outputs)}, said)


def _mapped(step: Step, outputs: Outputs, judge: Judge) -> Mapped:
    step = with_spans(step, judge.keys.source)
    verdict = judge.whole(step, outputs)
    items = expanded(step, verdict.arguments, judge.recall.load)
    reason = f"runs for each of {len(items)}" if items else "there is nothing to run it for"
    return Mapped(replace(verdict, reason=reason), items)
