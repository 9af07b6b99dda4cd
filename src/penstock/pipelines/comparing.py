"""`compare`: what differs between runs - parameters, metrics, steps, data, code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.core.run import Run, State, StepRun
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines.changes import change
from penstock.pipelines.finals import Load, final_metrics

_DATA, _CODE = ("source", "file"), ("code", "global", "captured", "version", "library", "python", "platform")
_OF_A_STEP = (*_DATA, "captured", "version")
_NOT_RUN: tuple[State, ...] = ("up_to_date", "skipped", "waiting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that is not the same in all runs: its value in each, None where a run has none."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComparison:
    """A final metric in each run (None: it has none), and how far each is above the first."""

    name: str
    values: tuple[float | None, ...]
    differences: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepComparison:
    """A step in each run: its state (None: that run has no such step), how long it ran (None: it did not), and in
    `changes`, for each run, what its key has that the first run's has not ("" where the keys are the same)."""

    name: str
    states: tuple[State | None, ...]
    seconds: tuple[float | None, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs side by side, the first being what the others are compared with. `facts` (pipeline, mode, ...) and `params`
    are those that differ; `data` names the sources and files whose content differs and `code` the functions, globals
    and libraries, with what is known of them in each run; `metrics` and `steps` are all there are."""

    runs: tuple[str, ...]
    seconds: tuple[float | None, ...]
    facts: tuple[Difference, ...] = ()
    params: tuple[Difference, ...] = ()
    metrics: tuple[MetricComparison, ...] = ()
    steps: tuple[StepComparison, ...] = ()
    data: tuple[Difference, ...] = ()
    code: tuple[Difference, ...] = ()


def compare(metadata: MetadataStore, runs: Sequence[str], load: Load) -> Comparison:
    """Compare recorded runs with the first of them; `load` reads a small artifact of JSON."""
    if len(runs) < 2:
        raise DeclarationError(f"a comparison takes two runs or more, {len(runs)} was given")
    records = [_run(metadata, id) for id in runs]
    steps = [{step.step: step for step in _steps(metadata, run)} for run in records]
    facts = [{name: getattr(run, name) for name in ("pipeline", "state", "mode", "engine")} for run in records]
    options = [{f"option {name}": value for name, value in run.options.items()} for run in records]
    finals = final_metrics(metadata, runs, load)
    return Comparison(
        runs=tuple(run.id for run in records),
        seconds=tuple(_seconds(run.created, run.ended) for run in records),
        facts=_differences([fact | option for fact, option in zip(facts, options, strict=True)]),
        params=_differences([run.params for run in records]),
        metrics=tuple(_metric(name, [found.get(name) for found in finals]) for name in _names(finals)),
        steps=tuple(_step(name, [each.get(name) for each in steps]) for name in _names(steps)),
        data=_part_differences([_parts(each, _DATA) for each in steps]),
        code=_part_differences([_parts(each, _CODE) for each in steps]),
    )


def _run(metadata: MetadataStore, id: str) -> Run:
    found = metadata.get(Run, id)
    if found is None:
        raise UnknownNameError("run", id, [run.id for run in metadata.find(Run, newest_first=True, limit=5)])
    return found


def _steps(metadata: MetadataStore, run: Run) -> list[StepRun]:
    return sorted(metadata.find(StepRun, run=run.id), key=lambda step: step.position)


def _names(of_runs: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for found in of_runs for name in found))


def _differences(of_runs: Sequence[dict[str, Any]]) -> tuple[Difference, ...]:
    rows = [Difference(name=name, values=tuple(found.get(name) for found in of_runs)) for name in _names(of_runs)]
    return tuple(row for row in rows if any(value != row.values[0] for value in row.values))


def _metric(name: str, values: Sequence[float | None]) -> MetricComparison:
    first = values[0]
    differences = [None if first is None or value is None else value - first for value in values]
    return MetricComparison(name=name, values=tuple(values), differences=tuple(differences))


def _step(name: str, found: Sequence[StepRun | None]) -> StepComparison:
    first = found[0]
    return StepComparison(
        name=name,
        states=tuple(None if step is None else step.state for step in found),
        seconds=tuple(_ran(step) for step in found),
        changes=tuple("" if step is first else _change(name, first, step) for step in found),
    )


def _ran(step: StepRun | None) -> float | None:
    return None if step is None or step.state in _NOT_RUN else _seconds(step.started, step.ended)


def _seconds(began: float | None, ended: float | None) -> float | None:
    return None if began is None or ended is None else ended - began


def _change(name: str, first: StepRun | None, step: StepRun | None) -> str:
    if first is None or step is None:
        return f"{name} is not in {'the first run' if first is None else 'this run'}"
    if not first.parts or not step.parts:  # it was left out of one of them, or failed before it had a key
        return "" if first.state == step.state else f"{name} was {first.state}, and is {step.state}"
    return change(name, step.parts, first.parts)


def _parts(steps: dict[str, StepRun], kinds: Sequence[str]) -> dict[str, str]:
    """Return the parts of the steps' keys that are of some kinds, by names that are the same in every run: code is one
    wherever it is used, what a step was given belongs to the step."""
    found = {}
    for name, step in steps.items():
        for part, value in step.parts.items():
            kind, _, what = part.partition(" ")
            if kind in kinds:
                of_a_step = f"{name}.{what}" if kind == "source" else f"{part} of {name}"
                found[of_a_step if kind in _OF_A_STEP else what if kind == "code" else part] = value
    return found


def _part_differences(of_runs: Sequence[dict[str, str]]) -> tuple[Difference, ...]:
    """Return the parts whose digests differ; a function that only moved to another line is the same."""
    digests = [{name: value.partition(" ")[0] for name, value in found.items()} for found in of_runs]
    return tuple(
        Difference(name=row.name, values=tuple(_seen(found.get(row.name)) for found in of_runs))
        for row in _differences(digests)
    )


def _seen(value: str | None) -> str | None:
    """Return a part as a person sees it: "bikes.py:12 (3f6c0a91)", "pandas 3.1"."""
    if value is None:
        return None
    digest, _, seen = value.partition(" ")
    return f"{seen} ({digest[:8]})" if seen else digest
