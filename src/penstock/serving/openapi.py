"""The server's own description (OpenAPI 3.1), with the rows that each loaded model takes and gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

import penstock
from penstock.serving.forms import RunForm, SqlForm
from penstock.serving.predictors import Loaded, predict_path
from penstock.serving.schemas import example_row, row_schema

Json = dict[str, Any]


def openapi(loaded: Iterable[Loaded]) -> Json:
    """Return the whole document; `loaded` are the model versions that are served."""
    _, forms = msgspec.json.schema_components([RunForm, SqlForm], ref_template="#/components/schemas/{name}")
    models = {predict_path(each.model): {"post": _predict(each)} for each in loaded}
    return {
        "openapi": "3.1.0",
        "info": {"title": "penstock", "version": penstock.__version__},
        "paths": {**models, **_paths()},
        "components": {"schemas": {**forms, "Error": _ERROR}},
    }


_ERROR: Json = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "field": {"type": ["string", "null"]},
            },
            "required": ["code", "message", "field"],
        }
    },
    "required": ["error"],
}
_FAILURES: dict[int, str] = {
    400: "the body is not of the form that the endpoint takes",
    404: "nothing has the name in the path",
    409: "the state of the thing does not allow it",
    413: "the body is too large",
    422: "a value or a declaration is wrong; `field` names it where it can",
    500: "the server failed; its log has the details under the id given",
}


def _predict(loaded: Loaded) -> Json:
    signature = loaded.graph.signature
    example = {"instances": [example_row(signature.inputs)]}
    return _operation(
        f"Predict with model {loaded.model} (version {loaded.version} now)",
        body=_rows("instances", row_schema(signature.inputs, closed=True)) | {"example": example},
        answers={
            200: (
                "a prediction for each instance, in order",
                _rows("predictions", row_schema(signature.outputs, closed=False)),
            )
        },
        failures=(400, 413, 422, 500),
    )


def _rows(name: str, row: Json) -> Json:
    return {"type": "object", "properties": {name: {"type": "array", "items": row}}, "required": [name]}


def _paths() -> Json:
    run, step = _path_parameter("id", "a run"), _path_parameter("step", "a step of the run")
    name, version = _path_parameter("name", "a name"), _path_parameter("version", "a version")
    filters = [_query(key, "string") for key in ("pipeline", "experiment", "state")] + [_query("limit", "integer")]
    form = {form: {"$ref": f"#/components/schemas/{form}"} for form in ("RunForm", "SqlForm")}
    return {
        "/v1/pipelines": {"get": _operation("List the pipelines and their parameters")},
        "/v1/pipelines/{name}/runs": {
            "post": _operation(
                "Run a pipeline", [name], body=form["RunForm"], answers={201: ("the run's id; it goes on by itself", _ID)},
                failures=(400, 404, 413, 422, 500),
            )
        },
        "/v1/runs": {"get": _operation("List runs, newest first", filters)},
        "/v1/runs/{id}": {"get": _operation("Show a run and its steps", [run], failures=(404,))},
        "/v1/runs/{id}:cancel": {
            "post": _operation("Cancel a run", [run], answers={202: ("it will stop", _ID)}, failures=(404, 409))
        },
        "/v1/runs/{id}/steps/{step}/log": {
            "get": _operation(
                "Read a step's log; with follow=1 or Accept: text/event-stream live, as server-sent events",
                [run, step, _query("follow", "boolean")], answers={200: ("the log", {"type": "string"})},
                media="text/plain", failures=(404,),
            )
        },
        "/v1/models": {"get": _operation("List the registered models")},
        "/v1/models/{name}": {"get": _operation("Show a model: versions, aliases, signature", [name], failures=(404,))},
        "/v1/models/{name}/versions/{version}:predict": {
            "post": _operation(
                "Predict with a version of a model", [name, version], body=_rows("instances", {"type": "object"}),
                answers={200: ("a prediction for each instance, in order", _rows("predictions", {"type": "object"}))},
                failures=(400, 404, 413, 422, 500),
            )
        },
        "/v1/sql": {
            "post": _operation("Run a query", body=form["SqlForm"], failures=(400, 403, 413, 422)),
        },
        "/health": {"get": _operation("Tell that the server answers")},
        "/metrics": {
            "get": _operation("Counters for Prometheus", answers={200: ("text", {"type": "string"})}, media="text/plain")
        },
    }  # fmt: skip


_ID: Json = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def _operation(
    summary: str,
    parameters: list[Json] | None = None,
    *,
    body: Json | None = None,
    answers: dict[int, tuple[str, Json]] | None = None,
    failures: tuple[int, ...] = (),
    media: str = "application/json",
) -> Json:
    answers = answers or {200: ("found", {"type": "object"})}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation: Json = {
        "summary": summary,
        "responses": {
            **{
                str(code): {"description": text, "content": {media: {"schema": of}}}
                for code, (text, of) in answers.items()
            },
            **{str(code): {"description": _FAILURES.get(code, "not allowed"), "content": error} for code in failures},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        example = {key: body[key] for key in ("example",) if key in body}
        schema = {key: value for key, value in body.items() if key != "example"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema, **example}}}
    return operation


def _path_parameter(name: str, meaning: str) -> Json:
    return {"name": name, "in": "path", "required": True, "description": meaning, "schema": {"type": "string"}}


def _query(name: str, type: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": {"type": type}}
