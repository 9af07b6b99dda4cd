"""Where a run that infers takes what was learned from: the runs whose models were promoted, or one that is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.artifacts import find_run
from penstock.components import push
from penstock.core.pipeline import Pipeline, Step, references
from penstock.core.ports import MetadataStore
from penstock.core.run import ModelVersion, Run
from penstock.errors import DeclarationError, RunError, UnknownNameError
from penstock.models import resolve_version

NEWEST = "newest"
"""Instead of a run: the newest successful one, promoted or not."""


def states_from(pipeline: Pipeline, metadata: MetadataStore, asked: str | None) -> dict[str, str]:
    """Return the run from which the outputs of each step that only trains are taken; for steps that are not named it is
    the newest successful one.

    Of what a model was made of that the pipeline pushes under an alias, it is the run that made the version to which
    the alias points now. Raises `RunError` where the alias points to none of this pipeline's.
    """
    learning = {step.name for step in pipeline.steps if "infer" not in step.modes}
    if asked == NEWEST or not learning:
        return {}
    if asked:
        run = find_run(metadata, asked)
        if run.pipeline != pipeline.name:
            raise DeclarationError(
                f"states_from: run {run.id} is one of pipeline '{run.pipeline}'; name one of '{pipeline.name}'"
            )
        return dict.fromkeys(learning, run.id)
    found: dict[str, str] = {}
    for step, name, alias in _pushes(pipeline):
        run_id = _promoted(pipeline, metadata, name, alias)
        for needed in _upstream(pipeline, step) & learning:
            found[needed] = max(found.get(needed, ""), run_id)  # ids sort by time
    return found


def _pushes(pipeline: Pipeline) -> Iterator[tuple[Step, str, str]]:
    """Yield the steps that promote a model, with its name and alias, as far as these are known beforehand."""
    for step in pipeline.steps:
        name, alias = step.inputs.get("name"), step.inputs.get("alias")
        if step.call is push and isinstance(name, str) and isinstance(alias, str):
            yield step, name, alias


def _promoted(pipeline: Pipeline, metadata: MetadataStore, name: str, alias: str) -> str:
    way_out = (
        f"let a run in mode train push it, name a run (states_from=..., --states-from), or take the newest successful "
        f"one: states_from='{NEWEST}'"
    )
    try:
        version: ModelVersion = resolve_version(metadata, f"{name}@{alias}")
    except UnknownNameError as error:
        raise RunError(
            f"pipeline '{pipeline.name}' infers with what was promoted as '{name}@{alias}'; there is none: {way_out}"
        ) from error
    run = metadata.get(Run, str(version.lineage.get("run", "")))
    if run is None or run.pipeline != pipeline.name:
        whose = f"made by run {run.id} of pipeline '{run.pipeline}'" if run else "made by no run that is recorded"
        raise RunError(
            f"pipeline '{pipeline.name}' infers with what was promoted as '{name}@{alias}', which is version "
            f"{version.version}, {whose}: {way_out}"
        )
    return run.id


def _upstream(pipeline: Pipeline, step: Step) -> set[str]:
    """Return all that a step's graph was made of, and what blessed it: both are of one run."""
    steps = {each.name: each for each in pipeline.steps}
    todo: list[Any] = [ref.step for each in ("graph", "blessings") for ref in references(step.inputs.get(each))]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(steps[name].upstream())
    return found
