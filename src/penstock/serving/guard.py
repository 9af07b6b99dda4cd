"""The server's token: with one, every request but that for its health must bring it."""

from __future__ import annotations

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from penstock.errors import UnauthorizedError
from penstock.serving.at_once import Answer, Answered, AtOnce, Headers
from penstock.serving.errors import failure

_OPEN = frozenset({"/health", "/v2/health/live", "/v2/health/ready"})
_REFUSED = failure(
    UnauthorizedError(
        "this server answers only requests with its token: send the header 'Authorization: Bearer TOKEN'; in Python "
        "ps.open(url, token=...), or PENSTOCK_SERVER_TOKEN in the environment"
    ),
    "",
)


def guarded(application: ASGIApp, token: str) -> ASGIApp:
    """Return the application as those reach it who bring the token. The comparison takes as long for a wrong token
    whatever is wrong with it, so that it cannot be guessed a letter at a time."""
    expected = b"Bearer " + token.encode()

    async def application_or_refusal(scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["path"] in _OPEN
            or hmac.compare_digest(_brought(scope["headers"]), expected)
        ):
            await application(scope, receive, send)
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(_REFUSED.body)),
            (b"www-authenticate", b'Bearer realm="penstock"'),
        ]
        await send({"type": "http.response.start", "status": _REFUSED.status, "headers": headers})
        await send({"type": "http.response.body", "body": _REFUSED.body})

    return application_or_refusal


def guarded_at_once(at_once: AtOnce, token: str) -> AtOnce:
    """Return what answers at once those who bring the token; the others get their answer from the application."""
    expected = b"Bearer " + token.encode()

    def known(target: bytes) -> Answer | None:
        answer = at_once(target)
        if answer is None:
            return None

        def answer_or_none(headers: Headers, body: bytes) -> Answered | None:
            return answer(headers, body) if hmac.compare_digest(_brought(headers), expected) else None

        return answer_or_none

    return known


def _brought(headers: Headers) -> bytes:
    """Return the credentials of a request with their scheme written as we write it: its case has no meaning."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, credentials = bytes(value).partition(b" ")
            return b"Bearer " + credentials.strip() if scheme.lower() == b"bearer" else b""
    return b""
