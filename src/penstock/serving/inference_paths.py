"""The paths of the Open Inference Protocol, described."""

from __future__ import annotations

from typing import Any

from penstock.serving.describing import TEXT, Json, form, operation, parameter

_TENSOR: dict[str, Json] = {
    "name": TEXT,
    "datatype": TEXT,
    "shape": {"type": "array", "items": {"type": "integer"}},
}
_KNOWN: Json = {"type": "array", "items": {"type": "object", "properties": _TENSOR}}
_GIVEN: Json = {"type": "array", "items": {"type": "object", "properties": {**_TENSOR, "data": {"type": "array"}}}}
_EXAMPLE: Json = {"inputs": [{"name": "km", "shape": [2], "datatype": "FP64", "data": [1.5, 2.0]}]}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": [*properties]}


def _of_a_model(parameters: tuple[Json, ...], path: str) -> dict[str, Json]:
    def described(summary: str, answer: Json, failures: tuple[int, ...], **more: Any) -> Json:
        return operation(summary, parameters, answer=answer, failures=failures, **more)

    known = _object(name=TEXT, versions={"type": "array", "items": TEXT}, platform=TEXT, inputs=_KNOWN, outputs=_KNOWN)
    ready = _object(name=TEXT, ready={"type": "boolean"})
    return {
        path: {
            "get": described("Show the tensors that a model takes and gives (Open Inference Protocol)", known, (404,))
        },
        f"{path}/ready": {"get": described("Tell that a model predicts", ready, (404,))},
        f"{path}/infer": {
            "post": described(
                "Predict tensors (Open Inference Protocol): for each input one, its first dimension the rows",
                _object(model_name=TEXT, model_version=TEXT, outputs=_GIVEN),
                (400, 404, 413, 422, 500),
                body=form("InferForm"),
                example=_EXAMPLE,
            )
        },
    }


INFERENCE_PATHS: dict[str, Json] = {
    "/v2": {
        "get": operation("Say what this server is (Open Inference Protocol)", answer=_object(name=TEXT, version=TEXT))
    },
    "/v2/health/live": {"get": operation("Tell that the server answers", answer=_object(live={"type": "boolean"}))},
    "/v2/health/ready": {"get": operation("Tell that it predicts", answer=_object(ready={"type": "boolean"}))},
    **_of_a_model((parameter("name", "path"),), "/v2/models/{name}"),
    **_of_a_model((parameter("name", "path"), parameter("version", "path")), "/v2/models/{name}/versions/{version}"),
}
