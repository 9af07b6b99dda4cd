"""One step of a past run once more, on what it was given then: to look into it, or to see whether it gives the same."""

from __future__ import annotations

import inspect
import re
import tempfile
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstock.core.artifact import Artifact, Named
from penstock.core.pipeline import Pipeline, Step, references
from penstock.core.ports import Task
from penstock.core.run import CacheEntry, StepRun
from penstock.errors import CorruptArtifactError, RunError
from penstock.pipelines.changes import change, changed, observed_change
from penstock.pipelines.keys import Key
from penstock.pipelines.loaded import code_parts
from penstock.pipelines.mapping import expanded
from penstock.pipelines.metrics import logging_metrics
from penstock.pipelines.modes import in_mode, running_in
from penstock.pipelines.observed import located
from penstock.pipelines.planning import new_judge
from penstock.pipelines.seeds import seed_of, seeded
from penstock.pipelines.services import Services
from penstock.pipelines.spanned import with_spans
from penstock.pipelines.verdicts import Judge
from penstock.pipelines.working import opened_arguments

_ITEM = re.compile(r"(.+)\[(\d+)\]")
_OUTSIDE = ("source", "file", "parameter")  # what of a key the stores do not keep


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A step of a past run, ready to run again. `since` says in words what decides its result and is not as it was, ""
    where all is; `lost` does so for inputs that no store keeps, so that they cannot be had any more as they were."""

    task: Task
    record: StepRun
    key: Key
    since: str = ""
    lost: str = ""


def rebuild(pipeline: Pipeline, record: StepRun, services: Services, *, mode: str = "train") -> Replay:
    """Return a step of a past run with the artifacts that it got then. `pipeline` is traced with that run's parameters,
    and `mode` is that run's.

    Raises `RunError` where the step never got as far as having inputs, or where what it got is gone.
    """
    if not record.key:
        raise RunError(
            f"step '{record.step}' of run {record.run} is {record.state}: it was never given anything, so there is "
            "nothing to run again",
            run_id=record.run,
        )
    pipeline, judge = in_mode(pipeline, mode), new_judge(pipeline, services)
    step, index = declared_step(pipeline, record.step)
    if step.chooses or (step.each is not None and index is None):
        what = "calls nothing" if step.chooses else f"runs for each of its items; run an item: '{step.name}[0]'"
        raise RunError(f"step '{step.name}' {what}", run_id=record.run)
    outputs = _given_then(pipeline, step, record, services, judge)
    if index is not None:
        step = with_spans(step, judge.keys.source)
        step = _item(step, index, judge.arguments(step, outputs), record, judge)
    arguments = _as_given(judge.arguments(step, outputs), record, judge)
    key = judge.keys.key(step, arguments)
    seed = seed_of(record.key)
    task = Task(
        id=f"{record.run}/{record.step}/again",
        entry=services.entry,
        run=record.run,
        step=step,
        arguments=arguments,
        context=replace(services.context, run=record.run, step=record.step, seed=seed, mode=mode),
        log=services.logs / record.run / f"{record.step}.again.log",
        paths=services.paths,
        code=code_parts(key.parts),
        pid=None,
        seed=seed,
    )
    outside = [name for name in changed(key.parts, record.parts) if name.startswith(_OUTSIDE)]
    return Replay(
        task=task,
        record=record,
        key=key,
        since=change(step.name, key.parts, record.parts) or _looked_at(record, services),
        lost=change(step.name, _only(key.parts, outside), _only(record.parts, outside)),
    )


def declared_step(pipeline: Pipeline, name: str) -> tuple[Step, int | None]:
    """Return the step of a pipeline that a recorded step is a run of, and of an item of a mapped step which it is."""
    mapped = _ITEM.fullmatch(name)
    if mapped is None or any(step.name == name for step in pipeline.steps):
        return pipeline.step(name), None
    return pipeline.step(mapped[1]), int(mapped[2])


def _item(step: Step, index: int, arguments: Mapping[str, Any], record: StepRun, judge: Judge) -> Step:
    items = expanded(step, arguments, judge.recall.load) if step.each is not None else ()
    if index >= len(items):
        raise RunError(
            f"step '{step.name}' would run for {len(items)} items now, so '{record.step}' is none of them; has the "
            "pipeline changed since?",
            run_id=record.run,
        )
    return items[index]


def replay(given: Replay, services: Services, *, debug: bool = False) -> Any:
    """Run the step here, in this process, and return its value; nothing is recorded.

    With `debug`, Python's debugger stops at the first line of the step's function, and where it raises.
    """
    if given.lost:
        warnings.warn(f"{given.lost} since run {given.record.run}: the step gets what there is now", stacklevel=2)
    codecs = {codec.kind: codec for codec in services.codecs}
    arguments = opened_arguments(given.task, services.artifacts, codecs)
    mode, seed = given.task.context.mode, given.task.seed
    with (
        tempfile.TemporaryDirectory() as folder,
        logging_metrics(Path(folder) / "metrics"),
        seeded(seed),
        running_in(mode),
    ):
        return _debugged(given.task.step.call, arguments) if debug else given.task.step.call(**arguments)


def _debugged(call: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    import pdb  # only people who debug wait for it

    debugger, code = pdb.Pdb(), inspect.unwrap(call).__code__
    body = min({line for _, _, line in code.co_lines() if line and line > code.co_firstlineno}, default=0)
    # A decorator's wrapper would be the first to be stopped in: go on to the function itself.
    if body and debugger.set_break(code.co_filename, body, temporary=True) is None:
        debugger.rcLines.append("continue")
    try:
        return debugger.runcall(call, **arguments)
    except Exception as error:
        traceback.print_exc()
        pdb.post_mortem(error.__traceback__)
        raise


def _given_then(
    pipeline: Pipeline, step: Step, record: StepRun, services: Services, judge: Judge
) -> dict[str, dict[str, Artifact]]:
    """Return what the steps before gave in that run."""
    required = {ref.step for value in step.inputs.values() for ref in references(value, optional=False)}
    wanted = list(dict.fromkeys(ref.step for value in step.inputs.values() for ref in references(value)))
    found = services.metadata.find(StepRun, run=record.run, step=wanted) if wanted else []
    recorded = {each.step: each.artifacts for each in found}
    outputs = {}
    for name in wanted:
        if not recorded.get(name):
            if name not in required:
                continue  # it may be skipped, and was
            raise RunError(
                f"run {record.run} has no record of what step '{name}' gave, which '{record.step}' needs now; has the "
                "pipeline changed since?",
                run_id=record.run,
            )
        outputs[name] = judge.given(declared_step(pipeline, name)[0], recorded[name])
        for output, digest in recorded[name].items():
            if output not in outputs[name] or not judge.recall.has(digest):
                raise CorruptArtifactError(
                    f"what step '{name}' gave in run {record.run} ('{output}') is not in the store any more; run the "
                    "pipeline again, and use that run",
                    digest=digest,
                )
    return outputs


def _as_given(arguments: dict[str, Any], record: StepRun, judge: Judge) -> dict[str, Any]:
    """A named artifact is the one that the name stood for then."""
    for name, value in arguments.items():
        if isinstance(value, Named) and (digest := record.inputs.get(name)) != value.artifact.digest and digest:
            for artifact in judge.recall.artifacts([digest]).values():
                arguments[name] = replace(value, artifact=artifact)
    return arguments


def _looked_at(record: StepRun, services: Services) -> str:
    """What the step looked at outside its arguments, and is not as it was."""
    entry = services.metadata.get(CacheEntry, record.key)
    for name, value in entry.observed.items() if entry is not None else ():
        if (now := services.observe(located(name, services.context.root))) != value:
            return observed_change(name, value, now)
    return ""


def _only(parts: Mapping[str, str], names: list[str]) -> dict[str, str]:
    return {name: parts[name] for name in names if name in parts}
