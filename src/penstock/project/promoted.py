"""Where a run that infers takes what was learned from: the runs whose models were promoted, or one that is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.artifacts import find_run
from penstock.components import push
from penstock.core.pipeline import Pipeline, Step, references
from penstock.core.ports import MetadataStore
from penstock.core.run import ModelVersion, Run, StepRun
from penstock.errors import DeclarationError, RunError, UnknownNameError
from penstock.models import resolve_version
from penstock.pipelines import lenders, select

NEWEST = "newest"
"""Instead of a run: the newest successful one, promoted or not."""


def states_from(pipeline: Pipeline, metadata: MetadataStore, asked: str | None, **selection: Any) -> dict[str, str]:
    """Return the run from which the outputs of each step that only trains are taken; for steps that are not named it is
    the newest successful one.

    It is the run that made the version to which the alias points now of a model that the pipeline pushes: of what such
    a model was made of its own run, of anything else the newest of these. `selection` says which steps run (`only`,
    `since`, `until`, `override`). Raises `RunError` where the alias points to none of this pipeline's, or where a step
    would have to give to several models what it gave in the run of each.
    """
    learning = {step.name for step in pipeline.steps if "infer" not in step.modes}
    wanted = lenders(pipeline, select(pipeline, mode="infer", **selection)) & learning - set(selection["override"])
    if asked and asked != NEWEST:
        run = find_run(metadata, asked)
        if run.pipeline != pipeline.name:
            raise DeclarationError(
                f"states_from: run {run.id} is one of pipeline '{run.pipeline}'; name one of '{pipeline.name}'"
            )
        return dict.fromkeys(learning, run.id)
    if asked or not wanted:
        return {}
    found: dict[str, tuple[str, str]] = {}  # step -> the run, and of which model
    for step, name, alias in _pushes(pipeline):
        made_of = _upstream(pipeline, step) & learning
        if not made_of & wanted:
            continue
        model, run_id = f"{name}@{alias}", _promoted(pipeline, metadata, name, alias)
        for needed in made_of:
            if needed in wanted and needed in found:
                _check_same(metadata, needed, found[needed], (run_id, model))
            found[needed] = max(found.get(needed, ("", "")), (run_id, model))  # ids sort by time
    newest = max((run_id for run_id, _ in found.values()), default="")
    return {step: found.get(step, (newest, ""))[0] for step in learning} if newest else {}


def _check_same(metadata: MetadataStore, step: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    """Raise `RunError` where the runs of two models do not agree on what a step gave that both were made of."""
    (run, model), (other_run, other_model) = one, other
    records = metadata.get(StepRun, run, step), metadata.get(StepRun, other_run, step)
    if len({tuple(sorted(each.artifacts.items())) for each in records if each is not None}) > 1:
        raise RunError(
            f"'{model}' was made by run {run}, '{other_model}' by run {other_run}, and '{step}', of which both were "
            f"made, gave another thing in each; promote models of one run, or say whose States count: "
            f"states_from='{run}'"
        )


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
        made_by = version.lineage.get("run")
        gone = f"made by run {made_by}, which is not recorded any more" if made_by else "made by no run"
        whose = f"made by run {run.id} of pipeline '{run.pipeline}'" if run else gone
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
