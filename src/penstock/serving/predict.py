"""The hot path: from the bytes of a predict request to the bytes of its answer, with no framework in between."""

from __future__ import annotations

from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from penstock.serving.bodies import read_body
from penstock.serving.errors import failure
from penstock.serving.metrics import Metrics
from penstock.serving.predictors import Loaded, Predictors

_JSON = (b"content-type", b"application/json")


def predict_or(fallback: ASGIApp, *, predictors: Predictors, metrics: Metrics, body_limit_bytes: int) -> ASGIApp:
    """Return an application that answers predict requests of loaded models itself and leaves all others to `fallback`.

    A request costs one dictionary look-up (the whole path), the model graph's row function, and two counters.
    """
    by_path = predictors.by_path

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            loaded = by_path.get(scope["path"])
            if loaded is not None:
                await answer_predict(
                    loaded, scope["path"], receive, send, metrics=metrics, body_limit_bytes=body_limit_bytes
                )
                return
        await fallback(scope, receive, send)

    return application


async def answer_predict(
    loaded: Loaded, path: str, receive: Receive, send: Send, *, metrics: Metrics, body_limit_bytes: int
) -> None:
    """Read one request, predict, answer and count it."""
    started = perf_counter()
    status = 200
    try:
        body = loaded.answer(await read_body(receive, body_limit_bytes))
        metrics.predict_requests[loaded.model, loaded.version] += 1
    except ClientDisconnect:
        return
    except Exception as error:  # the border of the server: whatever happened, the client gets an answer
        failed = failure(error, path)
        status, body = failed.status, failed.body
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    if status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    metrics.observe("predict", status, perf_counter() - started)
