"""What features are worth to a model of the project, found by a run of it like any other."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pyarrow as pa

from penstock import components
from penstock.components.ablation import Ablation, ablated, ablation_of
from penstock.core.artifact import Artifact, Source
from penstock.core.model import Model
from penstock.core.pipeline import Pipeline
from penstock.errors import DataError
from penstock.models import resolve_version
from penstock.pipelines import OnEvent, pipeline, trace
from penstock.project.catalog import ProjectCatalog
from penstock.project.fitting import named_rows
from penstock.project.given import given_rows
from penstock.project.looking_up import check_features
from penstock.tables import TableLike, bound, to_arrow

_SAMPLE = 2000


class Result(Protocol):
    """Run a pipeline, and return what its step of that name gave."""

    def __call__(self, pipeline: Pipeline, step: str, on_event: OnEvent | None = None) -> Any:
        """Return the value of the step."""


@dataclass(frozen=True, slots=True)
class Ablations:
    """What `project.ablate` is made of: the catalog that names of models and rows are looked up in, and runs."""

    catalog: Callable[[], ProjectCatalog]
    result: Result

    def ablate(
        self,
        model: Model | str,
        rows: TableLike,
        *,
        how: Literal["refit", "permute"] = "refit",
        metric: str | None = None,
        features: Sequence[str] | None = None,
        alone: bool = True,
        seeds: int = 1,
        repeats: int = 5,
        test: float = 0.2,
        by: str | None = None,
        on_event: OnEvent | None = None,
    ) -> pa.Table:
        """Say what each feature, and all those together that show an image, a text or columns, are worth to a model.

        `how="refit"` leaves them out, learns again, and judges all models on the same rows held out (`test` of them,
        `by` as `ps.split` has it); with `alone` also the model of each by itself. It is one run, whose figure is on
        its page; what has been learned before is not learned again. `seeds` says how often the rows are divided anew.

        `how="permute"` learns nothing anew: in the rows held out the values of a feature become those of other rows,
        `repeats` times. A registered model (its name, `name@alias`, `name/3`) is then judged on all of the rows, so
        give rows that it did not learn from.

        The table has a row for each variant: its `metric` (default: what a tuning would go by), the `difference` to
        that of the whole model, and that difference's `standard_error`. `features` are those to try, if not all.
        """
        catalog = self.catalog()
        declared, graph = (model, None) if isinstance(model, Model) else _registered(model, catalog)
        check_features(declared, catalog.metadata)
        given = given_rows(rows, catalog)
        plan = ablation_of(
            declared,
            _some(given),
            how=how,
            metric=metric,
            features=features,
            alone=alone,
            seeds=seeds,
            repeats=repeats,
            test=test,
            by=by,
            graph=graph,
        )
        named = named_rows(given, catalog.metadata, catalog.store)
        table: pa.Table = self.result(_pipeline(plan, named), "ablation", on_event)
        return table


def _registered(name: str, catalog: ProjectCatalog) -> tuple[Model, Artifact | None]:
    """Return the declaration of a registered model, and the artifact that its graph is."""
    version = resolve_version(catalog.metadata, name)
    declared = catalog.models[version.model].load(version.version).declaration()
    if not isinstance(declared, Model):
        raise DataError(
            f"cascade '{name}' has no features of its own, its stages have; learn a stage as a model by itself and "
            "ablate that, and see by project.requests and graph.report() what each route is worth"
        )
    return declared, catalog.metadata.get(Artifact, version.digest)


def _some(rows: TableLike) -> pa.Table:
    """Return some rows: as many as tell what columns there are, and what is in them."""
    if not isinstance(rows, Source):
        return to_arrow(rows).slice(0, _SAMPLE)
    with bound({"rows": rows}) as cursor:
        return cursor.sql(f"SELECT * FROM rows LIMIT {_SAMPLE}").to_arrow_table()


def _pipeline(plan: Ablation, rows: Artifact | str) -> Pipeline:
    @pipeline(name=f"ablate {plan.model.name}")
    def declared() -> None:
        given: Any = components.read(rows) if isinstance(rows, str) else rows
        table = ablated(plan, given)
        if importlib.util.find_spec("matplotlib") is not None:  # the table is there without the figure too
            components.plot_ablation(table, plan.model.name)

    return trace(declared)
