"""How requests come off a connection: what can be answered at once is, all else becomes a task of ASGI's.

Around a small answer that is known by now, the task, the queues and the headers, one by one, take several times as long
as the answer itself, most of all where requests come one after the other and the processor's caches are cold.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from penstock.serving.at_once import LARGE_BODY_BYTES, REQUEST_ID, Answer, AtOnce

_JSON = b"content-type: application/json\r\ncontent-length: "


class AtOnceProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 on one connection, extended as uvicorn lets it be: by a class in its place.

    The same parser reads every request. One that may be answered at once is kept until it is whole; where its answer
    has to wait for something, or it is large, it goes the way of the others, as if it had come just now. One that comes
    while another is being answered goes that way from the start, so that answers keep their order; so does one whose
    client does not read.
    """

    def __init__(self, at_once: AtOnce, **given: Any) -> None:
        super().__init__(**given)
        self._at_once = at_once
        self._answer: Answer | None = None
        self._body: bytes | bytearray = b""

    def on_headers_complete(self) -> None:
        """Keep the request if its answer may be known at once."""
        self._answer = self._at_once(self.url) if self._is_alone() else None
        if self._answer is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._answer is None:
            super().on_body(body)
            return
        if self._body:
            self._body = bytearray(self._body) if isinstance(self._body, bytes) else self._body
            self._body += body
        else:
            self._body = body  # nearly always all of it
        if len(self._body) > LARGE_BODY_BYTES:
            self._hand_over()

    def on_message_complete(self) -> None:
        """Answer the request that is kept, or hand it over."""
        made = None
        if self._answer is not None:
            made = self._answer(self.headers, bytes(self._body))
            if made is None:
                self._hand_over()
        if made is None:
            super().on_message_complete()
            return
        self._answer, self._body = None, b""
        self._write(*made)
        self.on_response_complete()

    def shutdown(self) -> None:
        """Close the connection; a request that has come in part is still answered."""
        if self._answer is not None:
            self._hand_over()
        super().shutdown()

    def _is_alone(self) -> bool:
        """Tell whether nothing is under way on this connection, and the request is one that a client simply sends."""
        return (
            self.parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and not self.parser.should_upgrade()
            and self.limit_concurrency is None
        )

    def _hand_over(self) -> None:
        body, self._answer, self._body = bytes(self._body), None, b""
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _write(self, status: int, body: bytes, request: bytes = b"") -> None:
        keeps = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        common = [part for name, value in self.server_state.default_headers for part in (name, b": ", value, b"\r\n")]
        named = b"\r\n%s: %s" % (REQUEST_ID, request) if request else b""
        end = named + (b"\r\n\r\n" if keeps else b"\r\nconnection: close\r\n\r\n")
        self.transport.write(b"".join([STATUS_LINE[status], *common, _JSON, b"%d" % len(body), end, body]))
        if not keeps:
            self.transport.close()


def protocol(at_once: AtOnce) -> type[asyncio.Protocol]:
    """Return what makes a connection's protocol, as uvicorn's setting `http` takes it."""

    class Protocol(AtOnceProtocol):
        def __init__(self, **given: Any) -> None:
            super().__init__(at_once, **given)

    return Protocol
