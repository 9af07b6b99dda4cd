"""The hot path: from the bytes of a predict request to the bytes of its answer, with no framework in between."""

from __future__ import annotations

from time import perf_counter

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from penstock.serving.at_once import LARGE_BODY_BYTES, Answer, AtOnce, Headers
from penstock.serving.bodies import read_body
from penstock.serving.errors import failure, plain_failure
from penstock.serving.metrics import Metrics
from penstock.serving.parameters import parameters, wants_stages
from penstock.serving.predictors import Predictors, is_predict_path, parse_path
from penstock.serving.request_notes import RequestNotes
from penstock.serving.service import RowPredictor

_JSON = (b"content-type", b"application/json")
_NOT_POST = plain_failure(405, "method_not_allowed", "predict takes POST")
_encode = msgspec.json.Encoder().encode


def predicted(predictor: RowPredictor, body: bytes) -> tuple[int, bytes]:
    """Return how many instances a body has, and the answer to it; NaN and infinity become null."""
    predictions = [predictor.predict_decoded(row) for row in predictor.decode(body)]
    return len(predictions), _encode({"predictions": predictions})


def predict_at_once(*, predictors: Predictors, metrics: Metrics, notes: RequestNotes, body_limit_bytes: int) -> AtOnce:
    """Return what answers small requests to models that are loaded.

    One costs a dictionary look-up (the whole path), the model graph's row function and three counters.
    """
    by_path, most = predictors.by_path, min(body_limit_bytes, LARGE_BODY_BYTES)

    def known(target: bytes) -> Answer | None:
        path = target.decode("ascii", "replace")
        loaded = by_path.get(path)
        if loaded is None:
            return None

        def answer(headers: Headers, body: bytes) -> tuple[int, bytes] | None:
            if len(body) > most:
                return None
            started = perf_counter()
            try:
                rows, content = predicted(loaded.predictor, body)
                status = 200
                metrics.predictions[loaded.model, loaded.version] += rows
                notes.note(loaded, headers, body, content, perf_counter() - started)
            except Exception as error:  # the border of the server: whatever happened, the client gets an answer
                failed = failure(error, path)
                status, content = failed.status, failed.body
            metrics.observe("predict", status, perf_counter() - started)
            return status, content

        return answer

    return known


def predict_or(
    fallback: ASGIApp, *, predictors: Predictors, metrics: Metrics, notes: RequestNotes, body_limit_bytes: int
) -> ASGIApp:
    """Return an application that answers every predict request itself and leaves all others to `fallback`."""
    by_path = predictors.by_path

    async def answer(scope: Scope, receive: Receive) -> tuple[int, bytes]:
        path, started = scope["path"], perf_counter()
        try:
            stages = bool(scope["query_string"]) and wants_stages(parameters(Request(scope), "stages"))
            loaded = by_path.get(path) or await predictors.get(*parse_path(path))
            predictor = loaded.predicting(stages=stages)
            body = await read_body(receive, body_limit_bytes)
            if len(body) > LARGE_BODY_BYTES:
                rows, answered = await predictors.beside(lambda: predicted(predictor, body))
            else:
                rows, answered = predicted(predictor, body)
        except ClientDisconnect:
            raise
        except Exception as error:  # the border of the server: whatever happened, the client gets an answer
            failed = failure(error, path)
            return failed.status, failed.body
        metrics.predictions[loaded.model, loaded.version] += rows
        notes.note(loaded, scope["headers"], body, answered, perf_counter() - started)
        return 200, answered

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_predict_path(scope["path"]):
            await fallback(scope, receive, send)
            return
        started = perf_counter()
        status, body = _NOT_POST.status, _NOT_POST.body
        if scope["method"] == "POST":
            try:
                status, body = await answer(scope, receive)
            except ClientDisconnect:
                return
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        metrics.observe("predict", status, perf_counter() - started)

    return application
