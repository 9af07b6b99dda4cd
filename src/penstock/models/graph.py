"""The model graph as users hold it: a value with a one-statement method for each thing that is done with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock import models
from penstock.core import graph as core
from penstock.models.explaining import TOP
from penstock.models.graphs.package import read_files, save, to_files
from penstock.models.judging import BINS
from penstock.models.routing.stages import check_generation, stage_of

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.tables import TableLike


class ModelGraph(core.ModelGraph):
    """A fitted model: everything from a raw row to its prediction, in one value."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[[Mapping[str, bytes]], ModelGraph], tuple[dict[str, bytes]]]:
        """Travel to other processes as the graph's files, every byte of which is checked where they are opened."""
        return from_files, (to_files(self),)

    def predict(self, rows: TableLike, *, stages: bool = False) -> pa.Table:
        """Return the predicted columns, then the rows as they were given; `stages`: with what each stage of a cascade
        has predicted."""
        return models.predict(self, rows, stages=stages)

    def predict_row(self, row: Mapping[str, Any], *, stages: bool = False) -> dict[str, Any]:
        """Return the predicted columns of one row; for many calls keep `row_predictor(graph)`."""
        return models.row_predictor(self, stages=stages).predict(row)

    def evaluate(self, rows: TableLike) -> dict[str, float | None]:
        """Return metrics on rows with labels, by BigQuery ML's names."""
        return models.evaluate(self, rows)

    def calibration(self, rows: TableLike, bins: int = BINS) -> pa.Table:
        """Return how what is predicted and what is observed compare on rows with labels, in bins of predictions."""
        return models.calibration(self, rows, bins)

    def explain(
        self, rows: TableLike, top: int = TOP, *, threshold: float | None = None, label: Any = None
    ) -> pa.Table:
        """Return predictions with the `top` features that led to each, then the rows as they were given; of several
        labels, or of classes that may hold at once, of the `label` given: `price`, `red`, `tags.red`."""
        return models.explain(self, rows, top=top, threshold=threshold, label=label)

    def importance(self, rows: TableLike | None = None, *, by_class: bool = False) -> pa.Table:
        """Return how much each feature counts in the mean of explanations: of rows, or of those judged on when fit."""
        return models.importance(self, rows, by_class=by_class)

    def report(
        self,
        rows: TableLike | None = None,
        *,
        baseline: core.ModelGraph | None = None,
        slices: Sequence[str] | None = None,
        serving: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        """Return how good a cascade is, as a whole and by route: on rows, or on those held out when it was learned."""
        return models.report(self, rows, baseline=baseline, slices=slices, serving=serving)

    def save(self, directory: str | Path) -> Path:
        """Write the graph as a directory that `load_model` reads."""
        return save(self, Path(directory))

    def export(self, format: str, path: str | Path, **options: Any) -> Path:
        """Write the graph in a form that others run: `export("sql", "model.sql", dialect="postgres")`."""
        return models.export(self, format, path, **options)

    def stage(self, path: str) -> ModelGraph:
        """Return a stage of a cascade, the router or what rows are routed to, as a graph: `rare`, `inner/rare`."""
        return as_users_hold(stage_of(self, path))

    def declaration(self) -> Any:
        """Return the `Model`, or the `Cascade`, that this was learned from; its `.sql()` and `.python()` write it as
        text."""
        return models.declared(self)

    def describe(self) -> str:
        """Return a text that shows what the graph takes, does and gives."""
        return models.describe(self)


def from_files(files: Mapping[str, bytes]) -> ModelGraph:
    """Return the graph that files hold, by their names; raises `CorruptArtifactError` naming a file that is wrong,
    and `ConflictError` for a cascade whose stages are of different generations."""
    graph = read_files(files)
    check_generation(graph)
    return as_users_hold(graph)


def as_users_hold(graph: core.ModelGraph) -> ModelGraph:
    """Return a graph as the value that has a method for each thing that is done with it."""
    return ModelGraph(**{field.name: getattr(graph, field.name) for field in dataclasses.fields(graph)})
