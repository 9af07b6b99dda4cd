"""The other hot path: `POST /get-online-features`, with Feast's payload and answer, from bytes to bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from penstock.features import FeatureList, FeatureReader, plain_values
from penstock.serving.bodies import decoded, read_body
from penstock.serving.content import ARROW_STREAM
from penstock.serving.errors import failure, plain_failure
from penstock.serving.feature_forms import OnlineForm
from penstock.serving.feature_readers import FeatureReaders
from penstock.serving.metrics import Metrics
from penstock.serving.predict import LARGE_BODY_BYTES
from penstock.serving.predictors import Predictors

PATH = "/get-online-features"

_JSON = (b"content-type", b"application/json")
_NOT_POST = plain_failure(405, "method_not_allowed", f"{PATH} takes POST")
_ARROW = ARROW_STREAM.encode()
_encode = msgspec.json.Encoder().encode


def answered(reader: FeatureReader, form: OnlineForm) -> bytes:
    """Return the answer to a request: keys, then features, each with its values, statuses and event times."""
    lists = reader.lists(form.entities, now=form.now)
    named = {name: values for name, values in form.entities.items() if name in reader.needs.entities}
    count = len(next(iter(form.entities.values())))
    shared: dict[int, msgspec.Raw] = {}
    results = [
        {"values": values, "statuses": _present(count), "event_timestamps": _never(count)} for values in named.values()
    ]
    results += [
        {
            "values": plain_values(each.values, each.wanted.registered.definition.types[each.wanted.feature]),
            "statuses": shared.get(id(each.statuses)) or _once(shared, each.statuses, _encode),
            "event_timestamps": shared.get(id(each.events)) or _once(shared, each.events, _times),
        }
        for each in lists
    ]
    metadata: dict[str, Any] = {"feature_names": [*named, *(each.wanted.column for each in lists)]}
    if form.include_feature_view_version_metadata:
        metadata["feature_view_metadata"] = _versions(lists)
    return _encode({"metadata": metadata, "results": results})


def _once(shared: dict[int, msgspec.Raw], given: Sequence[Any], encode: Callable[[Any], bytes]) -> msgspec.Raw:
    """Encode a list that features share once for all of them."""
    made = shared[id(given)] = msgspec.Raw(encode(given))
    return made


def _times(events: Sequence[int]) -> bytes:
    """Return microseconds since 1970 as a JSON list of times in UTC. NumPy makes times of numbers six times as fast as
    Python does, but without a zone: that is put behind each."""
    content = _encode(np.array(events, dtype="M8[us]").tolist())
    return content.replace(b'",', b'Z",').replace(b'"]', b'Z"]')


@lru_cache(maxsize=256)
def _present(count: int) -> msgspec.Raw:
    return msgspec.Raw(_encode(["PRESENT"] * count))


@lru_cache(maxsize=256)
def _never(count: int) -> msgspec.Raw:
    return msgspec.Raw(_times([0] * count))


def _versions(lists: Sequence[FeatureList]) -> list[Mapping[str, Any]]:
    records = {each.wanted.registered.name: each.wanted.registered.record for each in lists}
    return [{"name": record.name, "version": record.version} for record in records.values()]


def online_features_or(
    fallback: ASGIApp, *, readers: FeatureReaders, beside: Predictors, metrics: Metrics, body_limit_bytes: int
) -> ASGIApp:
    """Return an application that answers requests for online features in JSON itself, and leaves all others to
    `fallback`: those that come, or are to be answered, as Arrow among them.

    A request for features that were asked for before costs a dictionary look-up, one read of the online store, and the
    encoding of its answer.
    """
    by_asked = readers.by_asked

    async def answer(receive: Receive) -> tuple[int, bytes]:
        try:
            body = await read_body(receive, body_limit_bytes)
            form = decoded(body, OnlineForm)
            asked = form.full_feature_names, form.feature_service, tuple(form.features)
            reader = by_asked.get(asked) or await readers.get(asked)
            if reader.waits:
                return 200, await run_in_threadpool(answered, reader, form)
            if len(body) > LARGE_BODY_BYTES:
                return 200, await beside.beside(lambda: answered(reader, form))
            return 200, answered(reader, form)
        except ClientDisconnect:
            raise
        except Exception as error:  # the border of the server: whatever happened, the client gets an answer
            failed = failure(error, PATH)
            return failed.status, failed.body

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or _speaks_arrow(scope):
            await fallback(scope, receive, send)
            return
        started = perf_counter()
        status, body = _NOT_POST.status, _NOT_POST.body
        if scope["method"] == "POST":
            try:
                status, body = await answer(receive)
            except ClientDisconnect:
                return
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        metrics.observe("get_online_features", status, perf_counter() - started)

    return application


def _speaks_arrow(scope: Scope) -> bool:
    return any(_ARROW in value for name, value in scope["headers"] if name in (b"content-type", b"accept"))
