"""The curve of a trial while it runs: what its steps have logged, as far as trials can be compared by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Metric, StepRun
from penstock.models.judging.scores import falls, is_rising
from penstock.pipelines import maker, metrics_file, read_metrics
from penstock.studies.asking import names_of

_DIGITS = 2


def curve_of(metadata: MetadataStore, root: Path, run: str, name: str, *, maximize: bool) -> dict[int, float]:
    """Return the points that the steps of a run logged under a name, by their step number, turned over where the metric
    rises and the search goes down, or the other way round.

    Of a long curve those are left out whose number has more than two digits that say something (137, but not 130): each
    point is a row in a database, and trials are compared at the same numbers only.
    """
    rising = is_rising(name) or (maximize and not falls(name))
    sign = 1.0 if rising == maximize else -1.0
    return {
        int(metric.step_number): sign * metric.value
        for step in metadata.find(StepRun, run=run)
        for metric in _logged(metadata, root, step)
        if name in names_of(step.step, metric.name)
        and metric.value is not None
        and metric.step_number is not None
        and _is_round(metric.step_number)
    }


def _logged(metadata: MetadataStore, root: Path, step: StepRun) -> Iterator[Metric]:
    if step.state in DONE:
        run, name = maker(metadata, step)
        yield from metadata.find(Metric, run=run, step=name)
    elif step.log:
        yield from read_metrics(metrics_file(root / step.log), step.run, step.step)


def _is_round(number: float) -> bool:
    return number >= 0 and number == int(number) and float(f"{number:.{_DIGITS}g}") == number
