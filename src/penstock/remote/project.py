"""A project that is served elsewhere: the surface of `penstock.project.Project`, each method one request or a few."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa

from penstock import models
from penstock.cascades import Cascade
from penstock.core.artifact import Artifact
from penstock.core.model import Model
from penstock.core.run import ModelVersion
from penstock.errors import DeclarationError
from penstock.models import ModelGraph
from penstock.pipelines import Comparison, Names, OnEvent, PipelineFunction, Plan
from penstock.project.experiments import Experiments
from penstock.project.registered import RegisteredModels, load_version
from penstock.project.requests import REQUESTS, Requests, of_model
from penstock.project.runs import ArtifactView, Run
from penstock.project.verification import Verification, learned_rows, verify_graph
from penstock.remote.connection import Server, segment
from penstock.remote.exporting import exporter
from penstock.remote.features import RemoteFeatures
from penstock.remote.models import fit_form, model_path, mover
from penstock.remote.pipelines import RemotePipeline, RemotePipelines, pipeline_name
from penstock.remote.production import RemoteProduction
from penstock.remote.repository import RemoteRepository
from penstock.remote.rows import ARROW_STREAM, arrow_bytes, arrow_table, as_query, rows_or_name
from penstock.remote.runs import RemoteRecords, run_events
from penstock.remote.stores import RemoteArtifacts, RemoteMetadata, upload
from penstock.remote.triggers import RemoteTriggers
from penstock.remote.tuning import RemoteTunings
from penstock.tables import TableLike

AnyPipeline = PipelineFunction | RemotePipeline | str


class RemoteProject:
    """A project behind a server's address, used as one in a folder: `ps.open("http://host:8000", token=...)`.

    Pipelines are run by name, with the code that the server's project has. Values come here when they are loaded.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.server = Server(url, token)
        self.metadata = RemoteMetadata(self.server)
        self.artifacts = RemoteArtifacts(self.server)
        self.models = RegisteredModels(self.metadata, self.artifacts, exporter(self.server), mover(self.server))
        self.pipelines: Mapping[str, RemotePipeline] = RemotePipelines(self.server)
        self._recorded = RemoteRecords(self.server, self.metadata, self.artifacts)
        self.repository = RemoteRepository(self.server, self._recorded)
        self.experiments = Experiments(self._recorded)
        self.features = RemoteFeatures(self.server, self.metadata)
        self.production = RemoteProduction(self.server, self._here)
        self.monitor, self.add_labels = self.production.monitor, self.production.add_labels
        self.requests = Requests(lambda model: of_model(self.sql(f"SELECT * FROM {REQUESTS}"), model), self._here)
        self.triggers = RemoteTriggers(self.server, self.metadata)
        self.on = self.triggers.on
        self.tune = RemoteTunings(self.server).tune

    def run(
        self,
        pipeline: AnyPipeline | None = None,
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
        """Run a pipeline of the server's project, whole or in parts, and return its run; as `Project.run`.

        An interrupt while it is waited for cancels it, as it does where the run is driven.
        """
        if cause is not None:
            raise DeclarationError("the cause of a run over REST is the request; say more by tags= or notes=")
        form = {
            "params": params, "only": only, "since": since, "until": until, "mode": mode, "states_from": states_from,
            "engine": engine,
            "max_parallel": max_parallel, "resume": _id(resume) if resume is not None else None,
            "override": self._references(override or {}), "experiment": experiment, "tags": tags, "notes": notes,
            "run_id": run_id,
        }  # fmt: skip
        # A key of its own lets a request that broke off be sent again: there is one run.
        key = {"idempotency-key": str(uuid.uuid4())}
        path = f"/v1/pipelines/{segment(self._name(pipeline, resume))}/runs"
        run = self.get_run(self.server.post(path, _given(form), headers=key)["id"])
        return self._followed(run, on_event) if wait else run

    def plan(
        self,
        pipeline: AnyPipeline | None = None,
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
        form = {
            "params": params, "only": only, "since": since, "until": until, "mode": mode, "states_from": states_from,
            "engine": engine,
            "resume": _id(resume) if resume is not None else None, "override": self._references(override or {}),
        }  # fmt: skip
        planned = self.server.post(f"/v1/pipelines/{segment(self._name(pipeline, resume))}:plan", _given(form))
        return msgspec.convert(planned, Plan)

    def why(self, run: Run | str, step: str) -> str:
        """Say in one line why a step of a run ran, or did not."""
        said: str = self.server.get(f"/v1/runs/{segment(_id(run))}/steps/{segment(step)}/why")["why"]
        return said

    def compare(self, run: Run | str, other: Run | str, *more: Run | str) -> Comparison:
        """Say what differs between runs: parameters, metrics, steps, data and code; the first is compared with."""
        return msgspec.convert(self.server.get("/v1/compare", run=list(map(_id, (run, other, *more)))), Comparison)

    def runs(self, *, limit: int | None = None, tags: Mapping[str, Any] | None = None, **equal: str) -> list[Run]:
        """Return runs, newest first; filtered by `pipeline`, `experiment`, `state`, and `tags` that they have."""
        found: list[Run] = []
        asked = {**equal, "tag": [f"{name}={value}" for name, value in (tags or {}).items()], "after": None}
        while limit is None or len(found) < limit:
            most = _PAGE if limit is None else min(_PAGE, limit - len(found))
            answer = self.server.get("/v1/runs", **asked, limit=most)
            found += [self.get_run(run["id"]) for run in answer["runs"]]
            asked["after"] = answer["next"]
            if answer["next"] is None:
                break
        return found

    def get_run(self, id: str) -> Run:
        """Return the run of that id."""
        return Run(id, self._recorded)

    def fit(self, model: Model | Cascade, rows: TableLike, *, timestamp: str | None = None) -> ModelGraph:
        """Fit a model or a cascade on the server, as a run, and register its version. Rows that are here are sent."""
        given, form = rows_or_name(rows), fit_form(model, timestamp)
        name = given if isinstance(given, str) else f"artifact:{upload(self.server, given).digest}"
        made = self.server.post("/v1/models:fit", {**form, "rows": name})
        return self.models[made["model"]].load(made["version"])

    def predict(self, name: str, rows: TableLike, *, timestamp: str | None = None, stages: bool = False) -> pa.Table:
        """Predict rows with a registered model: its name, `name@alias` or `name/3`. Rows that are here are sent."""
        query = {"timestamp": timestamp, "stages": "true" if stages else None}
        return arrow_table(self._with_rows(f"{model_path(name)}:batchPredict", rows, query, ARROW_STREAM))

    def evaluate(self, name: str, rows: TableLike, *, timestamp: str | None = None) -> dict[str, float | None]:
        """Judge a registered model on rows with labels."""
        query = {"timestamp": timestamp}
        answer = self._with_rows(f"{model_path(name)}:evaluate", rows, query, "application/json")
        found: dict[str, float | None] = msgspec.json.decode(answer)["metrics"]
        return found

    def verify(self, name: str, *, url: str | None = None, rows: TableLike | None = None) -> Verification:
        """Replay raw rows through the server (this one, or that at `url`) and compare with batch prediction here.

        Features that the model looks up are, for the batch, as this server's history has them.
        """
        version = self._version(name)
        replayed = learned_rows(version, self.metadata, self.artifacts) if rows is None else self._here(rows)
        graph = load_version(version, self.metadata, self.artifacts)
        there: Any = {"url": url or self.server.url, "token": self.server.token}
        return verify_graph(graph, replayed, version=version, features=self.features, **there)

    def sql(self, text: str) -> pa.Table:
        """Run SQL on the server; what is not a query needs a server that was started with --allow-sql-writes."""
        body = msgspec.json.encode({"query": text})
        headers = {"content-type": "application/json", "accept": ARROW_STREAM}
        return arrow_table(self.server.content("POST", "/v1/sql", body=body, headers=headers))

    def _followed(self, run: Run, on_event: OnEvent | None) -> Run:
        try:
            for event in run_events(self.server, run.id):
                if on_event is not None:
                    on_event(event)
        except KeyboardInterrupt:
            run.cancel(reason="interrupted by who waited for it")
            raise
        return run

    def _with_rows(self, path: str, rows: TableLike, query: Mapping[str, str | None], accept: str) -> bytes:
        given = rows_or_name(rows)
        if isinstance(given, str):
            body, media = msgspec.json.encode({"rows": given}), "application/json"
        else:
            body, media = arrow_bytes(given), ARROW_STREAM
        headers = {"content-type": media, "accept": accept}
        return self.server.content("POST", path, body=body, headers=headers, query=query)

    def _here(self, rows: TableLike) -> pa.Table:
        given = rows_or_name(rows)
        return self.sql(as_query(given)) if isinstance(given, str) else given

    def _name(self, pipeline: AnyPipeline | None, resume: Run | str | None) -> str:
        if pipeline is not None:
            return pipeline_name(pipeline)
        if resume is None:
            raise DeclarationError("run needs a pipeline, or resume=<a run> to go on from one")
        return self.get_run(_id(resume)).record.pipeline

    def _references(self, override: Mapping[str, Any]) -> dict[str, str]:
        """Return what stands for steps as the server finds it; tables that are here are sent."""
        return {step: _reference(self.server, value) for step, value in override.items()}

    def _version(self, name: str) -> ModelVersion:
        return models.resolve_version(self.metadata, name)

    def __getattr__(self, name: str) -> Any:
        instead = f"; {_HERE_ONLY[name]}" if name in _HERE_ONLY else ""
        raise AttributeError(f"a project over REST has no '{name}'{instead}")

    def __repr__(self) -> str:
        return f"<project at {self.server.url}>"


_PAGE = 1000
_HERE_ONLY = {
    "ablate": "what features are worth is found by a run in its folder: penstock ablate MODEL ROWS there",
    "config": "what penstock.toml says is known where the project is",
    "root": "its folder lies on the server",
    "table": "rows that are here are given to predict, evaluate and fit themselves, which send them",
}
"""What a project in a folder has and this has not -> why, or what to do instead."""


def _reference(server: Server, value: Any) -> str:
    match value:
        case str():
            return value
        case Artifact():
            return value.digest
        case ArtifactView():
            return value.record.digest
    return upload(server, value).digest


def _given(form: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in form.items() if value}


def _id(run: Run | str) -> str:
    return run if isinstance(run, str) else run.id
