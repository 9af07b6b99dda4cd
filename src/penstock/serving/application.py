"""The whole server as one ASGI application: the hot path in front, everything else behind it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from time import perf_counter, time
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.errors import ForbiddenError
from penstock.serving import (
    artifacts,
    batch,
    dead_letters,
    exporting,
    feature_rows,
    feature_sets,
    inference,
    monitoring,
    pages,
    pipelines,
    queries,
    records,
    registry,
    runs,
    studies,
    triggers,
    uploads,
)
from penstock.serving.at_once import AtOnce, either
from penstock.serving.errors import failure, plain_failure
from penstock.serving.feature_readers import FeatureReaders
from penstock.serving.following import follow
from penstock.serving.gauges import Gauges
from penstock.serving.guard import guarded, guarded_at_once
from penstock.serving.metrics import Metrics
from penstock.serving.online_features import online_features_at_once, online_features_or
from penstock.serving.predict import predict_at_once, predict_or
from penstock.serving.predictors import Predictors
from penstock.serving.request_notes import request_notes
from penstock.serving.service import MakePredictor, Service
from penstock.serving.state import SCOPE_KEY, Limits, Serving

ROUTES = [
    Route("/", pages.index),
    Route("/docs", pages.docs),
    Route("/runs/{id}", pages.show_run),
    Route("/models/{name}", pages.show_model),
    Route("/models/{name}/monitoring", monitoring.show_page),
    Route("/openapi.json", pages.describe),
    Route("/health", pages.health),
    Route("/metrics", pages.metrics),
    Route("/v1/pipelines", pipelines.list_pipelines),
    Route("/v1/pipelines/{name}:plan", pipelines.plan_pipeline, methods=["POST"]),
    Route("/v1/pipelines/{name}:tune", pipelines.tune_pipeline, methods=["POST"]),
    Route("/v1/pipelines/{name}/runs", pipelines.create_run, methods=["POST"]),
    Route("/v1/runs", runs.list_runs),
    Route("/v1/runs/{id}:resume", pipelines.resume_run, methods=["POST"]),
    Route("/v1/runs/{id}:cancel", runs.stop_run, methods=["POST"]),
    Route("/v1/runs/{id}", runs.show_run),
    Route("/v1/runs/{id}", runs.change_run, methods=["PATCH"]),
    Route("/v1/runs/{id}/graph", runs.run_graph),
    Route("/v1/runs/{id}/metrics", runs.run_metrics),
    Route("/v1/runs/{id}/events", runs.events),
    Route("/v1/runs/{id}/log", runs.run_log),
    Route("/v1/runs/{id}/steps/{step}:approve", pipelines.approve_step, methods=["POST"]),
    Route("/v1/runs/{id}/steps/{step}:reject", pipelines.reject_step, methods=["POST"]),
    Route("/v1/runs/{id}/steps/{step}:verify", pipelines.verify_step, methods=["POST"]),
    Route("/v1/runs/{id}/steps/{step}", runs.show_step),
    Route("/v1/runs/{id}/steps/{step}/why", runs.step_why),
    Route("/v1/runs/{id}/steps/{step}/log", runs.step_log),
    Route("/v1/triggers", triggers.list_triggers),
    Route("/v1/triggers/{name}:pause", triggers.pause_trigger, methods=["POST"]),
    Route("/v1/triggers/{name}:resume", triggers.resume_trigger, methods=["POST"]),
    Route("/v1/triggers/{name}:fire", triggers.fire_trigger, methods=["POST"]),
    Route("/v1/triggers/{name}/firings", triggers.list_firings),
    Route("/v1/triggers/{name}", triggers.show_trigger),
    Route("/v1/triggers/{name}", triggers.put_trigger, methods=["PUT"]),
    Route("/v1/triggers/{name}", triggers.remove_trigger, methods=["DELETE"]),
    Route("/v1/events", triggers.receive_events, methods=["POST"]),
    Route("/v1/experiments", runs.list_experiments),
    Route("/v1/studies", studies.list_studies),
    Route("/v1/studies/{name}", studies.show_study),
    Route("/v1/compare", runs.compare_runs),
    Route("/v1/artifacts", artifacts.list_artifacts),
    Route("/v1/artifacts", uploads.upload_artifact, methods=["POST"]),
    Route("/v1/artifacts/{digest}", artifacts.show_artifact),
    Route("/v1/artifacts/{digest}/content", artifacts.artifact_content),
    Route("/v1/blobs/{digest}", artifacts.blob),
    Route("/v1/models", registry.list_models),
    Route("/v1/lineage/{what:path}", artifacts.lineage),
    Route("/v1/usage", artifacts.usage),
    Route("/v1/gc", artifacts.collect_garbage, methods=["POST"]),
    Route("/v1/records/{kind}:find", records.find_records, methods=["POST"]),
    Route("/v1/records/{kind}:insert", records.insert_records, methods=["POST"]),
    Route("/v1/models:fit", batch.fit, methods=["POST"]),
    Route("/v1/models/{name}:batchPredict", batch.batch_predict, methods=["POST"]),
    Route("/v1/models/{name}/versions/{version}:batchPredict", batch.batch_predict, methods=["POST"]),
    Route("/v1/models/{name}:evaluate", batch.evaluate, methods=["POST"]),
    Route("/v1/models/{name}/versions/{version}:evaluate", batch.evaluate, methods=["POST"]),
    Route("/v1/models/{name}:export", exporting.export, methods=["POST"]),
    Route("/v1/models/{name}/versions/{version}:export", exporting.export, methods=["POST"]),
    Route("/v1/models/{name}:promote", registry.promote_version, methods=["POST"]),
    Route("/v1/models/{name}:rollback", registry.roll_back, methods=["POST"]),
    Route("/v1/models/{name}", registry.show_model),
    Route("/v1/models/{name}/monitoring", monitoring.show_monitoring),
    Route("/v1/models/{name}/labels", monitoring.add_labels, methods=["POST"]),
    Route("/get-online-features", feature_rows.get_online_features, methods=["POST"]),
    Route("/get-historical-features", feature_rows.get_historical_features, methods=["POST"]),
    Route("/push", feature_rows.push, methods=["POST"]),
    Route("/v1/feature-sets", feature_sets.list_feature_sets),
    Route("/v1/feature-sets", feature_sets.apply_feature_set, methods=["POST"]),
    Route("/v1/feature-sets/{name}:ingest", feature_sets.ingest_source, methods=["POST"]),
    Route("/v1/feature-sets/{name}:materialize", feature_sets.materialize, methods=["POST"]),
    Route("/v1/feature-sets/{name}:forget", feature_sets.forget_entities, methods=["POST"]),
    Route("/v1/feature-sets/{name}:expire", feature_sets.expire_rows, methods=["POST"]),
    Route("/v1/feature-sets/{name}:compact", feature_sets.compact, methods=["POST"]),
    Route("/v1/feature-sets/{name}:clearDeadLetters", dead_letters.clear_dead_letters, methods=["POST"]),
    Route("/v1/feature-sets/{name}/dead-letters", dead_letters.read_dead_letters),
    Route("/v1/feature-sets/{name}/ingests", feature_sets.show_ingests),
    Route("/v1/feature-sets/{name}", feature_sets.show_feature_set),
    Route("/v1/feature-services", feature_sets.list_feature_services),
    Route("/v1/feature-services", feature_sets.apply_feature_service, methods=["POST"]),
    Route("/v1/feature-services/{name}", feature_sets.show_feature_service),
    Route("/v1/sql", queries.run_sql, methods=["POST"]),
    Route("/v2", inference.describe_server),
    Route("/v2/health/live", inference.tell_live),
    Route("/v2/health/ready", inference.tell_ready),
    Route("/v2/models/{name}", inference.describe_model),
    Route("/v2/models/{name}/ready", inference.tell_model_ready),
    Route("/v2/models/{name}/infer", inference.infer, methods=["POST"]),
    Route("/v2/models/{name}/versions/{version}", inference.describe_model),
    Route("/v2/models/{name}/versions/{version}/ready", inference.tell_model_ready),
    Route("/v2/models/{name}/versions/{version}/infer", inference.infer, methods=["POST"]),
]


@dataclass(frozen=True, slots=True)
class Application:
    """What serves a project: all of it as an application of ASGI, and what answers some requests before they become
    ASGI's, with the same answers."""

    asgi: ASGIApp
    at_once: AtOnce

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self.asgi(scope, receive, send)


def application(
    project: Service,
    make_predictor: MakePredictor,
    *,
    limits: Limits | None = None,
    token: str = "",
    clock: Callable[[], float] = time,
) -> Application:
    """Return the application that serves a project, to those who have the token if there is one. It follows the
    registry and watches the triggers while its lifespan lasts. `clock` says when requests are answered."""
    predictors, metrics, monitor = Predictors(project, make_predictor), Metrics(), project.triggers.watch()
    notes = request_notes(project.config, predictors, metrics.logged, clock)
    readers = FeatureReaders(project)
    shared: Any = {"predictors": predictors, "metrics": metrics, "notes": notes, "limits": limits or Limits()}
    gauges = Gauges(project, predictors, clock)
    served = Serving(project=project, monitor=monitor, gauges=gauges, **shared)

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        await predictors.load()
        triggers.watch(project, monitor)
        notes.start()
        gc.freeze()  # what is loaded now stays: no collection need look at it while requests wait
        watching = [
            asyncio.create_task(follow(predictors.load, "the registry cannot be read; what is loaded is served")),
            asyncio.create_task(follow(gauges.refresh, "the log of requests cannot be looked at")),
            asyncio.create_task(follow(readers.refresh, "feature sets cannot be looked for; those known are served")),
        ]
        try:
            yield
        finally:
            for each in watching:
                each.cancel()
            await run_in_threadpool(notes.close)
            predictors.close()
            readers.close()
            await run_in_threadpool(monitor.close)
            gc.unfreeze()

    rest = _answering(Router(routes=ROUTES, lifespan=lifespan), served)
    limit = served.limits.body_bytes
    features = online_features_or(rest, readers=readers, beside=predictors, metrics=metrics, body_limit_bytes=limit)
    whole = predict_or(features, **shared)
    at_once = either(
        predict_at_once(**shared),
        online_features_at_once(readers=readers, metrics=metrics, body_limit_bytes=limit),
    )
    if token:
        return Application(guarded(whole, token), guarded_at_once(at_once, token))
    return Application(whole, at_once)


def _answering(router: Router, served: Serving) -> ASGIApp:
    """Answer every error with its JSON body, and count every request under its endpoint's name."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await router(scope, receive, send)
            return
        started, status = perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        scope.update({"app": router, SCOPE_KEY: served})
        try:
            _refuse_other_sites(scope)
            await router(scope, receive, sending)
        except ClientDisconnect:
            return
        except Exception as error:  # the border of the server: whatever happened, the client gets an answer
            if status:
                raise  # half of one is sent already
            await _error_answer(error, scope["path"])(scope, receive, sending)
        endpoint = getattr(scope.get("endpoint"), "__name__", "none")
        served.metrics.observe(endpoint, status, perf_counter() - started)

    return application


def _error_answer(error: Exception, path: str) -> Response:
    if isinstance(error, HTTPException):
        message = f"there is nothing at {path}; see /docs" if error.status_code == 404 else error.detail
        failed = plain_failure(error.status_code, error.detail.lower().replace(" ", "_"), message)
        return Response(failed.body, failed.status, dict(error.headers or {}), media_type="application/json")
    failed = failure(error, path)
    return Response(failed.body, failed.status, media_type="application/json")


def _refuse_other_sites(scope: Scope) -> None:
    """Keep a page of another site from using the reader's browser to start runs here: this server has no passwords."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if scope["method"] not in ("GET", "HEAD") and origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise ForbiddenError(f"requests from pages of {origin} are not answered here")
