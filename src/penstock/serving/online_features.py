"""The other hot path: `POST /get-online-features`, with Feast's payload and answer, from bytes to bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from penstock.features import FeatureList, FeatureReader, plain_values
from penstock.serving.at_once import LARGE_BODY_BYTES, AtOnce, Headers
from penstock.serving.bodies import decoded, read_body
from penstock.serving.content import ARROW_STREAM
from penstock.serving.errors import failure, plain_failure
from penstock.serving.feature_forms import OnlineForm
from penstock.serving.feature_readers import Asked, FeatureReaders
from penstock.serving.metrics import Metrics
from penstock.serving.predictors import Predictors

PATH = "/get-online-features"

_JSON = (b"content-type", b"application/json")
_NOT_POST = plain_failure(405, "method_not_allowed", f"{PATH} takes POST")
_ARROW = ARROW_STREAM.encode()
_PLAIN = frozenset({"int64", "string", "bool", "float64"})
_MICROSECONDS = np.dtype("M8[us]")
_encode = msgspec.json.Encoder().encode


class _Result(msgspec.Struct, frozen=True):
    """A key, or a feature, of all entities."""

    values: Sequence[Any]
    statuses: msgspec.Raw
    event_timestamps: msgspec.Raw


def answered(reader: FeatureReader, form: OnlineForm) -> bytes:
    """Return the answer to a request: keys, then features, each with its values, statuses and event times."""
    lists = reader.lists(form.entities, now=form.now)
    named = [name for name in form.entities if name in reader.needs.entities]
    count = len(next(iter(form.entities.values())))
    results = [_Result(form.entities[name], _present(count), _never(count)) for name in named]
    finite = _all_finite(lists)
    statuses: Sequence[str] = ()
    events: Sequence[int] = ()
    for each in lists:  # those that features share are encoded once
        if each.statuses is not statuses:
            statuses, shown = each.statuses, msgspec.Raw(_encode(each.statuses))
        if each.events is not events:
            events, times = each.events, msgspec.Raw(_times(each.events))
        values = each.values if finite and each.type in _PLAIN else plain_values(each.values, each.type)
        results.append(_Result(values, shown, times))
    metadata: dict[str, Any] = {"feature_names": [*named, *[each.wanted.column for each in lists]]}
    if form.include_feature_view_version_metadata:
        metadata["feature_view_metadata"] = _versions(lists)
    return _encode({"metadata": metadata, "results": results})


def _all_finite(lists: Sequence[FeatureList]) -> bool:
    """Tell whether no number is NaN or infinite. Their sum tells it in one step, unless it overflows."""
    try:
        return isfinite(sum([sum(each.values) for each in lists if each.type == "float64"]))
    except TypeError:  # there are NULLs among them: each list is looked at by itself
        return False


def _times(events: Sequence[int]) -> bytes:
    """Return microseconds since 1970 as a JSON list of times in UTC. NumPy makes times of numbers six times as fast as
    Python does, but without a zone: that is put behind each."""
    content = _encode(np.array(events, dtype=_MICROSECONDS).tolist())
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


def online_features_at_once(*, readers: FeatureReaders, metrics: Metrics, body_limit_bytes: int) -> AtOnce:
    """Return what answers small requests in JSON for features that were asked for before, from a store in this process.

    One costs a dictionary look-up, one read of the online store, and the encoding of its answer.
    """
    by_asked, most = readers.by_asked, min(body_limit_bytes, LARGE_BODY_BYTES)

    def answer(headers: Headers, body: bytes) -> tuple[int, bytes] | None:
        if len(body) > most or _speaks_arrow(headers):
            return None
        started = perf_counter()
        try:
            form = decoded(body, OnlineForm)
            reader = by_asked.get(_asked(form))
            if reader is None or reader.waits:
                return None
            status, content = 200, answered(reader, form)
        except Exception as error:  # the border of the server: whatever happened, the client gets an answer
            failed = failure(error, PATH)
            status, content = failed.status, failed.body
        metrics.observe("get_online_features", status, perf_counter() - started)
        return status, content

    target = PATH.encode()
    return lambda asked: answer if asked == target else None


def online_features_or(
    fallback: ASGIApp, *, readers: FeatureReaders, beside: Predictors, metrics: Metrics, body_limit_bytes: int
) -> ASGIApp:
    """Return an application that answers every request for online features in JSON itself, and leaves all others to
    `fallback`: those that come, or are to be answered, as Arrow among them."""
    by_asked = readers.by_asked

    async def answer(receive: Receive) -> tuple[int, bytes]:
        try:
            body = await read_body(receive, body_limit_bytes)
            form = decoded(body, OnlineForm)
            asked = _asked(form)
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
        if scope["type"] != "http" or scope["path"] != PATH or _speaks_arrow(scope["headers"]):
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


def _asked(form: OnlineForm) -> Asked:
    return form.full_feature_names, form.feature_service, tuple(form.features)


def _speaks_arrow(headers: Headers) -> bool:
    return any(_ARROW in value for name, value in headers if name in (b"content-type", b"accept"))
