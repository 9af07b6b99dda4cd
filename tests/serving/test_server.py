"""The server's process: a real one, on a free port."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_fakes import FakeProject

from penstock.errors import ConflictError, DeclarationError, MissingExtraError
from penstock.serving import serve, server

SCRIPT = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import penstock.project.looking_up
from serving_fakes import FakeProject, Multiply
from penstock.serving import serve
penstock.project.looking_up.row_predictor = lambda graph, features, now=None: Multiply(graph)
project = FakeProject(pathlib.Path(sys.argv[2]))
project.push("km", 2)
serve(project, port=0, announce=lambda url: {announce})
"""


def start(folder: Path, announce: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT.format(announce=announce), str(Path(__file__).parent), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server and its port."""
    with start(tmp_path, "print(url, flush=True)") as process:
        try:
            yield process, int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.kill()


def request(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_server_takes_a_free_port_predicts_and_stops_cleanly(running, stop):
    process, port = running
    assert request(port, "POST", "/v1/models/km:predict", b'{"instances": [{"km": 3}]}') == (
        200,
        {"predictions": [{"y": 6}]},
    )
    assert request(port, "POST", "/v1/models/km:predict", b" " * (17 * 2**20))[0] == 413
    assert request(port, "GET", "/health")[1]["status"] == "ok"
    process.send_signal(stop)
    assert process.wait(timeout=10) == 0


@pytest.mark.parametrize("stop", ["SIGTERM", "SIGINT"])
def test_a_server_that_is_stopped_before_its_first_request_stops(tmp_path, stop):
    with start(tmp_path, f"__import__('signal').raise_signal(__import__('signal').{stop})") as process:
        try:
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


def test_a_port_that_is_taken_is_a_conflict(tmp_path):
    project = FakeProject(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=f"port {port} .* is taken"):
            serve(project, port=port)
    project.metadata.close()


def test_a_host_that_is_not_ours_is_a_wrong_declaration(tmp_path):
    project = FakeProject(tmp_path)
    with pytest.raises(DeclarationError, match=r"192\.0\.2\.1"):
        serve(project, host="192.0.2.1", port=0, token="t")
    project.metadata.close()


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    project = FakeProject(tmp_path)
    with pytest.raises(MissingExtraError, match=r"penstock\[serve\]"):
        serve(project, port=0)
    project.metadata.close()
