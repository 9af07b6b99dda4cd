"""What makes a pipeline a pipeline: unique names, references that lead somewhere, no cycles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    ordered = _ordered(pipeline.steps, steps)
    return pipeline if list(ordered) == list(steps) else replace(pipeline, steps=tuple(ordered.values()))


def _check_references(step: Step, steps: dict[str, Step]) -> None:
    for ref in [*references(step.when), *(ref for value in step.inputs.values() for ref in references(value))]:
        if ref.step not in steps:
            raise UnknownNameError("step", ref.step, steps, within=f"the inputs of step '{step.name}'")
        if ref.output not in steps[ref.step].outputs:
            raise UnknownNameError("output", ref.output, steps[ref.step].outputs, within=f"step '{ref.step}'")


def _ordered(wanted: Iterable[Step], steps: Mapping[str, Step]) -> dict[str, Step]:
    """Return the steps, each after those it needs: a walk in depth without recursion, for pipelines of any depth."""
    ordered: dict[str, Step] = {}
    way: dict[str, Iterator[str]] = {}  # the way down to where the walk is; of each step what is still to be visited
    for first in wanted:
        if first.name not in ordered:
            way[first.name] = iter(first.upstream())
        while way:
            name, upstream = next(reversed(way.items()))
            for needed in upstream:
                if needed in way:
                    names = list(way)
                    cycle = " -> ".join((*names[names.index(needed) :], needed))
                    raise DeclarationError(f"the steps {cycle} need each other in a circle; a pipeline has no cycles")
                if needed not in ordered:
                    way[needed] = iter(steps[needed].upstream())
                    break
            else:
                ordered[name] = steps[name]
                del way[name]
    return ordered
