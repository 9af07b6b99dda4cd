"""The server's own description (OpenAPI 3.1), with the rows that each loaded model takes and gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

import penstock
from penstock.serving.forms import (
    CancelForm,
    FindForm,
    FireForm,
    FitForm,
    GcForm,
    InsertForm,
    PauseForm,
    PlanForm,
    RowsForm,
    RunChange,
    RunForm,
    SqlForm,
    VerifyForm,
)
from penstock.serving.predictors import Loaded, predict_path
from penstock.serving.schemas import example_row, row_schema

Json = dict[str, Any]

_FAILURES: dict[int, str] = {
    400: "the body is not of the form that the endpoint takes",
    403: "this server is not configured to answer that",
    404: "nothing has the name in the path",
    409: "the state of the thing does not allow it",
    413: "the body is too large",
    422: "a value or a declaration is wrong; `field` names it where it can",
    500: "the server failed; its log has the details under the id given",
    507: "the server's disk is full, or cannot be written",
}


_FORMS = [
    PlanForm,
    RunForm,
    RunChange,
    CancelForm,
    VerifyForm,
    SqlForm,
    FindForm,
    InsertForm,
    RowsForm,
    FitForm,
    GcForm,
    PauseForm,
    FireForm,
]


def openapi(loaded: Iterable[Loaded]) -> Json:
    """Return the whole document; `loaded` are the model versions that are served."""
    _, forms = msgspec.json.schema_components(_FORMS, ref_template="#/components/schemas/{name}")
    models = {predict_path(each.model): {"post": _predict(each)} for each in loaded}
    return {
        "openapi": "3.1.0",
        "info": {"title": "penstock", "version": penstock.__version__},
        "paths": {**models, **_PATHS},
        "components": {"schemas": {**forms, "Error": _ERROR}},
    }


def _predict(loaded: Loaded) -> Json:
    signature = loaded.graph.signature
    return _operation(
        f"Predict with model {loaded.model} (version {loaded.version} now)",
        body=_rows("instances", row_schema(signature.inputs, closed=True)),
        example={"instances": [example_row(signature.inputs)]},
        answer=_rows("predictions", row_schema(signature.outputs, closed=False)),
        failures=(400, 413, 422, 500),
    )


def _operation(
    summary: str,
    parameters: tuple[Json, ...] = (),
    *,
    body: Json | None = None,
    example: Json | None = None,
    uploads: tuple[str, ...] = (),
    takes: str = "application/json",
    status: int = 200,
    answer: Json | None = None,
    media: str = "application/json",
    failures: tuple[int, ...] = (),
) -> Json:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    found = {"description": "done", "content": {media: {"schema": answer or {"type": "object"}}}}
    failed = {str(code): {"description": _FAILURES[code], "content": error} for code in failures}
    operation: Json = {"summary": summary, "responses": {str(status): found, **failed}}
    if parameters:
        operation["parameters"] = list(parameters)
    taken: Json = {each: {"schema": _BINARY} for each in uploads}
    if body is not None:
        taken[takes] = {"schema": body} if example is None else {"schema": body, "example": example}
    if taken:
        operation["requestBody"] = {"required": True, "content": taken}
    return operation


def _rows(name: str, row: Json) -> Json:
    return {"type": "object", "properties": {name: {"type": "array", "items": row}}, "required": [name]}


def _form(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str, place: str, type: str = "string") -> Json:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": type}}


_TEXT: Json = {"type": "string"}
_ARROW = "application/vnd.apache.arrow.stream"
_BINARY: Json = {"type": "string", "format": "binary"}
_ID: Json = {"type": "object", "properties": {"id": _TEXT}, "required": ["id"]}
_ERROR_FIELDS: Json = {"code": _TEXT, "message": _TEXT, "field": {"type": ["string", "null"]}}
_ERROR: Json = {
    "type": "object",
    "properties": {"error": {"type": "object", "properties": _ERROR_FIELDS, "required": [*_ERROR_FIELDS]}},
    "required": ["error"],
}
_NAME, _VERSION = _parameter("name", "path"), _parameter("version", "path")
_RUN, _STEP = _parameter("id", "path"), _parameter("step", "path")
_KIND = _parameter("kind", "path")
_DIGEST = _parameter("digest", "path")
_PAGE = (_parameter("limit", "query", "integer"), _parameter("after", "query"))
_FILTERS = tuple(_parameter(name, "query") for name in ("pipeline", "experiment", "state", "mode", "engine", "tag"))
_IDEMPOTENCY = _parameter("Idempotency-Key", "header")
_LAST_EVENT = _parameter("Last-Event-ID", "header")

_PATHS: dict[str, Json] = {
    "/v1/pipelines": {"get": _operation("List the pipelines and their parameters")},
    "/v1/pipelines/{name}/runs": {
        "post": _operation(
            "Run a pipeline: answers once the run is recorded; it goes on by itself",
            (_NAME, _IDEMPOTENCY),
            body=_form("RunForm"),
            status=201,
            answer=_ID,
            failures=(400, 403, 404, 413, 422, 500),
        )
    },
    "/v1/pipelines/{name}:plan": {
        "post": _operation(
            "Say what a run would do now, step by step, and why",
            (_NAME,),
            body=_form("PlanForm"),
            failures=(400, 403, 404, 413, 422, 500),
        )
    },
    "/v1/runs": {
        "get": _operation(
            "List runs, newest first; `next` is the `after` of the next page", (*_FILTERS, *_PAGE), failures=(400, 404)
        )
    },
    "/v1/runs/{id}": {
        "get": _operation("Show a run and its steps", (_RUN,), failures=(404,)),
        "patch": _operation(
            "Change the tags of a run (null removes one) and its note",
            (_RUN,),
            body=_form("RunChange"),
            failures=(400, 403, 404, 413, 422),
        ),
    },
    "/v1/runs/{id}/metrics": {
        "get": _operation(
            "Read what the steps of a run logged: name -> [[step number, value], ...]; also while they run",
            (_RUN, _parameter("step", "query")),
            failures=(400, 404),
        )
    },
    "/v1/triggers": {"get": _operation("List the triggers: what starts runs by itself")},
    "/v1/triggers/{name}": {"get": _operation("Show a trigger", (_NAME,), failures=(404,))},
    "/v1/triggers/{name}:pause": {
        "post": _operation(
            "Pause a trigger: it starts nothing, and what happens meanwhile waits",
            (_NAME,),
            body=_form("PauseForm"),
            failures=(400, 403, 404, 413),
        )
    },
    "/v1/triggers/{name}:resume": {
        "post": _operation("Let a paused trigger go on, with what waits", (_NAME,), failures=(403, 404))
    },
    "/v1/triggers/{name}:fire": {
        "post": _operation(
            "Fire a trigger by hand", (_NAME,), body=_form("FireForm"), status=202, failures=(400, 403, 404, 413)
        )
    },
    "/v1/triggers/{name}/firings": {
        "get": _operation(
            "List what made a trigger fire, and the runs that came of it, newest first",
            (_NAME, _parameter("limit", "query", "integer")),
            failures=(400, 404),
        )
    },
    "/v1/events": {
        "post": _operation(
            "Take CloudEvents 1.0 (structured, batched, or binary: attributes as headers ce-...); answers with the "
            "firings, once they are recorded",
            body={"type": "object"},
            takes="application/cloudevents+json",
            example={"specversion": "1.0", "type": "com.example.ready", "source": "/shop", "id": "1", "data": {}},
            status=202,
            failures=(400, 403, 413),
        )
    },
    "/v1/compare": {
        "get": _operation(
            "Say what differs between runs: give run=... twice or more",
            (_parameter("run", "query"),),
            failures=(400, 422),
        )
    },
    "/v1/runs/{id}/steps/{step}:verify": {
        "post": _operation(
            "Run a step again on the inputs that it had, and say whether it gives the same",
            (_RUN, _STEP),
            body=_form("VerifyForm"),
            failures=(400, 403, 404, 413, 422, 500),
        )
    },
    "/v1/runs/{id}:cancel": {
        "post": _operation(
            "Cancel a run", (_RUN,), body=_form("CancelForm"), status=202, answer=_ID, failures=(400, 403, 404, 409)
        )
    },
    "/v1/runs/{id}/events": {
        "get": _operation(
            "Follow a run as server-sent events: run_started, step_started, step_ended, run_ended",
            (_RUN, _LAST_EVENT),
            answer=_TEXT,
            media="text/event-stream",
            failures=(404,),
        )
    },
    "/v1/runs/{id}/steps/{step}": {
        "get": _operation("Show a step of a run, with the parts of its key", (_RUN, _STEP), failures=(404,))
    },
    "/v1/runs/{id}/steps/{step}/why": {
        "get": _operation("Say in one line why a step ran, or did not", (_RUN, _STEP), failures=(404,))
    },
    "/v1/runs/{id}/steps/{step}/log": {
        "get": _operation(
            "Read a step's log; with follow=1 or Accept: text/event-stream live, as server-sent events",
            (_RUN, _STEP, _parameter("follow", "query", "boolean"), _LAST_EVENT),
            answer=_TEXT,
            media="text/plain",
            failures=(404,),
        )
    },
    "/v1/experiments": {
        "get": _operation("List the experiments: how many runs of which states, and the newest", failures=(400,))
    },
    "/v1/artifacts": {
        "get": _operation(
            "List artifacts, newest first",
            (_parameter("kind", "query"), _parameter("made_by", "query"), *_PAGE),
            failures=(400, 404),
        ),
        "post": _operation(
            "Keep a table (an Arrow stream), JSON, a text or bytes as an artifact",
            status=201,
            uploads=(
                _ARROW,
                "application/json",
                "text/plain",
                "application/octet-stream",
            ),
            failures=(400, 403, 413, 422, 507),
        ),
    },
    "/v1/artifacts/{digest}": {
        "get": _operation("Show what is known of an artifact", (_DIGEST,), failures=(404,)),
    },
    "/v1/artifacts/{digest}/content": {
        "get": _operation(
            "Read an artifact; a table as Arrow stream, Parquet, CSV or JSON, by Accept",
            (_DIGEST,),
            answer=_BINARY,
            media="*/*",
            failures=(400, 404, 500),
        )
    },
    "/v1/blobs/{digest}": {
        "get": _operation(
            "Read bytes as they are stored; Range gives a part of them",
            (_DIGEST,),
            answer=_BINARY,
            media="application/octet-stream",
            failures=(404,),
        )
    },
    "/v1/lineage/{what}": {
        "get": _operation(
            "Say what a run, a step, an artifact, a model or a name comes from, and what came of it",
            (_parameter("what", "path"), _parameter("direction", "query")),
            failures=(400, 404, 422),
        )
    },
    "/v1/usage": {"get": _operation("Say what takes how much room on disk", failures=(400,))},
    "/v1/gc": {
        "post": _operation(
            "Find what nothing needs any more; with dry_run false take it away",
            body=_form("GcForm"),
            failures=(400, 403, 413, 422, 507),
        )
    },
    "/v1/records/{kind}:find": {
        "post": _operation(
            "Find records: the metadata store, for clients that are penstock too",
            (_KIND,),
            body=_form("FindForm"),
            failures=(400, 403, 404, 413, 422),
        )
    },
    "/v1/records/{kind}:insert": {
        "post": _operation(
            "Insert records of names, all or none",
            (_KIND,),
            body=_form("InsertForm"),
            status=201,
            failures=(400, 403, 404, 409, 413),
        )
    },
    "/v1/models:fit": {
        "post": _operation(
            "Fit a model as a run, and register a version of it",
            body=_form("FitForm"),
            status=201,
            failures=(400, 403, 413, 422, 500),
        )
    },
    **{
        f"/v1/models/{{name}}{version}:batchPredict": {
            "post": _operation(
                "Predict many rows; the answer as Arrow, Parquet, CSV or JSON, by Accept",
                parameters,
                body=_form("RowsForm"),
                uploads=(_ARROW,),
                failures=(400, 403, 404, 413, 422),
            )
        }
        for version, parameters in (("", (_NAME,)), ("/versions/{version}", (_NAME, _VERSION)))
    },
    **{
        f"/v1/models/{{name}}{version}:evaluate": {
            "post": _operation(
                "Judge a model on rows with labels",
                parameters,
                body=_form("RowsForm"),
                uploads=(_ARROW,),
                failures=(400, 403, 404, 413, 422),
            )
        }
        for version, parameters in (("", (_NAME,)), ("/versions/{version}", (_NAME, _VERSION)))
    },
    "/v1/models": {"get": _operation("List the registered models")},
    "/v1/models/{name}": {"get": _operation("Show a model: versions, aliases, signature", (_NAME,), failures=(404,))},
    "/v1/models/{name}/versions/{version}:predict": {
        "post": _operation(
            "Predict with a version of a model",
            (_NAME, _VERSION),
            body=_rows("instances", {"type": "object"}),
            answer=_rows("predictions", {"type": "object"}),
            failures=(400, 404, 413, 422, 500),
        )
    },
    "/v1/sql": {
        "post": _operation(
            "Run a query", body=_form("SqlForm"), example={"query": "SELECT 1 AS one"}, failures=(400, 403, 413, 422)
        )
    },
    "/health": {"get": _operation("Tell that the server answers, and which versions it serves")},
    "/metrics": {"get": _operation("Counters for Prometheus", answer=_TEXT, media="text/plain")},
}
