"""A model graph tried in a real server: a project of its own, a process of its own, requests over HTTP."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from penstock import models
from penstock.errors import RunError
from penstock.models import ModelGraph
from penstock.models.keeping import ModelCodec
from penstock.stores import SqlMetadata, open_artifacts

NAME = "candidate"
"""What the model is called in the server that it is tried in."""
_STATE = ".penstock"
_LOOK_SECONDS = 0.02
_STOP_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
_SAID = 2000


class NoAnswerError(Exception):
    """The server broke off while it was asked: it crashed, ran out of memory, or hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that serves the graph: how long it took to answer for the first time, its process, what it says."""

    said: Path
    connection: http.client.HTTPConnection
    start_seconds: float
    pid: int

    def ask(self, body: bytes) -> tuple[int, bytes]:
        """Send a request for predictions; return the status and the answer. Raises `NoAnswerError`."""
        path, headers = f"/v1/models/{NAME}:predict", {"content-type": "application/json"}
        try:
            self.connection.request("POST", path, body, headers)
            response = self.connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            said = self.said.read_text(errors="replace")[-_SAID:].strip()
            raise NoAnswerError(f"the server gave no answer: {error!r}; it said: {said}") from error

    def peak_bytes(self) -> int | None:
        """Return how much memory the process has had at most; None where the system does not tell."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        return None if found is None else int(found[1]) * 1024


@contextmanager
def served(graph: ModelGraph, *, start_seconds: float) -> Iterator[Served]:
    """Start `penstock serve` with this graph alone, on a free port of this machine; the process is ended at the end.

    Raises `RunError` with what it said where it does not serve within the time.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-trial-") as folder:
        root = Path(folder)
        _register(graph, root)
        command = [sys.executable, "-m", "penstock", "-C", folder, "serve", "--host", "127.0.0.1", "--port", "0"]
        # No setting of the project around may lead this server to its stores.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        began = time.monotonic()
        with (root / "said").open("wb") as said:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
        try:
            with (root / "said").open(errors="replace") as words:
                port = _port(process, words, began + start_seconds)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
            try:
                took = time.monotonic() - began
                yield Served(said=root / "said", connection=connection, start_seconds=took, pid=process.pid)
            finally:
                connection.close()
        finally:
            _end(process)


def requests_of(rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return a request for each row."""
    return [msgspec.json.encode({"instances": [row]}) for row in rows]


def _register(graph: ModelGraph, root: Path) -> None:
    state = root / _STATE
    state.mkdir()
    artifact = ModelCodec().save(graph, open_artifacts(str(state / "artifacts")))
    with closing(SqlMetadata(f"sqlite:///{state / 'metadata.db'}")) as metadata:
        metadata.write(artifact)
        version = models.register(metadata, NAME, artifact)
        models.set_alias(metadata, NAME, models.CHAMPION, version.version)


def _port(process: subprocess.Popen[bytes], words: IO[str], until: float) -> int:
    text = ""
    while True:
        text += words.read()
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", text):
            return int(found[1])
        ended = process.poll()
        if ended is not None or time.monotonic() > until:
            how = "did not serve in time" if ended is None else f"ended with exit code {ended}"
            raise RunError(f"the server that the model is tried in {how}: {(text + words.read())[-_SAID:].strip()}")
        time.sleep(_LOOK_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
