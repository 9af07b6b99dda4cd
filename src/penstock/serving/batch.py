"""The endpoints that use a model on many rows at once, and the one that fits a model."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from penstock import models
from penstock.cascades import Cascade
from penstock.cascades.reading import cascade_from_json
from penstock.core.artifact import Artifact
from penstock.core.model import Model
from penstock.errors import RequestError, UnknownNameError
from penstock.models.notation import model_from_json
from penstock.project.codecs import load_artifact
from penstock.project.fitting import is_query
from penstock.serving.at_once import REQUEST_ID
from penstock.serving.bodies import decoded, read_body
from penstock.serving.content import WRITERS, accepted, table_bytes
from penstock.serving.forms import FitForm, RowsForm
from penstock.serving.parameters import parameters, wants_stages
from penstock.serving.service import Service
from penstock.serving.state import json_answer, serving
from penstock.serving.uploads import uploaded_rows

if TYPE_CHECKING:
    import pyarrow as pa


async def batch_predict(request: Request) -> Response:
    """POST /v1/models/{name}:batchPredict: rows in, rows out, as Arrow, Parquet, CSV or JSON, by `Accept`."""
    served, media = serving(request), accepted(request.headers.get("accept", ""), tuple(WRITERS))
    given, rows, started = parameters(request, "timestamp", "stages"), await _rows(request), perf_counter()
    how: dict[str, Any] = {"timestamp": given.get("timestamp"), "stages": wants_stages(given)}
    if not (served.notes.is_on and served.project.config.monitoring.batches):
        predicted = await run_in_threadpool(served.project.predict, model_reference(request), rows, **how)
        return StreamingResponse(table_bytes(predicted, media), media_type=media, headers={"vary": "accept"})
    loaded = await served.predictors.get(request.path_params["name"], request.path_params.get("version"))
    exactly = f"{loaded.model}/{loaded.version}"  # whatever is promoted meanwhile
    predicted = await run_in_threadpool(served.project.predict, exactly, rows, **how)
    name = served.notes.name(request.scope["headers"])
    served.notes.note_batch(loaded, name, predicted, perf_counter() - started)
    headers = {"vary": "accept", REQUEST_ID.decode(): name.decode("latin-1")}
    return StreamingResponse(table_bytes(predicted, media), media_type=media, headers=headers)


async def evaluate(request: Request) -> Response:
    """POST /v1/models/{name}:evaluate: the model judged on rows with labels."""
    project = serving(request).project
    timestamp, rows = parameters(request, "timestamp").get("timestamp"), await _rows(request)
    metrics = await run_in_threadpool(project.evaluate, model_reference(request), rows, timestamp=timestamp)
    return json_answer({"metrics": metrics})


async def fit(request: Request) -> Response:
    """POST /v1/models:fit: fit a model, or a cascade, as a run, and register a version of it."""
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), FitForm)
    model, rows = _declared(form), named_rows(served.project, form.rows)
    graph = await run_in_threadpool(served.project.fit, model, rows)
    version = await run_in_threadpool(_newest, served.project, model.name)
    metrics = dict(graph.facts.get("evaluation", {}))
    return json_answer({"model": model.name, "version": version, "metrics": metrics}, 201)


def _newest(project: Service, name: str) -> int:
    return models.versions(project.metadata, name)[-1].version


def model_reference(request: Request) -> str:
    """Return what the path of a request names: a model, or a version of it."""
    name, version = request.path_params["name"], request.path_params.get("version")
    return name if version is None else f"{name}/{version}"


async def _rows(request: Request) -> pa.Table | str:
    """Return the rows of a request: its body as an Arrow stream, or what a text in it names."""
    rows = await uploaded_rows(request)
    if rows is not None:
        return rows
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), RowsForm)
    return named_rows(served.project, form.rows)


def named_rows(project: Service, rows: str) -> Any:
    """Return what a text over REST may name: a declared table, a query, an artifact. No path: what lies on this
    machine's disk is not for whoever can call it."""
    sort, _, digest = rows.partition(":")
    if sort == "artifact":
        found = project.metadata.get(Artifact, digest)
        if found is None:
            raise UnknownNameError("artifact", digest, ())
        return load_artifact(found, project.artifacts)
    if rows not in project.config.tables and not is_query(rows):
        raise UnknownNameError("table", rows, project.config.tables)
    return rows


def _declared(form: FitForm) -> Model | Cascade:
    if (form.model is None) == (form.cascade is None):
        raise RequestError("a fit needs a model or a cascade, and not both")
    return cascade_from_json(form.cascade) if form.cascade is not None else model_from_json(form.model or {})
