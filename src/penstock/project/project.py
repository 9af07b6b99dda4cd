"""The facade: what a user does with a project, each method one call of the room that does it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock import models, sql
from penstock.cascades import Cascade, training_pipeline
from penstock.core.model import Model
from penstock.core.pipeline import Pipeline
from penstock.core.run import ModelVersion
from penstock.models import ModelGraph
from penstock.pipelines import Comparison, Names, OnEvent, PipelineFunction, Plan, find_runs, reap, why
from penstock.production.reading import read_requests
from penstock.project.ablating import Ablations
from penstock.project.asking import traced_run
from penstock.project.catalog import ProjectCatalog
from penstock.project.config import Config, load_config
from penstock.project.declared import load_pipelines
from penstock.project.driving import artifacts_uri, drive, drive_apart, metadata_url, planned, project_root, services
from penstock.project.experiments import Experiments, compare_runs
from penstock.project.features import feature_store
from penstock.project.given import GivenTables, fit_on, given_rows
from penstock.project.looking_up import predict, with_features
from penstock.project.production import Production
from penstock.project.registered import RegisteredModels, load_version
from penstock.project.repeating import Repeater
from penstock.project.repository import Repository
from penstock.project.requests import Requests
from penstock.project.runs import LocalRecords, Run
from penstock.project.triggers import Triggers
from penstock.project.tuning import Tunings
from penstock.project.verification import Verification, learned_rows, verify_graph
from penstock.stores import open_artifacts, open_metadata
from penstock.tables import TableLike, to_arrow


def open(path: str | Path = ".") -> Project:
    """Open the project in a folder: reads `penstock.toml` if it is there; state lives in `.penstock/`."""
    return Project(load_config(project_root(path)))


class Project:
    """A folder with its configuration, and the stores that hold what was made.

    `models` are the registered models by name: `project.models["bicycle"].alias("champion")`; `repository` is all that
    was made: `project.repository["prices@latest"].load()`; `experiments` are runs under one name:
    `project.experiments["depth"].metrics`; `triggers` start runs by themselves:
    `project.on(ps.cron("0 3 * * *"), bikes)`, `project.triggers["nightly"].history`; `features` is the feature store:
    `project.features.ingest(rides, rows)`; `requests` what servers have answered and logged:
    `project.requests.shadow("distance")`; `monitor` says what a model does in production, and how good it is once
    `add_labels` has told what was true: `project.monitor("flights", by=["carrier"])`; `ablate` says what each feature
    is worth to a model: `project.ablate(reviews, "reviews")`; `tune` finds the parameters of a pipeline that are best
    by a metric: `project.tune(bikes, {"depth": ps.hparam_range(2, 12)}, metric="judge.mean_absolute_error")`. `table`
    hands rows over to SQL: `project.table("rides", frame)`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.root = config.root
        self.metadata = open_metadata(metadata_url(config))
        self.artifacts = open_artifacts(artifacts_uri(config))
        self.models = RegisteredModels(self.metadata, self.artifacts)
        self.repository = Repository(config, self.metadata, self.artifacts)
        self._services = services(config, self.metadata, self.artifacts)
        self.production = Production(lambda: self.config, self.metadata, self.models, self._rows)
        self.monitor, self.add_labels = self.production.monitor, self.production.add_labels
        self.triggers = Triggers(config, self.metadata, lambda: self.pipelines, self.production.judge)
        self.on = self.triggers.on
        self._given = GivenTables(lambda: self._catalog)
        self.table = self._given.declare
        self.ablate = Ablations(lambda: self._catalog, self._result).ablate
        self.tune = Tunings(config, self.metadata, self.artifacts, self._services, self._pipeline).tune
        self.features = feature_store(config, self.metadata, self._rows)
        self.requests = Requests(lambda model: read_requests(self.config.requests, model), self._rows)
        self._ran: dict[str, PipelineFunction] = {}
        repeater = Repeater(config=config, services=self._services, pipeline=self._pipeline)
        self._recorded = LocalRecords(self.metadata, self.artifacts, self.root, repeater, self._go_on)
        self.experiments = Experiments(self._recorded)

    @cached_property
    def pipelines(self) -> Mapping[str, PipelineFunction]:
        """The pipelines that the project's modules declare, by name."""
        return load_pipelines(self.config)

    def run(
        self,
        pipeline: PipelineFunction | Cascade | str | None = None,
        *,
        only: Names = None,
        since: Names = None,
        until: Names = None,
        mode: str | None = None,
        resume: Run | str | None = None,
        override: Mapping[str, Any] | None = None,
        states_from: str | None = None,
        engine: str | None = None,
        max_parallel: int | None = None,
        experiment: str = "",
        tags: Mapping[str, Any] | None = None,
        notes: str = "",
        cause: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        on_event: OnEvent | None = None,
        wait: bool = True,
        **params: Any,
    ) -> Run:
        """Run a pipeline, whole or in parts, and return its run; nothing runs whose output is up to date.

        `only`, `since` and `until` take names or patterns of steps; `params` are the pipeline's. A step that fails
        fails the run, which is returned: ask its `state`. With `wait=False` it is returned as soon as it is recorded,
        and goes on in a thread: `run.wait()`. A `run_id` that was used before is a `ConflictError`, and nothing runs.

        `resume` is a run that ended: what it was asked for is run again, and all that it made counts. `override` hands
        over what steps give (`{"clean": table}`, `{"split.train": "latest/split.train"}`), so that they do not run.
        `max_parallel` is how many steps may run at once. In mode "infer" steps that learn do not run: what they made is
        that of the run that was promoted, or of `states_from` (a run, or "newest": the newest successful one).
        """
        reap(self.metadata)
        how: dict[str, Any] = {
            "engine": engine,
            "max_parallel": max_parallel,
            "on_event": on_event,
            "only": only,
            "since": since,
            "until": until,
            "mode": mode,
            "states_from": states_from,
            "experiment": experiment,
            "tags": tags,
            "notes": notes,
            "cause": cause,
            "run_id": run_id,
        }
        traced, how = self._asked(pipeline, resume, override, params, how)
        start = drive if wait else drive_apart
        return self.get_run(start(traced, self._services, self.config, **how))

    def plan(
        self,
        pipeline: PipelineFunction | Cascade | str | None = None,
        *,
        only: Names = None,
        since: Names = None,
        until: Names = None,
        mode: str | None = None,
        resume: Run | str | None = None,
        override: Mapping[str, Any] | None = None,
        states_from: str | None = None,
        engine: str | None = None,
        **params: Any,
    ) -> Plan:
        """Say what `run` would do with the same arguments, step by step, and why."""
        how = {"only": only, "since": since, "until": until, "mode": mode, "states_from": states_from}
        return planned(*self._asked(pipeline, resume, override, params, how), self._services, self.config, engine)

    def why(self, run: Run | str, step: str) -> str:
        """Say in one line why a step of a run ran, or did not."""
        return why(self.metadata, run if isinstance(run, str) else run.id, step)

    def compare(self, run: Run | str, other: Run | str, *more: Run | str) -> Comparison:
        """Say what differs between runs: parameters, metrics, steps, data and code; the first is compared with."""
        return compare_runs(self._recorded, run, other, *more)

    def runs(self, *, limit: int | None = None, tags: Mapping[str, Any] | None = None, **equal: str) -> list[Run]:
        """Return runs, newest first; filtered by `pipeline`, `experiment`, `state`, and `tags` that they have."""
        reap(self.metadata)
        found = find_runs(self.metadata, tags=tags, limit=limit, **equal)
        return [Run(record.id, self._recorded) for record in found]

    def get_run(self, id: str) -> Run:
        """Return the run of that id."""
        return Run(id, self._recorded)

    def fit(self, model: Model | Cascade, rows: TableLike | None = None, *, timestamp: str | None = None) -> ModelGraph:
        """Fit a model or a cascade on rows (a table, a path, a name, a SQL text) as a run, and register its version.

        `timestamp` is the column with each row's time, as of which features of feature sets are joined: the model's
        option `feature_timestamp_col`. Default: `event_timestamp`, else the time of the set.
        """
        graph: ModelGraph = self._result(fit_on(model, rows, timestamp, self._catalog), "fit")
        return graph

    def predict(self, name: str, rows: TableLike, *, timestamp: str | None = None, stages: bool = False) -> pa.Table:
        """Predict rows with a registered model: its name, `name@alias` or `name/3`.

        Features that it looks up are those as of each row's time, or, where the rows have none, those that are online
        now. `timestamp` is the column with the time; default: the one that the model learned by, or `event_timestamp`,
        else that of their set. With `stages`, a cascade says what each of its stages has predicted.
        """
        return predict(self._graph(name), self._rows(rows), self.features, timestamp, stages=stages)

    def evaluate(self, name: str, rows: TableLike, *, timestamp: str | None = None) -> dict[str, float | None]:
        """Judge a registered model on rows with labels, with features as of each row's time, as `predict` has them."""
        graph = self._graph(name)
        return models.evaluate(graph, with_features(graph, self._rows(rows), self.features, timestamp))

    def verify(self, name: str, *, url: str | None = None, rows: TableLike | None = None) -> Verification:
        """Replay raw rows through serving (the server at `url`, else the row form) and compare with batch prediction.

        Without `rows`, rows that the model learned from are taken, if its run is recorded.
        """
        version = self._version(name)
        replayed = learned_rows(version, self.metadata, self.artifacts) if rows is None else to_arrow(self._rows(rows))
        graph = load_version(version, self.metadata, self.artifacts)
        return verify_graph(
            graph, replayed, version=version, features=self.features, url=url, token=self.config.server_token
        )

    def sql(self, text: str) -> pa.Table:
        """Run SQL in BigQuery's dialect, with its CREATE MODEL and ML.* functions; return the last statement's rows."""
        return sql.run(text, self._catalog)

    @property
    def _catalog(self) -> ProjectCatalog:
        return ProjectCatalog(
            config=self.config,
            models=self.models,
            metadata=self.metadata,
            store=self.artifacts,
            run=self._result,
            given=self._given.rows,
            joined=self._joined,
        )

    def _joined(self, graph: ModelGraph, rows: pa.Table) -> pa.Table:
        return to_arrow(with_features(graph, rows, self.features))

    def _asked(
        self,
        pipeline: PipelineFunction | Cascade | str | None,
        resume: Run | str | None,
        override: Mapping[str, Any] | None,
        params: Mapping[str, Any],
        how: Mapping[str, Any],
    ) -> tuple[Pipeline, dict[str, Any]]:
        stores: Any = {"metadata": self.metadata, "store": self.artifacts}
        return traced_run(pipeline, resume, override, params, how, find=self._pipeline, **stores)

    def _go_on(self, run: str) -> Run:
        return self.run(resume=run, run_id=run)

    def _pipeline(self, pipeline: PipelineFunction | Cascade | str) -> PipelineFunction:
        pipeline = training_pipeline(pipeline) if isinstance(pipeline, Cascade) else pipeline
        if not isinstance(pipeline, str):  # of a script or a notebook: no module of the project has it
            self._ran[pipeline.name] = pipeline
            return pipeline
        return self._ran[pipeline] if pipeline in self._ran else self.pipelines[pipeline]

    def _result(self, pipeline: Pipeline, step: str, on_event: OnEvent | None = None) -> Any:
        return self.get_run(drive(pipeline, self._services, self.config, engine="inline", on_event=on_event)).result(
            step
        )

    def _rows(self, rows: TableLike | None) -> TableLike:
        return given_rows(rows, self._catalog)

    def _version(self, name: str) -> ModelVersion:
        return models.resolve_version(self.metadata, name)

    def _graph(self, name: str) -> ModelGraph:
        return load_version(self._version(name), self.metadata, self.artifacts)
