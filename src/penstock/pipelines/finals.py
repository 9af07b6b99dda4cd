"""The final metrics of runs: where the curves of their steps ended, and the numbers that steps gave as results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.core.run import CacheEntry, Metric, StepRun
from penstock.errors import CorruptArtifactError
from penstock.pipelines.metrics import curves, last_values

Load: TypeAlias = Callable[[Artifact], Any]
Finals: TypeAlias = dict[tuple[str, str], float]
"""(step, metric) -> value; the metric is "" where the step gave one number."""

_REPORTS = ("json", "metrics")
_LARGEST_BYTES = 1 << 16  # a result of JSON beyond this is data, not a report


def maker(metadata: MetadataStore, step: StepRun) -> tuple[str, str]:
    """Return the run and the name of the step run that made what a step gives: another one where it was up to date."""
    if step.origin:
        run, _, name = step.origin.partition("/")
        return run, name
    entry = metadata.get(CacheEntry, step.key) if step.state == "up_to_date" else None
    return (entry.run, entry.step) if entry is not None else (step.run, step.step)


def final_metrics(metadata: MetadataStore, runs: Sequence[str], load: Load) -> list[dict[str, float]]:
    """Return the final metrics of each run by name; "step.name" where several steps have a metric of that name."""
    finals = finals_of(metadata, runs, load)
    return _named([finals[run] for run in runs])


def finals_of(metadata: MetadataStore, runs: Sequence[str], load: Load) -> dict[str, Finals]:
    """Return the final metrics of each run, by the step and the name that each has there."""
    steps = metadata.find(StepRun, run=list(runs))
    made = {(step.run, step.step): maker(metadata, step) for step in steps}
    logged: dict[tuple[str, str], list[Metric]] = {}
    for metric in metadata.find(Metric, run=sorted({run for run, _ in made.values()})):
        logged.setdefault((metric.run, metric.step), []).append(metric)
    digests = {digest for step in steps for digest in step.artifacts.values()}
    artifacts = {each.digest: each for each in metadata.find(Artifact, digest=sorted(digests)) if each.kind in _REPORTS}
    finals: dict[str, Finals] = {run: {} for run in runs}
    for step in sorted(steps, key=lambda step: step.position):
        found = finals[step.run]
        for name, value in last_values(curves(logged.get(made[step.run, step.step], ()))).items():
            found[step.step, name] = value
        for output, digest in step.artifacts.items():
            for name, value in _numbers(artifacts.get(digest), load):
                found.setdefault((step.step, ".".join(filter(None, (_unless_result(output), name)))), value)
    return finals


def _numbers(artifact: Artifact | None, load: Load) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a result that is one, or a dict of nothing else (None: not known)."""
    if artifact is None or artifact.facts.get("size_bytes", 0) > _LARGEST_BYTES:
        return
    try:
        value = artifact.facts["preview"] if "preview" in artifact.facts else load(artifact)
    except CorruptArtifactError:  # it was collected as garbage: what it held is not known any more
        return
    values = value if isinstance(value, Mapping) else {"": value}
    if all(each is None or _is_number(each) for each in values.values()):
        yield from ((name, float(each)) for name, each in values.items() if each is not None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unless_result(output: str) -> str:
    return "" if output == "result" else output


def _named(finals: Sequence[Finals]) -> list[dict[str, float]]:
    owners: dict[str, set[str]] = {}
    for found in finals:
        for step, name in found:
            owners.setdefault(name or step, set()).add(step)
    return [
        {
            (name or step) if len(owners[name or step]) == 1 else f"{step}.{name}".rstrip("."): value
            for (step, name), value in found.items()
        }
        for found in finals
    ]
