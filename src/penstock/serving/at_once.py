"""Requests whose answer can be known without waiting for anything: what they are, and who may ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

LARGE_BODY_BYTES = 64 * 1024
"""A larger body is worked on in a thread of its own, so that small requests need not wait for it."""

Headers = Sequence[tuple[bytes, bytes]]
"""The headers of a request, their names in small letters."""

Answer = Callable[[Headers, bytes], tuple[int, bytes] | None]
"""Gives, for the headers and the body of a request, the status and the JSON of its answer; None where that takes a
while, or another form."""

AtOnce = Callable[[bytes], Answer | None]
"""Gives, for the target of a POST request, what may know its answer."""


def either(one: AtOnce, other: AtOnce) -> AtOnce:
    """Return what knows the answers of two."""
    return lambda target: one(target) or other(target)
