"""What makes a pipeline a pipeline: unique names, references that lead somewhere, no cycles."""

from __future__ import annotations

from dataclasses import replace

from penstock.core.pipeline import Pipeline, Step, references
from penstock.errors import DeclarationError, UnknownNameError


def checked(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with each step after those it needs; raises `DeclarationError` naming what is wrong.

    Tracing makes such pipelines by construction; one made by hand may be anything.
    """
    steps: dict[str, Step] = {}
    for step in pipeline.steps:
        if step.name in steps:
            raise DeclarationError(f"pipeline '{pipeline.name}' has two steps named '{step.name}'; name them apart")
        steps[step.name] = step
    for step in pipeline.steps:
        _check_references(step, steps)
    ordered: dict[str, Step] = {}
    for step in pipeline.steps:
        _visit(step, steps, ordered, ())
    return pipeline if list(ordered) == list(steps) else replace(pipeline, steps=tuple(ordered.values()))


def _check_references(step: Step, steps: dict[str, Step]) -> None:
    for ref in [*references(step.when), *(ref for value in step.inputs.values() for ref in references(value))]:
        if ref.step not in steps:
            raise UnknownNameError("step", ref.step, steps, within=f"the inputs of step '{step.name}'")
        if ref.output not in steps[ref.step].outputs:
            raise UnknownNameError("output", ref.output, steps[ref.step].outputs, within=f"step '{ref.step}'")


def _visit(step: Step, steps: dict[str, Step], ordered: dict[str, Step], path: tuple[str, ...]) -> None:
    if step.name in path:
        cycle = " -> ".join((*path[path.index(step.name) :], step.name))
        raise DeclarationError(f"the steps {cycle} need each other in a circle; a pipeline has no cycles")
    if step.name not in ordered:
        for name in step.upstream():
            _visit(steps[name], steps, ordered, (*path, step.name))
        ordered[step.name] = step
