"""What a search is asked: which parameters of which pipeline, by which metric, and under which name that is known."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import blake3
import msgspec

from penstock.core.pipeline import Pipeline
from penstock.errors import DeclarationError, UnknownNameError
from penstock.models.fitting.axes import Axis
from penstock.models.judging.scores import falls, is_rising
from penstock.models.learning.search import Space, plain
from penstock.pipelines import Finals, Names, PipelineFunction, select, trace
from penstock.studies.spaces import axes_along, first_point, spaces_of

_DIRECTIONS = {"minimize": False, "maximize": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is searched. Trials run up to the steps `until`; `prune_by` is the curve by which they are given up."""

    function: PipelineFunction
    spaces: Mapping[str, Space]
    axes: Mapping[str, Axis]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    metric: str
    maximize: bool
    until: tuple[str, ...]
    prune_by: str
    experiment: str
    name: str

    @property
    def told(self) -> dict[str, Any]:
        """What the runs of the search say of it."""
        return {
            "metric": self.metric,
            "direction": "maximize" if self.maximize else "minimize",
            "search": {name: plain(space) for name, space in self.spaces.items()},
        }

    def traced(self, chosen: Mapping[str, Any]) -> Pipeline:
        """Return the pipeline with a trial's parameters."""
        return trace(self.function, {**self.fixed, **chosen})

    def is_whole(self, pipeline: Pipeline) -> bool:
        """Tell whether trials leave nothing of the pipeline out."""
        return select(pipeline, until=self.until) == select(pipeline)


def ask(
    function: PipelineFunction,
    search: Mapping[str, Any],
    *,
    metric: str,
    direction: str | None = None,
    until: Names = None,
    prune_by: str | None = None,
    experiment: str = "",
    fixed: Mapping[str, Any] | None = None,
    basis: Callable[[Pipeline, Names], str],
) -> Asked:
    """Check what a search is asked, and name it: by all that decides what its trials come to, the code and the rows of
    the pipeline included (`basis`), so that a search goes on only where what it found holds still."""
    fixed = dict(fixed or {})
    spaces = spaces_of(function, search, fixed)
    axes = axes_along(function, spaces)
    first = trace(function, {**fixed, **first_point(axes)})
    step = _step_of(first, metric)
    if not step and until is None:
        steps = ", ".join(each.name for each in first.steps)
        raise DeclarationError(
            f"metric '{metric}' names no step of {function.name}, so that trials would be whole runs, with what comes "
            f"after it too; write STEP.{metric} (steps: {steps}), or say up to which step trials run: until=..."
        )
    chosen = tuple((step,) if until is None else (until,) if isinstance(until, str) else until)
    maximize = _maximize(metric, direction)
    name = experiment or f"tune-{function.name}"
    told = [
        function.name,
        name,
        metric,
        maximize,
        chosen,
        {each: plain(space) for each, space in spaces.items()},
        basis(first, chosen),
    ]
    digest = blake3.blake3(msgspec.json.encode(told, enc_hook=repr, order="deterministic")).hexdigest()
    return Asked(
        function=function,
        spaces=spaces,
        axes=axes,
        fixed=fixed,
        metric=metric,
        maximize=maximize,
        until=chosen,
        prune_by=prune_by or metric.rpartition(".")[2],
        experiment=name,
        name=f"{function.name}-{digest[:8]}",
    )


def value_of(finals: Finals, metric: str) -> float | None:
    """Return the final metric of that name: `step.name`, a name that one step alone has, or a step that gives one
    number. None where there is none of it.

    Raises `DeclarationError` where several steps have it.
    """
    found = {place: value for place, value in finals.items() if metric in names_of(*place)}
    exact = [value for (step, name), value in found.items() if f"{step}.{name}".rstrip(".") == metric]
    if exact:
        return exact[0]
    if len(found) > 1:
        known = ", ".join(f"{step}.{name}".rstrip(".") for step, name in found)
        raise DeclarationError(f"several steps have a metric '{metric}'; name one of {known}")
    return next(iter(found.values()), None)


def names_of(step: str, name: str) -> tuple[str, str]:
    """Return the names by which a metric of a step may be called."""
    return name or step, f"{step}.{name}".rstrip(".")


def _step_of(pipeline: Pipeline, metric: str) -> str:
    names = [step.name for step in pipeline.steps]
    found = [name for name in names if metric == name or metric.startswith(f"{name}.")]
    first = metric.partition(".")[0]
    if not found and first != metric and difflib.get_close_matches(first, names, n=1):
        raise UnknownNameError("step", first, names, within=f"pipeline '{pipeline.name}'")
    return max(found, key=len, default="")


def _maximize(metric: str, direction: str | None) -> bool:
    if direction is not None:
        if direction not in _DIRECTIONS:
            raise UnknownNameError("direction", direction, _DIRECTIONS)
        return _DIRECTIONS[direction]
    if is_rising(metric):
        return True
    if falls(metric):
        return False
    raise DeclarationError(
        f"whether more or less of '{metric}' is better is not known; say direction='minimize' or direction='maximize'"
    )
