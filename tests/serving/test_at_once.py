"""Requests that are answered as they come off the connection: the same answers as from the application, in their order,
over a real connection."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import uvicorn
from feature_requests import DF, FORM, NAMES, NOW
from serving_fakes import FakeProject, Multiply, TestClient

from penstock.serving.application import Application, application
from penstock.serving.at_once import LARGE_BODY_BYTES
from penstock.serving.protocol import protocol
from penstock.serving.state import Limits

PREDICT, ONLINE = "/v1/models/km:predict", "/get-online-features"
ROW = b'{"instances": [{"km": 3}]}'
ANSWER = {"predictions": [{"y": 6}]}
FEATURES = [f"rides:{name}" for name in NAMES]
SOME = json.dumps({"features": ["rides:fare"], "entities": {"driver": [7]}}).encode()
NOW_US = int(NOW.timestamp() * 1_000_000) + 1
TOKEN = "a-long-random-text"


@pytest.fixture
def served(project: FakeProject) -> Iterator[tuple[Application, TestClient]]:
    """An application with a feature set `rides` whose features were asked for before, and a client of its ASGI form."""
    app = application(project, Multiply, limits=Limits(body_bytes=10_000))
    with TestClient(app) as client:
        assert client.post("/v1/feature-sets", json=FORM).status_code == 201
        assert client.post("/push", json={"push_source_name": "rides", "df": DF}).status_code == 200
        for features in (FEATURES, ["rides:fare"], ["rides:trips"]):
            asked = {"features": features, "entities": {"driver": [7]}}
            assert client.post(ONLINE, json=asked).status_code == 200
        yield app, client


def asked(features: list[str], keys: object, **more: object) -> bytes:
    return json.dumps(
        {"features": features, "entities": {"driver": keys}, "now": 1_790_000_000_000_000, **more}
    ).encode()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *[(ONLINE, asked(FEATURES, keys)) for keys in ([7], [7, 9, 8, 1], [1], [None], [7.0, None], [])],
        *[(ONLINE, asked(FEATURES, keys)) for keys in (["7"], 7, [True], None)],
        *[(ONLINE, asked(["rides:fare"], keys)) for keys in ([7], [7, 9], [2**63], [9, 1])],
        *[(ONLINE, asked(["rides:trips"], keys)) for keys in ([7], [7, 9], [-(2**63)])],
        (ONLINE, asked(["rides:fare"], [7], include_feature_view_version_metadata=True)),
        (ONLINE, b'{"features": ["rides:fare"], "entities": {}}'),
        (ONLINE, b'{"features": ["rides:fare"], "entities": {"driver": [7], "x": []}}'),
        (ONLINE, b"{"),
        (ONLINE, b"[" * 5000),
        (PREDICT, ROW),
        (PREDICT, b'{"instances": []}'),
        (PREDICT, b'{"instances": [{"km": null}]}'),
        (PREDICT, b"\xff"),
    ],
)  # fmt: skip
def test_what_is_answered_at_once_is_what_the_application_answers_and_is_counted_alike(served, path, body):
    app, client = served
    before = counted(client)
    theirs = client.post(path, content=body)
    between = counted(client)
    answer = app.at_once(path.encode())
    assert answer is not None
    mine = answer([], body)
    assert mine is not None
    assert (mine[0], mine[1]) == (theirs.status_code, theirs.content)
    after = counted(client)
    assert {name: after[name] - between[name] for name in after} == {
        name: between[name] - before.get(name, 0) for name in between
    }


def counted(client: TestClient) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    counts = dict(
        line.rsplit(" ", 1) for line in lines if line.startswith(("penstock_requests", "penstock_predictions"))
    )
    return {name: float(count) for name, count in counts.items() if 'endpoint="metrics"' not in name}


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        (ONLINE, [], asked(["rides:note"], [7])),  # not asked for before
        (ONLINE, [], b""),
        (ONLINE, [], b" " * 10_001),  # above what this server takes
        (ONLINE, [(b"accept", b"application/vnd.apache.arrow.stream")], SOME),
        (ONLINE, [(b"content-type", b"application/vnd.apache.arrow.stream")], SOME),
        (PREDICT, [], b" " * 10_001),
    ],
)
def test_what_takes_a_while_or_another_form_is_left_to_the_application(served, path, headers, body):
    app, _ = served
    answer = app.at_once(path.encode())
    assert answer is not None
    assert answer(headers, body) is None


@pytest.mark.parametrize(
    "target", [b"/", b"/v1/models/none:predict", b"/v1/models/km:predict?x=1", b"/\xff", b"", b"*"]
)
def test_other_paths_are_left_to_the_application(served, target):
    assert served[0].at_once(target) is None


@contextmanager
def serving(project: FakeProject, **more: object) -> Iterator[tuple[uvicorn.Server, int, Application]]:
    app = application(project, Multiply, **more)
    server = uvicorn.Server(uvicorn.Config(app, http=protocol(app.at_once), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield server, server.servers[0].sockets[0].getsockname()[1], app
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def running(project: FakeProject) -> Iterator[tuple[uvicorn.Server, int, Application]]:
    with serving(project) as server:
        yield server


class Wire:
    """One connection, of which answers are read in the order in which they come."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        return status, headers, self._file.read(int(headers.get("content-length", 0)))

    def is_closed(self) -> bool:
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


def post(path: str, body: bytes, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_a_kept_connection_answers_one_after_the_other_with_the_headers_of_the_others(running):
    _, port, _ = running
    with closing(Wire(port)) as wire:
        for _ in range(3):
            wire.send(post(PREDICT, ROW))
            status, headers, body = wire.answer()
            assert (status, json.loads(body)) == (200, ANSWER)
            wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.answer()[1].keys() == headers.keys()
            assert headers["content-type"] == "application/json"


def test_pipelined_requests_of_all_kinds_are_answered_in_their_order(running):
    _, port, _ = running
    health = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    slow = post("/v1/models/km/versions/2:predict", ROW)
    some = [post(PREDICT, b'{"instances": [{"km": %d}]}' % km) for km in range(20)]
    with closing(Wire(port)) as wire:
        wire.send(b"".join([some[0], health, *some[1:10], slow, *some[10:15], health, *some[15:]]))
        answers = [json.loads(wire.answer()[2]) for _ in range(23)]
    predicted = [answer["predictions"][0]["y"] for answer in answers if "predictions" in answer]
    assert predicted == [0, *range(2, 20, 2), 6, *range(20, 40, 2)]
    assert [place for place, answer in enumerate(answers) if "status" in answer] == [1, 17]


@pytest.mark.parametrize("size", [1, 7, 50])
def test_a_request_may_come_in_pieces_and_in_chunks(running, size):
    _, port, _ = running
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (ROW[:5], ROW[5:])) + b"0\r\n\r\n"
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with closing(Wire(port)) as wire:
        for whole in (post(PREDICT, ROW), head + chunks):
            wire.send(*(whole[at : at + size] for at in range(0, len(whole), size)))
            assert json.loads(wire.answer()[2]) == ANSWER


def test_a_client_that_waits_to_be_told_to_go_on_is_told(running):
    _, port, _ = running
    whole = post(PREDICT, ROW, "Expect: 100-continue")
    with closing(Wire(port)) as wire:
        wire.send(whole[: -len(ROW)])
        assert wire.answer()[0] == 100
        wire.send(ROW)
        assert json.loads(wire.answer()[2]) == ANSWER


@pytest.mark.parametrize(("headers", "version"), [(["Connection: close"], "1.1"), ([], "1.0")])
def test_a_connection_that_is_not_to_be_kept_is_closed_after_the_answer(running, headers, version):
    _, port, _ = running
    with closing(Wire(port)) as wire:
        wire.send(post(PREDICT, ROW, *headers, version=version) * 2)
        status, told, body = wire.answer()
        assert (status, told["connection"], json.loads(body)) == (200, "close", ANSWER)
        assert wire.is_closed()


def test_a_large_request_is_answered_as_any_and_one_that_is_too_large_is_refused(project):
    many = b'{"instances": [%s]}' % b", ".join([b'{"km": 3}'] * 10_000)
    assert len(many) > LARGE_BODY_BYTES
    with serving(project, limits=Limits(body_bytes=len(many))) as (_, port, _), closing(Wire(port)) as wire:
        wire.send(post(PREDICT, many))
        assert json.loads(wire.answer()[2]) == {"predictions": [{"y": 6}] * 10_000}
        wire.send(post(PREDICT, b" " + many))
        assert wire.answer()[0] == 413


def test_a_model_that_is_not_loaded_yet_is_loaded_and_then_answered_at_once(project):
    with serving(project) as (_, port, app), closing(Wire(port)) as wire:
        path = "/v1/models/km/versions/3:predict"
        project.push("km", 3)
        for _ in range(2):
            wire.send(post(path, ROW))
            assert json.loads(wire.answer()[2]) == {"predictions": [{"y": 9}]}
        assert app.at_once(path.encode()) is not None


def test_without_the_token_nothing_is_answered_at_once(project):
    with serving(project, token=TOKEN) as (_, port, app), closing(Wire(port)) as wire:
        for path in (PREDICT, ONLINE):
            answer = app.at_once(path.encode())
            assert answer is not None
            for header in ([], [(b"authorization", b"Bearer x")], [(b"authorization", TOKEN.encode())]):
                assert answer(header, ROW) is None
        for header, status in (
            ("X: y", 401),
            ("Authorization: Bearer x", 401),
            (f"Authorization: bearer {TOKEN}", 200),
        ):
            wire.send(post(PREDICT, ROW, header))
            assert wire.answer()[0] == status


def test_a_request_that_has_come_in_part_when_the_server_stops_is_answered(running):
    server, port, _ = running
    whole = post(PREDICT, ROW)
    with closing(Wire(port)) as wire:
        wire.send(post(PREDICT, ROW), whole[:-5])
        assert wire.answer()[0] == 200
        while not any(connection._answer for connection in server.server_state.connections):
            time.sleep(0.01)
        server.should_exit = True
        while server.server_state.connections and any(c._answer for c in server.server_state.connections):
            time.sleep(0.01)
        wire.send(whole[-5:])
        status, headers, body = wire.answer()
        assert (status, headers["connection"], json.loads(body)) == (200, "close", ANSWER)
        assert wire.is_closed()


def test_a_client_that_does_not_read_is_not_answered_without_end(running):
    server, port, _ = running
    many = post(PREDICT, b'{"instances": [%s]}' % b", ".join([b'{"km": 3}'] * 5_000))
    with closing(Wire(port)) as wire:
        sender = threading.Thread(target=lambda: wire.send(many * 600), daemon=True)
        sender.start()
        deadline = time.monotonic() + 20
        while not any(each.flow.write_paused for each in server.server_state.connections):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        sender.join(0.5)
        waiting = [each.transport.get_write_buffer_size() for each in server.server_state.connections]
        assert sender.is_alive()
        assert 0 < max(waiting) < 1 << 20
        assert [len(json.loads(wire.answer()[2])["predictions"]) for _ in range(600)] == [5_000] * 600
        sender.join()


def test_what_is_no_http_is_refused(running):
    _, port, _ = running
    with closing(Wire(port)) as wire:
        wire.send(post(PREDICT, ROW)[:-3] + b"\r\n\r\nX-Nothing\r\n\r\n")
        assert wire.answer()[0] == 400
