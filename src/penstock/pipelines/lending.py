"""Where the outputs of a step that does not run come from: handed in, up to date, or those of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from penstock.core.artifact import Artifact
from penstock.core.pipeline import Step
from penstock.core.run import StepRun
from penstock.errors import PenstockError, RunError, UnknownNameError
from penstock.pipelines.changes import change
from penstock.pipelines.selection import GIVEN, for_mode, lent_by
from penstock.pipelines.settling import Chosen, Mapped, settle
from penstock.pipelines.verdicts import Judge, Verdict


@dataclass(frozen=True, slots=True)
class Borrowed:
    """The outputs that stand for those of a step, and the reason that says whence; `run` is the one that has learned
    what the step would learn in training."""

    outputs: dict[str, Artifact]
    reason: str
    run: str = ""


def borrowed(step: Step, reason: str, outputs: Mapping[str, Mapping[str, Artifact]], judge: Judge) -> Borrowed | None:
    """Return the outputs of a step that is left out; None: there are none anywhere."""
    if reason == GIVEN:
        given = judge.override[step.name]
        told = ", ".join(f"{each.kind} {each.digest[:12]}" for each in given.values())
        return Borrowed(dict(given), f"{reason}: {told}")
    learns = for_mode(reason)
    if not learns and all(name in outputs for name in step.required()):
        found = known_outputs(step, outputs, judge)
        if found is not None:
            return Borrowed(dict(found[0]), f"{reason}; its outputs are up to date{found[1]}")
    run = judge.states_from.get(step.name, "")
    earlier = judge.recall.given(step.name, modes=step.modes if learns else ("train", "infer"), run=run)
    made = judge.given(step, earlier.artifacts) if earlier is not None else {}
    if earlier is None or set(made) != set(step.outputs):
        return None
    since = _since(step, earlier, judge) if learns else ""
    return Borrowed(made, f"{reason}; {lent_by(earlier.run)}{since}", earlier.run if learns else "")


def not_lent(step: Step, reason: str, user: str, judge: Judge) -> RunError:
    """Return the error that says why nothing stands for the outputs of a step that is left out, which `user` needs."""
    is_left = f"is {reason}" if reason.startswith("not") else reason
    needed = f"step '{user}' needs what '{step.name}' gives, but '{step.name}' {is_left}, and "
    run = judge.states_from.get(step.name, "")
    if run:
        return RunError(f"{needed}{_lacks(step, run, judge)}")
    first = (
        f"in mode {' or '.join(sorted(step.modes))}"
        if for_mode(reason)
        else f"without a selection, or with until='{step.name}'"
    )
    return RunError(f"{needed}no earlier successful run has left its outputs; run it first: {first}")


def _lacks(step: Step, run: str, judge: Judge) -> str:
    """Say why a run that is to lend what a step gives does not."""
    ways = "train and promote anew, or name another run (states_from)"
    steps = judge.recall.steps(run)
    made = steps.get(step.name)
    if not steps:
        return f"run {run}, which is to lend it, is not recorded any more; {ways}"
    if made is None:
        renamed = UnknownNameError("step", step.name, steps, within=f"run {run}, which is to lend it")
        return f"there is {renamed}; call it as it was called there, {ways}"
    if not made.artifacts:
        said = made.error.partition("\n")[0] or made.reason
        return f"in run {run}, which is to lend it, it {_became(made)}{f' ({said})' if said else ''}; {ways}"
    if set(made.artifacts) != set(step.outputs):
        return f"in run {run} it gave {', '.join(made.artifacts)}, and is to give {', '.join(step.outputs)} now; {ways}"
    return (
        f"what it gave in run {run} is not in the store any more; penstock run --resume {run} makes it again, if its "
        f"code and what it read are as they were; or {ways}"
    )


def _became(made: StepRun) -> str:
    return {"skipped": "was skipped", "cancelled": "was cancelled", "failed": "failed"}.get(
        made.state, f"is {made.state}"
    )


def _since(step: Step, earlier: StepRun, judge: Judge) -> str:
    """Say what a person has changed since a step learned: what it learned is as it was."""
    with suppress(PenstockError):  # what has no fingerprint cannot be compared; a run in mode train says so
        if earlier.parts and (said := change(step.name, judge.keys.declared(step), earlier.parts, only_known=True)):
            return f"; since then {said}"
    return ""


def known_outputs(
    step: Step, outputs: Mapping[str, Mapping[str, Artifact]], judge: Judge
) -> tuple[Mapping[str, Artifact], str] | None:
    """Return what a step gives, and whence, where that can be had without running anything."""
    match settle(step, outputs, judge):
        case Chosen(outputs=found):
            return found, ""
        case Verdict(entry=entry, outputs=found) if entry is not None:
            return found, f" (run {entry.run})"
        case Mapped(items=items):
            verdicts = [judge.verdict(item, outputs) for item in items]
            if all(verdict.entry is not None for verdict in verdicts):
                return joined(step, [verdict.outputs for verdict in verdicts], judge), ""
    return None


def joined(step: Step, items: Sequence[Mapping[str, Artifact]], judge: Judge) -> dict[str, Artifact]:
    """Return the outputs of a mapped step: the lists of those of its items."""
    return {output: judge.recall.listed([item[output] for item in items]) for output in step.outputs}
