"""Two real servers of one project log to one place; one is killed: what is lost is what it had not written yet."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as ps
from penstock.production.parts import parts

FLUSH = 0.3
TOML = f'[monitoring]\nlog_requests = 1.0\nflush = "{FLUSH}s"\n'


class Server:
    """A server process, and what it has answered: the moment by the id."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.answered, self.stop = name, {}, threading.Event()
        command = [sys.executable, "-m", "penstock", "-C", str(folder), "serve", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://127.0.0.1:(\d+)", self.process.stdout.readline())
        assert found is not None
        self.port = int(found[1])
        self.thread = threading.Thread(target=self._ask, daemon=True)

    def close(self) -> None:
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _ask(self) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            self._ask_on(connection)

    def _ask_on(self, connection: http.client.HTTPConnection) -> None:
        number = 0
        while not self.stop.is_set():
            id = f"{self.name}{number}"
            body = json.dumps({"instances": [{"a": float(number)}]})
            try:
                connection.request("POST", "/v1/models/km:predict", body, {"x-request-id": id})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return  # it was killed
            assert (answer.status, answer.headers["x-request-id"]) == (200, id)
            self.answered[id] = time.monotonic()
            number += 1
            time.sleep(0.001)


@pytest.mark.slow
def test_a_killed_server_loses_no_more_than_its_buffer_and_another_one_nothing(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text(TOML)
    project = ps.open(tmp_path)
    rows = pa.table({"a": [float(n) for n in range(100)], "y": [2.0 * n for n in range(100)]})
    project.fit(ps.model("km", type="linear_reg", label="y", features={"a": ps.col("a")}), rows)
    killed, other = Server(tmp_path, "killed-"), Server(tmp_path, "other-")
    try:
        for each in (killed, other):
            each.thread.start()
        while not parts(project.config.requests):
            time.sleep(0.01)
        time.sleep(2)
        os.kill(killed.process.pid, signal.SIGKILL)
        moment = time.monotonic()
        killed.thread.join(30)
        time.sleep(0.5)
        other.stop.set()
        other.thread.join(30)
    finally:
        killed.process.kill()
        other.process.send_signal(signal.SIGTERM)
        for each in (killed, other):
            each.close()
    for part in parts(project.config.requests):
        assert pq.ParquetFile(part.path).read().num_rows > 0
    logged = project.requests.table("km")["id"].to_pylist()
    assert len(logged) == len(set(logged))
    lost = [at for id, at in killed.answered.items() if id not in set(logged)]
    assert set(other.answered) <= set(logged)
    assert len(killed.answered) > 50
    late = [moment - at for at in lost]
    assert max(late, default=0.0) < FLUSH + 1.5, late  # what was answered in the last moments; machines may be slow
