"""What `project.tune` does: a search over a pipeline's parameters, with the project's stores and one engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from penstock.core.pipeline import Pipeline
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.units import seconds
from penstock.engines import open_engine
from penstock.errors import StorageError
from penstock.models.fitting.proposing import load_optuna
from penstock.pipelines import Names, PipelineFunction, Services, SharedEngine, basis, execute, new_run_id
from penstock.project.codecs import load_artifact
from penstock.project.config import Config
from penstock.project.driving import drive, metadata_url
from penstock.project.images import engine_options, on_engine
from penstock.stores import members_of
from penstock.stores.studies import open_studies
from penstock.studies import (
    Asked,
    How,
    Means,
    OnStudyEvent,
    SearchRecord,
    Study,
    StudyEnded,
    StudyEvent,
    ask,
    recorded_search,
    search as searched,
)
from penstock.studies.reporting import reported


@dataclass(frozen=True, slots=True)
class Tunings:
    """What `project.tune` is made of."""

    config: Config
    metadata: MetadataStore
    artifacts: ArtifactStore
    services: Services
    find: Callable[[PipelineFunction | str], PipelineFunction]

    def tune(
        self,
        pipeline: PipelineFunction | str,
        search: Mapping[str, Any],
        *,
        metric: str,
        trials: int = 20,
        direction: str | None = None,
        params: Mapping[str, Any] | None = None,
        parallel: int = 1,
        sampler: str = "tpe",
        pruner: str = "none",
        prune_by: str | None = None,
        until: Names = None,
        experiment: str = "",
        tags: Mapping[str, Any] | None = None,
        timeout: float | str | None = None,
        seed: int = 0,
        engine: str | None = None,
        max_parallel: int | None = None,
        figures: bool = True,
        cause: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        on_event: OnStudyEvent | None = None,
    ) -> Study:
        """Search the parameters of a pipeline for those with the best metric, then run it once with these.

        `search` maps parameters to `ps.hparam_range(2, 12)`, `ps.hparam_range(0.01, 0.3, log=True)`,
        `ps.hparam_candidates([...])`, or a text ("int(2..12)", "a,b"); `params` are the others. `metric` is
        "step.name": trials are runs up to that step (`until` says another), so that what comes after it, such as a last
        evaluation on rows kept back and a push, is done by the final run alone. Steps that trials share are made once.
        `direction` is known for metrics that penstock has. `parallel` trials run at a time, on one engine. `sampler` is
        tpe, random, grid, cmaes, gp or qmc; `pruner` none, median, hyperband or halving: it stops trials by the curve
        `prune_by` that a step logs (default: the metric's own name). No trial begins after `timeout` ("10m").

        The trials are a table in the store, with `figures` also drawn, by a run of the same experiment. The search is a
        run too, `run_id`: it is listed, followed and cancelled as any other. The same search asked again goes on where
        the last one ended, also after a kill, until there are `trials`: what it found counts as long as the code, the
        rows, the other parameters and the search spaces are the same.
        """
        engine = engine or self.config.engine.default
        told: dict[str, Any] = {
            "metric": metric,
            "direction": direction,
            "until": until,
            "prune_by": prune_by,
            "fixed": params,
        }
        asked = ask(self.find(pipeline), search, **told, experiment=experiment, basis=partial(self._basis, engine))
        limit = None if timeout is None else seconds(timeout, "timeout")
        how = How(
            trials=trials, parallel=parallel, sampler=sampler, pruner=pruner, seed=seed, timeout_seconds=limit,
            tags=tags or {},
        )  # fmt: skip
        with self._recorded(asked, how, engine, cause, run_id, on_event) as record:
            study, why = self._search(asked, how, engine, max_parallel, record)
            study = reported(study, figures, self._drive)
            record.tell(StudyEnded(study=study, why=why))
        return study

    def _basis(self, engine: str, traced: Pipeline, until: Names) -> str:
        return basis(traced, on_engine(self.services, self.config, engine, traced), until=until)

    def _recorded(
        self,
        asked: Asked,
        how: How,
        engine: str,
        cause: Mapping[str, Any] | None,
        run_id: str | None,
        on_event: OnStudyEvent | None,
    ) -> AbstractContextManager[SearchRecord]:
        return recorded_search(
            asked,
            self.metadata,
            self.config.root,
            self.services.logs,
            run_id=run_id or new_run_id(time.time()),
            tags=how.tags,
            cause=cause or {"kind": "manual"},
            engine=engine,
            on_event=on_event or _unseen,
        )

    def _search(
        self, asked: Asked, how: How, engine: str, slots: int | None, record: SearchRecord
    ) -> tuple[Study, str]:
        config = self.config
        optuna = load_optuna()
        storage = open_studies(metadata_url(config), optuna)
        members_of(self.artifacts).join(config.project.name or config.root.name, self.services.context.metadata)
        opened = open_engine(
            engine, slots=slots or config.engine.slots or None, **engine_options(config, engine, self.artifacts)
        )
        with SharedEngine(opened) as shared:

            def start(pipeline: Pipeline, **given: Any) -> None:
                placed = on_engine(self.services, config, engine, pipeline)
                execute(pipeline, placed, engine=shared.share(), engine_name=engine, **given)

            means = Means(
                metadata=self.metadata,
                storage=storage,
                root=config.root,
                load=lambda artifact: load_artifact(artifact, self.artifacts),
                start=start,
            )
            try:
                return searched(asked, how, means, record)
            except optuna.exceptions.StorageInternalError as error:
                reason = error.__cause__ or error
                raise StorageError(f"the trials cannot be kept in the metadata store: {reason}") from error

    def _drive(self, traced: Pipeline, **given: Any) -> str:
        return drive(traced, self.services, self.config, engine="inline", **given)


def _unseen(event: StudyEvent) -> None:
    """Show nothing."""
