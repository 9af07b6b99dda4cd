"""The Open Inference Protocol (version 2 of KServe's, Triton's and MLServer's REST): what is served, as tensors.

Source: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md. A request becomes the rows
of `/v1/models/{name}:predict` and is answered by the same row function, so both say the same of the same values, and
both are in the log of requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from time import perf_counter
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

import penstock
from penstock.models import versions
from penstock.serving.at_once import LARGE_BODY_BYTES, REQUEST_ID
from penstock.serving.bodies import decoded, read_body
from penstock.serving.errors import failure
from penstock.serving.predict import predicted
from penstock.serving.predictors import Loaded, predict_path
from penstock.serving.state import json_answer, serving
from penstock.serving.tensors import Tensor, described, instances, outputs

PLATFORM = "penstock_model_graph"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class WantedTensor(msgspec.Struct):
    """A tensor that an answer is to have."""

    name: str


class InferForm(msgspec.Struct):
    """What is inferred: a tensor for each input, and which outputs are wanted (all where it does not say). Extensions
    that a client adds are passed over, as the protocol has it."""

    inputs: list[Tensor]
    id: str = ""
    outputs: list[WantedTensor] | None = None


Endpoint = Callable[[Request], Awaitable[Response]]


def _answering(endpoint: Endpoint) -> Endpoint:
    """Answer an error as the protocol has it: `{"error": text}`."""

    @wraps(endpoint)
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ClientDisconnect:
            raise
        except Exception as error:  # the border of the server: whatever happened, the client gets an answer
            failed = failure(error, request.url.path)
            return json_answer({"error": _decode(failed.body)["error"]["message"]}, failed.status)

    return answered


async def describe_server(request: Request) -> Response:
    """GET /v2."""
    return json_answer({"name": "penstock", "version": penstock.__version__, "extensions": []})


async def tell_live(request: Request) -> Response:
    """GET /v2/health/live."""
    return json_answer({"live": True})


async def tell_ready(request: Request) -> Response:
    """GET /v2/health/ready: what the registry serves was loaded before the first request was taken."""
    return json_answer({"ready": True})


@_answering
async def describe_model(request: Request) -> Response:
    """GET /v2/models/{name}: its versions, and the tensors that it takes and gives."""
    loaded = await _loaded(request)
    signature = loaded.graph.signature
    known = await run_in_threadpool(versions, serving(request).project.metadata, loaded.model)
    return json_answer(
        {
            "name": loaded.model,
            "versions": [str(each.version) for each in known],
            "platform": PLATFORM,
            "inputs": described(signature.inputs),
            "outputs": described(signature.outputs),
        }
    )


@_answering
async def tell_model_ready(request: Request) -> Response:
    """GET /v2/models/{name}/ready."""
    loaded = await _loaded(request)
    return json_answer({"name": loaded.model, "ready": True})


@_answering
async def infer(request: Request) -> Response:
    """POST /v2/models/{name}/infer."""
    served, started = serving(request), perf_counter()
    loaded = await _loaded(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), InferForm)
    signature = loaded.graph.signature
    body = _encode({"instances": instances(form.inputs, signature.inputs)})
    work = partial(predicted, loaded.predictor, body, served.limits.image_pixels if loaded.takes_files else None)
    if loaded.takes_files or len(body) > LARGE_BODY_BYTES:
        rows, answer = await served.predictors.beside(work, files=loaded.takes_files)
    else:
        rows, answer = work()
    wanted = None if form.outputs is None else [each.name for each in form.outputs]
    tensors = outputs(_decode(answer)["predictions"], signature.outputs, wanted)
    served.metrics.predictions[loaded.model, loaded.version] += rows
    said: dict[str, Any] = {"model_name": loaded.model, "model_version": str(loaded.version)}
    if not served.notes.is_on:
        return json_answer({**said, **({"id": form.id} if form.id else {}), "outputs": tensors})
    named = form.id.isascii() and form.id.isprintable()  # as a header has to be
    name = served.notes.name([(REQUEST_ID, form.id.encode())] if form.id and named else request.scope["headers"])
    served.notes.note(loaded, name, body, answer, perf_counter() - started)
    text = name.decode("latin-1")
    return json_answer({**said, "id": form.id or text, "outputs": tensors}, headers={REQUEST_ID.decode(): text})


async def _loaded(request: Request) -> Loaded:
    """Return the version of a model that a path names."""
    predictors, model = serving(request).predictors, request.path_params["name"]
    version = request.path_params.get("version")
    return predictors.by_path.get(predict_path(model, version)) or await predictors.get(model, version)
