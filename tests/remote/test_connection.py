"""What a client does when a server, or the way to it, behaves badly: a server of sockets stands for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from penstock.errors import (
    DataError,
    DeclarationError,
    RequestError,
    UnauthorizedError,
    UnreachableError,
)
from penstock.remote.connection import Server

Answer = Callable[[bytes], bytes]


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


@contextmanager
def listening(*connections: list[bytes]) -> Iterator[tuple[Server, list[bytes]]]:
    """Answer each connection's requests with the given bytes, and then close it; give what was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answers in connections:
                connection, _ = listener.accept()
                with connection:
                    for answer in answers:
                        asked.append(connection.recv(65536))
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}", token="t0ken")
        yield server, asked
        server.close()
        thread.join(5)


def test_one_connection_serves_many_requests_and_brings_the_token():
    with listening([http(b"1"), http(b"2")]) as (server, asked):
        assert [server.get("/a"), server.get("/b", limit=3, after=None, tag=["x=1", "y"])] == [1, 2]
    assert asked[1].startswith(b"GET /b?limit=3&tag=x%3D1&tag=y HTTP/1.1\r\n")
    assert all(b"Bearer t0ken" in each for each in asked)


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again():
    with listening([http(b"1")], [http(b"2")]) as (server, _):
        assert [server.get("/a"), server.get("/b")] == [1, 2]


def test_a_request_that_starts_something_is_not_sent_twice_without_a_key():
    with listening([http(b"1")], [http(b"2")], [http(b"3")]) as (server, asked):
        assert server.get("/a") == 1
        with pytest.raises(UnreachableError):
            server.post("/v1/models:fit", {})
        assert server.get("/b") == 2
        assert server.post("/v1/pipelines/p/runs", {}, headers={"idempotency-key": "k"}) == 3
    assert sum(b"fit" in each for each in asked) == 0


def test_an_error_of_the_server_is_the_same_error_here():
    body = b'{"error": {"code": "data", "message": "km is no number", "field": "km"}}'
    with listening([http(body, "422 X"), http(b"7")]) as (server, asked):
        with pytest.raises(DataError, match="km is no number") as caught:
            server.get("/a")
        assert caught.value.field == "km"
        assert server.get("/b") == 7  # on the same connection
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("answer", "error", "match"),
    [
        (http(b"<html>", "502 Bad Gateway"), RequestError, "502 Bad Gateway: <html>"),
        (http(b"<html>"), UnreachableError, "is that a penstock server"),
        (http(b'{"error": {"code": "unauthorized", "message": "no"}}', "401 X"), UnauthorizedError, "no"),
        (b"220 smtp\r\n", UnreachableError, "is `penstock serve` running there"),
    ],
)
def test_what_is_no_answer_of_ours_says_so(answer, error, match):
    with listening([answer]) as (server, _), pytest.raises(error, match=match):
        server.get("/a")


def test_no_server_is_an_error_that_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"no answer from http://127.0.0.1:{port}.*penstock serve") as caught:
        Server(f"http://127.0.0.1:{port}").get("/a")
    assert caught.value.url == f"http://127.0.0.1:{port}"


def test_a_body_that_is_cut_off_is_an_error():
    with listening([http(b"0123456789")[:-4]]) as (server, _), pytest.raises(UnreachableError, match="6 of 10 bytes"):
        list(server.pieces("/a"))


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def test_events_that_break_off_go_on_where_they_did():
    first = STREAM + b"event: a\nid: 1\ndata: {}\n\n: a sign of life\n\nevent: b\nid: 2\nda"
    second = STREAM + b"event: b\nid: 2\ndata: [1,\ndata: 2]\n\nevent: end\nid: 3\ndata: {}\n\n"
    with listening([first], [second]) as (server, asked):
        found = [(event.name, event.id, event.data) for event in server.events("/e", final="end")]
    assert found == [("a", "1", "{}"), ("b", "2", "[1,\n2]"), ("end", "3", "{}")]
    assert b"last-event-id: 1\r\n" in asked[1].lower()


def test_events_that_break_off_without_getting_further_are_an_error():
    again = STREAM + b"event: a\nid: 1\ndata: {}\n\n"
    with listening([again], [STREAM]) as (server, _), pytest.raises(UnreachableError, match="broke off"):
        list(server.events("/e", final="end"))


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://", "http://x:port", "http://x/?a=b"])
def test_what_is_no_address_is_an_error(url):
    with pytest.raises(DeclarationError, match="not the address of a server"):
        Server(url)


def test_a_password_in_an_address_is_refused():
    with pytest.raises(DeclarationError, match="token=") as caught:
        Server("http://me:secret@host")
    assert "secret" not in str(caught.value)


def test_the_token_comes_from_the_environment_and_is_not_shown(monkeypatch):
    monkeypatch.setenv("PENSTOCK_SERVER_TOKEN", "from-there")
    server = Server("http://host")
    assert server.token == "from-there"
    assert "from-there" not in repr(server)
