"""One server over HTTP: connections that are used again, errors that are the server's own, answers as they are read."""

from __future__ import annotations

import contextlib
import http.client
import os
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import msgspec

from penstock.errors import DeclarationError, PenstockError, RequestError, UnknownNameError, UnreachableError
from penstock.remote.failures import from_description

TOKEN_VARIABLE = "PENSTOCK_SERVER_TOKEN"  # noqa: S105  # its name
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 600.0  # a fit or a large prediction takes its time
_CHUNK_BYTES = 1 << 20
_OK = range(200, 300)
_BREAKS = (OSError, http.client.HTTPException)

Json = Any


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """A server-sent event."""

    name: str
    id: str
    data: Json


class Server:
    """A penstock server at an address. Any number of threads may ask it at once; connections are used again, and closed
    with the last reference to this."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url, self._parts = _address(url)
        self.token = token if token is not None else os.environ.get(TOKEN_VARIABLE, "")
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._pid = os.getpid()
        weakref.finalize(self, _close, self._idle)

    def get(self, path: str, **query: Any) -> Json:
        """Return the JSON at a path."""
        return self.json("GET", path, query=query)

    def post(self, path: str, body: Json = None, *, headers: Mapping[str, str] | None = None) -> Json:
        """Send JSON to a path and return the JSON of the answer."""
        return self.json("POST", path, body={} if body is None else body, headers=headers)

    def json(
        self,
        method: str,
        path: str,
        *,
        body: Json = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """Ask with JSON, and return the JSON of the answer."""
        sent = None if body is None else encoded(body, path)
        given = {"content-type": "application/json"} if sent is not None else {}
        content = self.content(method, path, body=sent, query=query, headers={**given, **(headers or {})})
        try:
            return msgspec.json.decode(content)
        except msgspec.DecodeError as error:
            raise UnreachableError(
                f"{self.url}{path} did not answer with JSON: is that a penstock server?", url=self.url
            ) from error

    def content(self, method: str, path: str, **how: Any) -> bytes:
        """Ask, and return the whole body of the answer."""
        with self.answer(method, path, **how) as response:
            return response.read()

    def pieces(self, path: str, method: str = "GET", **how: Any) -> Iterator[bytes]:
        """Yield the body of an answer, a piece at a time; raises `UnreachableError` where it breaks off."""
        with self.answer(method, path, **how) as response:
            expected = response.length
            got = 0
            while chunk := self._piece(response):
                got += len(chunk)
                yield chunk
            if expected is not None and got < expected:
                raise self._broken(f"after {got} of {expected} bytes")

    def events(self, path: str, *, final: str) -> Iterator[ServerEvent]:
        """Yield the server-sent events at a path up to the `final` one. A stream that breaks off is taken up again
        where it broke off, as long as the server answers and has more to tell."""
        last, before = "", None
        while last != before:  # else it broke off twice in one place
            before = last
            headers = {"accept": "text/event-stream", **({"last-event-id": last} if last else {})}
            with self.answer("GET", path, headers=headers) as response, contextlib.suppress(*_BREAKS):
                for event in _events(response):
                    last = event.id or last
                    yield event
                    if event.name == final:
                        return
        raise self._broken(f"the events at {path} broke off")

    @contextmanager
    def answer(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Give the answer to a request, if it is no error; what of it was not read is thrown away."""
        target = self._parts.path.rstrip("/") + path
        pairs = {name: value for name, value in (query or {}).items() if value is not None}
        if pairs:
            target += "?" + urlencode(pairs, doseq=True)
        all_headers = {**({"authorization": f"Bearer {self.token}"} if self.token else {}), **(headers or {})}
        connection, response = self._ask(method, target, body, all_headers)
        try:
            if response.status not in _OK:
                raise self._failure(response, method, path)
            yield response
        finally:
            if response.isclosed() and not response.will_close:
                self._idle.append(connection)
            else:
                response.close()
                connection.close()  # the rest of this answer would be taken for the beginning of the next

    def close(self) -> None:
        """Close the connections; the next request opens another."""
        _close(self._idle)

    def _ask(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        while True:
            connection, is_new = self._connection()
            try:
                connection.request(method, target, body, dict(headers))
                return connection, connection.getresponse()
            except _BREAKS as error:
                connection.close()
                # The server closes connections that were quiet for a while. What it may have got is not sent again.
                quiet = not is_new and isinstance(error, http.client.RemoteDisconnected | ConnectionError)
                if not quiet or (method == "POST" and not _repeatable(target, headers)):
                    raise self._broken(str(error)) from error

    def _piece(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read(_CHUNK_BYTES)
        except _BREAKS as error:
            raise self._broken(str(error)) from error

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """Return a connection that nobody uses, and whether it is new."""
        if self._pid != os.getpid():  # after a fork the connections are the parent's
            self._idle, self._pid = deque(), os.getpid()
        with contextlib.suppress(IndexError):
            return self._idle.pop(), False
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        made = kind(self._parts.hostname or "", self._parts.port, timeout=_CONNECT_SECONDS)
        try:
            made.connect()
        except OSError as error:
            raise self._broken(str(error)) from error
        made.sock.settimeout(_ANSWER_SECONDS)
        return made, True

    def _failure(self, response: http.client.HTTPResponse, method: str, path: str) -> PenstockError:
        content = response.read()
        try:
            return from_description(msgspec.json.decode(content)["error"])
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            if response.status == HTTPStatus.NOT_FOUND and method == "HEAD":  # which has no body
                return UnknownNameError("thing", path, ())
            said = content[:200].decode(errors="replace").strip()
            return RequestError(
                f"{method} {self.url}{path} was answered with {response.status} {response.reason}: {said}"
            )

    def _broken(self, why: str) -> UnreachableError:
        return UnreachableError(f"no answer from {self.url}: {why}; is `penstock serve` running there?", url=self.url)

    def __repr__(self) -> str:
        return f"<penstock server {self.url}>"


def encoded(body: Json, path: str) -> bytes:
    """Return JSON for a path; raises `DeclarationError` for what JSON cannot say."""
    try:
        return msgspec.json.encode(body)
    except (TypeError, OverflowError) as error:
        raise DeclarationError(f"what is sent to {path} cannot be written as JSON: {error}") from error


def _close(connections: deque[http.client.HTTPConnection]) -> None:
    while connections:
        connections.pop().close()


def segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="@=,+")


def _address(url: str) -> tuple[str, SplitResult]:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        raise DeclarationError(f"'{url}' is not the address of a server; give http://host:port or https://host")
    if parts.username or parts.password:
        raise DeclarationError("an address with a password in it ends in logs; give the token: ps.open(url, token=...)")
    return url.rstrip("/"), parts


def _repeatable(target: str, headers: Mapping[str, str]) -> bool:
    """Tell whether a POST may be sent again: it changes nothing, or the server knows it again."""
    return target.endswith((":find", ":plan")) or "idempotency-key" in headers


def _events(response: http.client.HTTPResponse) -> Iterator[ServerEvent]:
    name = id = ""
    data: list[str] = []
    for raw in response:
        line = raw.decode().rstrip("\r\n")
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                name = value
            case "id":
                id = value
            case "data":
                data.append(value)
            case "" if not line and data:
                yield ServerEvent(name or "message", id, "\n".join(data))
                name, data = "", []
