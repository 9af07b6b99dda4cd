"""How the body of a request is read: whole, and never more of it than the server allows."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from penstock.errors import RequestError, TooLargeError

T = TypeVar("T", bound=msgspec.Struct)


async def read_body(receive: Receive, limit_bytes: int) -> bytes:
    """Return the whole body; raises `TooLargeError` as soon as it is above the limit."""
    message = await receive()
    if message["type"] != "http.request":
        raise ClientDisconnect
    body: bytes = message.get("body", b"")
    if message.get("more_body", False) and len(body) <= limit_bytes:
        return await _read_on(receive, body, limit_bytes)
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return body


async def _read_on(receive: Receive, first: bytes, limit_bytes: int) -> bytes:
    chunks, size, more = [first], len(first), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
    return b"".join(chunks)


def _too_large(limit_bytes: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit_bytes} bytes; send fewer rows a request")


def decoded(body: bytes, form: type[T]) -> T:
    """Return the body as the form that its endpoint takes; raises `RequestError` naming the place in it."""
    try:
        return msgspec.json.decode(body or b"{}", type=form)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(f"the body is not what this endpoint takes: {error}") from error
