"""The hot path: from the bytes of a predict request to the bytes of its answer, with no framework in between."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from penstock.core.schema import Schema
from penstock.errors import DataError
from penstock.operations.glimpses import size_in_pixels
from penstock.serving.at_once import LARGE_BODY_BYTES, REQUEST_ID, Answer, Answered, AtOnce, Headers
from penstock.serving.bodies import read_body
from penstock.serving.errors import failure, plain_failure
from penstock.serving.metrics import Metrics
from penstock.serving.multipart import as_json, boundary_of
from penstock.serving.parameters import parameters, wants_stages
from penstock.serving.predictors import Predictors, is_predict_path, parse_path
from penstock.serving.request_notes import RequestNotes
from penstock.serving.service import RowPredictor
from penstock.serving.state import Limits

_JSON = (b"content-type", b"application/json")
_BOUNDARY = b"--"  # as a form of parts begins, and no JSON
_NOT_POST = plain_failure(405, "method_not_allowed", "predict takes POST")
_encode = msgspec.json.Encoder().encode


def predicted(predictor: RowPredictor, body: bytes, pixels: int | None = None) -> tuple[int, bytes]:
    """Return how many instances a body has, and the answer to it; NaN and infinity become null.

    With `pixels`, more than so many in all images of the body are a `DataError`, before the first is decoded.
    """
    rows = predictor.decode(body)
    if pixels is not None:
        _check_pixels(predictor, rows, pixels)
    predictions: list[dict[str, Any]] = []
    try:
        for row in rows:
            predictions.append(predictor.predict_decoded(row))
    except DataError as error:
        if len(rows) == 1:
            raise
        raise DataError(f"row {len(predictions)}: {error}", field=error.field) from error
    return len(predictions), _encode({"predictions": predictions})


def _check_pixels(predictor: RowPredictor, rows: list[Any], most: int) -> None:
    total = 0
    for number, row in enumerate(rows):
        for field, content in predictor.files(row).items():
            width, height = size_in_pixels(content) or (0, 0)
            total += width * height
            if total > most:
                raise DataError(
                    f"row {number}, field '{field}': an image of {width:,} x {height:,} pixels, {total:,} with those "
                    f"before it; in one request this server takes {most:,} (image_pixels in [server])",
                    field=field,
                )


def predict_at_once(*, predictors: Predictors, metrics: Metrics, notes: RequestNotes, limits: Limits) -> AtOnce:
    """Return what answers small requests to models that are loaded, and that take no images: those take a while.

    One costs a dictionary look-up (the whole path), the model graph's row function and three counters.
    """
    by_path, most = predictors.by_path, min(limits.body_bytes, LARGE_BODY_BYTES)

    def known(target: bytes) -> Answer | None:
        path = target.decode("ascii", "replace")
        loaded = by_path.get(path)
        if loaded is None or loaded.takes_files:
            return None

        def answer(headers: Headers, body: bytes) -> Answered | None:
            if len(body) > most or body[:2] == _BOUNDARY:
                return None
            started = perf_counter()
            request = notes.name(headers) if notes.is_on else b""
            try:
                rows, content = predicted(loaded.predictor, body)
                status = 200
                metrics.predictions[loaded.model, loaded.version] += rows
                if request:
                    notes.note(loaded, request, body, content, perf_counter() - started)
            except Exception as error:  # the border of the server: whatever happened, the client gets an answer
                failed = failure(error, path)
                status, content = failed.status, failed.body
            metrics.observe("predict", status, perf_counter() - started)
            return status, content, request

        return answer

    return known


def predict_or(
    fallback: ASGIApp, *, predictors: Predictors, metrics: Metrics, notes: RequestNotes, limits: Limits
) -> ASGIApp:
    """Return an application that answers every predict request itself and leaves all others to `fallback`."""
    by_path = predictors.by_path

    async def answer(scope: Scope, receive: Receive, request: bytes) -> tuple[int, bytes]:
        path, started = scope["path"], perf_counter()
        try:
            stages = bool(scope["query_string"]) and wants_stages(parameters(Request(scope), "stages"))
            loaded = by_path.get(path) or await predictors.get(*parse_path(path))
            predictor = loaded.predicting(stages=stages)
            body, inputs = await read_body(receive, limits.body_bytes), loaded.graph.signature.inputs
            boundary = boundary_of(scope["headers"]) if body[:2] == _BOUNDARY else None
            if loaded.takes_files or len(body) > LARGE_BODY_BYTES:
                pixels = limits.image_pixels if loaded.takes_files else None
                work = partial(_answered, predictor, body, boundary, inputs, pixels)
                body, rows, answered = await predictors.beside(work, files=loaded.takes_files)
            else:
                body, rows, answered = _answered(predictor, body, boundary, inputs, None)
        except ClientDisconnect:
            raise
        except Exception as error:  # the border of the server: whatever happened, the client gets an answer
            failed = failure(error, path)
            return failed.status, failed.body
        metrics.predictions[loaded.model, loaded.version] += rows
        if request:
            notes.note(loaded, request, body, answered, perf_counter() - started)
        return 200, answered

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_predict_path(scope["path"]):
            await fallback(scope, receive, send)
            return
        started = perf_counter()
        status, body = _NOT_POST.status, _NOT_POST.body
        request = notes.name(scope["headers"]) if notes.is_on else b""
        if scope["method"] == "POST":
            try:
                status, body = await answer(scope, receive, request)
            except ClientDisconnect:
                return
        headers = [_JSON, (b"content-length", b"%d" % len(body)), *([(REQUEST_ID, request)] if request else [])]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        metrics.observe("predict", status, perf_counter() - started)

    return application


def _answered(
    predictor: RowPredictor, body: bytes, boundary: bytes | None, inputs: Schema, pixels: int | None
) -> tuple[bytes, int, bytes]:
    """Return a body as JSON, how many instances it has, and the answer to it."""
    given = body if boundary is None else as_json(body, boundary, inputs)
    return given, *predicted(predictor, given, pixels)
