"""Which steps of a pipeline a run is asked for: names and patterns, `since`, `until`, and the mode."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from penstock.core.pipeline import Pipeline
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines.modes import MODES

Names = Sequence[str] | str | None
GIVEN = "its output is given"
"""Why a step does not run whose outputs were handed to the run (`override=`)."""
_LENT = re.compile(r"its outputs are those of (run [\w-]+)")


def select(
    pipeline: Pipeline,
    *,
    only: Names = None,
    since: Names = None,
    until: Names = None,
    mode: str = "train",
    override: Collection[str] = (),
) -> dict[str, str]:
    """Return step name -> why it is left out, "" for the steps that are to run, in the pipeline's order.

    `only` is exactly those; `since` those and all that need them; `until` those and all that they need; together the
    steps that satisfy each. Names may be patterns (`eval*`), or name a nested pipeline: all of its steps. A mode leaves
    out steps that are not for it, and steps whose results only those would have used. Steps in `override` do not run,
    because what they would give is there, and neither do steps that only those would have used.
    """
    if mode not in MODES:
        raise UnknownNameError("mode", mode, MODES)
    down = _downstream(pipeline)
    up = {step.name: step.upstream() for step in pipeline.steps}
    chosen = {step.name for step in pipeline.steps}
    for names, reach in ((only, {}), (since, down), (until, up)):
        if named := _matching(pipeline, names):
            chosen &= _closure(named, reach)
    if not chosen:
        raise DeclarationError(
            f"no step of pipeline '{pipeline.name}' is in only={only!r}, since={since!r} and until={until!r} at once"
        )
    wrong_mode = {step.name for step in pipeline.steps if mode not in step.modes}
    # What uses something learned is what inference is for, even if only a training step judges it afterwards.
    kept = _closure(wrong_mode, down)
    # And what runs in this mode alone is what the other takes from here.
    kept |= {step.name for step in pipeline.steps if step.modes == {mode}}
    reasons: dict[str, str] = {}
    for step in reversed(pipeline.steps):
        if step.name in override:
            reasons[step.name] = GIVEN
        elif override and down[step.name] and all(_of_given(reasons[name]) for name in down[step.name]):
            reasons[step.name] = "only needed by steps whose output is given"
        elif step.name in wrong_mode:
            reasons[step.name] = f"runs only in mode {' and '.join(sorted(step.modes))}"
        elif step.name not in kept and down[step.name] and all(_of_mode(reasons[name]) for name in down[step.name]):
            reasons[step.name] = f"only needed by steps that are not for mode {mode}"
        else:
            reasons[step.name] = "" if step.name in chosen else "not selected"
    return {step.name: reasons[step.name] for step in pipeline.steps}


def lenders(pipeline: Pipeline, left_out: Mapping[str, str]) -> frozenset[str]:
    """Return the steps left out whose outputs are wanted: by steps that run, or for the key of another such step."""
    wanted: set[str] = set()
    for step in reversed(pipeline.steps):
        reason = left_out[step.name]
        if not reason or (step.name in wanted and reason != GIVEN and not for_mode(reason)):
            wanted.update(step.upstream())
    return frozenset(name for name in wanted if left_out[name])


def for_mode(reason: str) -> bool:
    """Tell whether a step is left out because it runs in another mode only."""
    return reason.startswith("runs only")


def lent_by(run: str) -> str:
    """Say of a step that is left out which run's outputs stand for its own."""
    return f"its outputs are those of run {run}"


def lender(reason: str) -> str:
    """Return the run, as `run ID`, whose outputs a reason says stand for a step's; "" where it says of none."""
    found = _LENT.search(reason)
    return found[1] if found is not None else ""


def _of_given(reason: str) -> bool:
    return reason == GIVEN or reason.startswith("only needed by steps whose")


def _of_mode(reason: str) -> bool:
    return for_mode(reason) or reason.startswith("only needed by steps that are not")


def _matching(pipeline: Pipeline, names: Names) -> set[str]:
    known = [step.name for step in pipeline.steps]
    found: set[str] = set()
    for name in [names] if isinstance(names, str) else names or ():
        matched = {step for step in known if step == name or fnmatchcase(step, name) or step.startswith(f"{name}.")}
        if not matched:
            raise UnknownNameError("step", name, known, within=f"pipeline '{pipeline.name}'")
        found |= matched
    return found


def _downstream(pipeline: Pipeline) -> dict[str, list[str]]:
    down: dict[str, list[str]] = {step.name: [] for step in pipeline.steps}
    for step in pipeline.steps:
        for name in step.upstream():
            down[name].append(step.name)
    return down


def _closure(names: Iterable[str], reach: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(reach.get(name, ()))
    return found
