"""The experiments of a project: runs under one name, with their final metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.run import Run as RunRecord
from penstock.errors import UnknownNameError
from penstock.pipelines import Comparison, compare, final_metrics
from penstock.project.codecs import load_artifact
from penstock.project.runs import Recorded, Run
from penstock.studies import Study, recorded_studies


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRange:
    """A final metric over the runs of an experiment: of the newest that has it, the lowest and the highest."""

    last: float
    lowest: float
    lowest_run: str
    highest: float
    highest_run: str


class Experiments(Mapping[str, "Experiment"]):
    """The experiments by name, the one with the newest run first."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded

    def __getitem__(self, name: str) -> Experiment:
        if name not in (known := list(self)):
            raise UnknownNameError("experiment", name, known)
        return Experiment(name, self._recorded)

    def __iter__(self) -> Iterator[str]:
        runs = self._recorded.metadata.find(RunRecord, newest_first=True)
        return iter(dict.fromkeys(run.experiment for run in runs if run.experiment))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Experiment:
    """The runs that were put into an experiment of this name."""

    def __init__(self, name: str, recorded: Recorded) -> None:
        self.name = name
        self._recorded = recorded

    @property
    def runs(self) -> list[Run]:
        """The runs, newest first."""
        records = self._recorded.metadata.find(RunRecord, newest_first=True, experiment=self.name)
        return [Run(record.id, self._recorded) for record in records]

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The final metrics of each run, by its id, newest first."""
        runs = [run.id for run in self.runs]
        return dict(zip(runs, final_metrics(self._recorded.metadata, runs, self._load), strict=True))

    @property
    def ranges(self) -> dict[str, MetricRange]:
        """What each final metric came to over the runs."""
        found: dict[str, list[tuple[float, str]]] = {}
        for run, metrics in self.metrics.items():
            for name, value in metrics.items():
                found.setdefault(name, []).append((value, run))
        return {name: _range(values) for name, values in found.items()}

    @property
    def studies(self) -> tuple[Study, ...]:
        """The searches of `project.tune` that have trials here, the newest first."""
        return recorded_studies(self._recorded.metadata, [run.record for run in self.runs], self._load)

    def _load(self, artifact: Artifact) -> Any:
        return load_artifact(artifact, self._recorded.artifacts)

    def __repr__(self) -> str:
        return f"<experiment {self.name}: {len(self.runs)} runs>"


def _range(values: list[tuple[float, str]]) -> MetricRange:
    ordered = sorted(value for value in values if value[0] == value[0]) or values  # NaN is neither low nor high
    (lowest, lowest_run), (highest, highest_run) = ordered[0], ordered[-1]
    return MetricRange(
        last=values[0][0], lowest=lowest, lowest_run=lowest_run, highest=highest, highest_run=highest_run
    )


def compare_runs(recorded: Recorded, *runs: Run | str) -> Comparison:
    """Compare runs with the first of them."""
    ids = [run if isinstance(run, str) else run.id for run in runs]
    return compare(recorded.metadata, ids, lambda artifact: load_artifact(artifact, recorded.artifacts))
