"""What `project.tune` does: a search over a pipeline's parameters, with the project's stores and one engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.core.pipeline import Pipeline
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.units import seconds
from penstock.engines import open_engine
from penstock.errors import StorageError
from penstock.models.fitting.proposing import load_optuna
from penstock.pipelines import Names, PipelineFunction, Services, SharedEngine, basis, execute
from penstock.project.codecs import load_artifact
from penstock.project.config import Config
from penstock.project.driving import drive, metadata_url
from penstock.project.images import engine_options, on_engine
from penstock.stores import members_of
from penstock.stores.studies import open_studies
from penstock.studies import Asked, How, Means, OnStudyEvent, Study, StudyEvent, ask, search as searched
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
        on_event: OnStudyEvent | None = None,
    ) -> Study:
        """Search the parameters of a pipeline for those with the best metric, then run it once with these.

        `search` maps parameters to `ps.hparam_range(2, 12)`, `ps.hparam_range(0.01, 0.3, log=True)`,
        `ps.hparam_candidates([...])`; `params` are the others. `metric` is "step.name": trials are runs up to that step
        (`until` says another), so that what the pipeline does after it, such as a last evaluation on rows kept back and
        a push, is done by the final run alone. Steps that trials share are made once. `direction` is known for
        metrics that penstock has. `parallel` trials run at a time, on one engine. `sampler` is tpe, random, grid,
        cmaes, gp or qmc; `pruner` none, median, hyperband or halving: it stops trials by the curve `prune_by` that a
        step logs (default: the metric's own name). No trial begins after `timeout` (seconds, or "10m").

        The trials are a table in the store, with `figures` also drawn, by a run of the same experiment.

        The same search asked again goes on where the last one ended, also after a kill, until there are `trials`: what
        it found counts as long as the code, the rows, the other parameters and the search spaces are the same.
        """
        asked = ask(
            self.find(pipeline),
            search,
            metric=metric,
            direction=direction,
            until=until,
            prune_by=prune_by,
            experiment=experiment,
            fixed=params,
            basis=lambda traced, until: self._basis(traced, until, engine),
        )
        how = How(
            trials=trials,
            parallel=parallel,
            sampler=sampler,
            pruner=pruner,
            seed=seed,
            timeout_seconds=None if timeout is None else seconds(timeout, "timeout"),
            tags=tags or {},
        )
        study = self._search(asked, how, engine, max_parallel, on_event or _unseen)
        return reported(study, figures, self._drive)

    def _basis(self, traced: Pipeline, until: Names, engine: str | None) -> str:
        return basis(traced, on_engine(self.services, self.config, engine, traced), until=until)

    def _search(self, asked: Asked, how: How, engine: str | None, slots: int | None, on_event: OnStudyEvent) -> Study:
        config = self.config
        engine = engine or config.engine.default
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
                return searched(asked, how, means, on_event)
            except optuna.exceptions.StorageInternalError as error:
                reason = error.__cause__ or error
                raise StorageError(f"the trials cannot be kept in the metadata store: {reason}") from error

    def _drive(self, traced: Pipeline, **given: Any) -> str:
        return drive(traced, self.services, self.config, engine="inline", **given)


def _unseen(event: StudyEvent) -> None:
    """Show nothing."""
