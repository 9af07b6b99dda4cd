"""What a run is asked for: by its own options, or by those of the run that it goes on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.artifacts import find_artifact, find_run
from penstock.cascades import Cascade
from penstock.core.artifact import Artifact
from penstock.core.pipeline import Pipeline, Step
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.pipelines import PipelineFunction, asked, resumable, trace
from penstock.project.codecs import CODECS
from penstock.project.promoted import states_from
from penstock.project.runs import ArtifactView, Run

_SELECTIONS = ("only", "since", "until")


def traced_run(
    pipeline: PipelineFunction | Cascade | str | None,
    resume: Run | str | None,
    override: Mapping[str, Any] | None,
    params: Mapping[str, Any],
    how: Mapping[str, Any],
    *,
    find: Callable[[PipelineFunction | Cascade | str], PipelineFunction],
    metadata: MetadataStore,
    store: ArtifactStore,
) -> tuple[Pipeline, dict[str, Any]]:
    """Return the pipeline as a run is to run it, and how.

    With `resume`, everything that is not given is as that run had it. `override` maps a step, or `step.output`, to an
    artifact, a text that names one (a digest, "run/step", "name@alias"), or a value, which is stored.
    """
    how = dict(how)
    if resume is not None:
        id = find_run(metadata, resume if isinstance(resume, str) else resume.id).id
        record = resumable(metadata, id, as_itself=how.get("run_id") == id)
        how["engine"] = how.get("engine") or (record.engine if how.get("run_id") == id else None)
        pipeline, params = pipeline or record.pipeline, asked(record, params)
        how |= {name: record.options.get(name) for name in _SELECTIONS if not how.get(name)}
        how["states_from"] = how.get("states_from") or record.options.get("states_from")
        how |= {"resume": record.id, "mode": how.get("mode") or record.mode}
        how["experiment"] = how.get("experiment") or record.experiment
        how["cause"] = {"kind": "resume", "run": record.id} if how.get("cause") is None else how["cause"]
        override = override or _flat(record.options.get("override", {}))
    if pipeline is None:
        raise DeclarationError("run needs a pipeline, or resume=<a run> to go on from one")
    traced = trace(find(pipeline), params)
    how["override"] = _given(traced, override or {}, metadata, store)
    if how.get("mode") == "infer" and not isinstance(how.get("states_from"), Mapping):
        selection = {name: how.get(name) for name in _SELECTIONS}
        named = how.get("states_from")
        how["states_from"] = states_from(traced, metadata, named, **selection, override=how["override"])
    elif how.get("mode") != "infer" and isinstance(how.get("states_from"), str):
        raise DeclarationError("states_from is for runs in mode infer: a run in mode train learns anew")
    return traced, how


def _flat(recorded: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {f"{step}.{output}": digest for step, outputs in recorded.items() for output, digest in outputs.items()}


def _given(
    pipeline: Pipeline, override: Mapping[str, Any], metadata: MetadataStore, store: ArtifactStore
) -> dict[str, dict[str, Artifact]]:
    """Return the outputs of the steps that are overridden, as artifacts."""
    found: dict[str, dict[str, Artifact]] = {}
    for key, value in override.items():
        step, output = _place(pipeline, key)
        found.setdefault(step.name, {})[output] = _artifact(step, output, value, metadata, store)
    return found


def _place(pipeline: Pipeline, key: str) -> tuple[Step, str]:
    steps = {step.name: step for step in pipeline.steps}
    if key in steps:
        if len(steps[key].outputs) > 1:
            names = ", ".join(f"'{key}.{output}'" for output in steps[key].outputs)
            raise DeclarationError(f"override: step '{key}' has several outputs; name each of them: {names}")
        return steps[key], next(iter(steps[key].outputs))
    name, _, output = key.rpartition(".")
    if name not in steps:
        raise UnknownNameError("step", key, steps, within=f"override of pipeline '{pipeline.name}'")
    if output not in steps[name].outputs:
        raise UnknownNameError("output", output, steps[name].outputs, within=f"step '{name}'")
    return steps[name], output


def _artifact(step: Step, output: str, value: Any, metadata: MetadataStore, store: ArtifactStore) -> Artifact:
    match value:
        case Artifact():
            return value
        case ArtifactView():
            return value.record
        case str():
            return find_artifact(metadata, value)
    kind = "list" if step.each is not None else step.outputs[output]
    for codec in CODECS:
        if (kind in ("any", codec.kind)) and codec.accepts(value):
            saved = codec.save(value, store)
            if metadata.get(Artifact, saved.digest) is None:
                metadata.write(saved)
            return saved
    raise DataError(
        f"override: step '{step.name}' gives a {kind} as '{output}', but a {type(value).__name__} is to stand for it"
    )
