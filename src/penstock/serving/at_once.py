"""Requests whose answer can be known without waiting for anything: what they are, and who may ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

LARGE_BODY_BYTES = 64 * 1024
"""A larger body is worked on in a thread of its own, so that small requests need not wait for it."""

Headers = Sequence[tuple[bytes, bytes]]
"""The headers of a request, their names in small letters."""

Answered = tuple[int, bytes] | tuple[int, bytes, bytes]
"""The status and the JSON of an answer, and what the request is called, if it has a name."""

Answer = Callable[[Headers, bytes], Answered | None]
"""Gives, for the headers and the body of a request, its answer; None where that takes a while, or another form."""

REQUEST_ID = b"x-request-id"
"""The header of an answer that says what the request is called, by which labels find it later."""

AtOnce = Callable[[bytes], Answer | None]
"""Gives, for the target of a POST request, what may know its answer."""


def either(one: AtOnce, other: AtOnce) -> AtOnce:
    """Return what knows the answers of two."""
    return lambda target: one(target) or other(target)
