"""Feast's own SDK with our server as its remote online store reads our features.

The SDK is heavy and wants an environment of its own, which `make servers` makes; what it sends was recorded, and is
answered in every run.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import uvicorn
from serving_fakes import FakeProject, Multiply

import penstock as ps
from penstock.serving.application import application

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-feast" / "bin" / "python"
LARGE = 2**53 + 1
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def rides(project: FakeProject) -> FakeProject:
    rides = ps.feature_set(
        "rides",
        entities={"driver": "int64"},
        timestamp="at",
        ttl="14d",
        columns={"fare": "float64", "trips": "int64", "note": "string", "tipped": "bool"},
    )
    project.features.apply(rides)
    project.features.apply(ps.feature_service("pricing", ["rides:fare", "rides:trips"]))
    rows = {
        "driver": [7, 9],
        "at": pa.array([NOW, NOW], pa.timestamp("us", "UTC")),
        "fare": [20.0, None],
        "trips": [LARGE, 3],
        "note": ["é", None],
        "tipped": [True, False],
    }
    project.features.ingest(rides, pa.table(rows))
    return project


@pytest.fixture
def url(rides: FakeProject) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(application(rides, Multiply), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.server
def test_the_sdk_reads_features_from_our_server(url: str) -> None:
    if not PYTHON.exists():
        if "PENSTOCK_TEST_SERVERS" in os.environ:
            pytest.fail("Feast is not here; `make servers` installs it")
        pytest.skip("Feast is not here; `make servers` installs it")
    command = [str(PYTHON), "-W", "ignore", str(Path(__file__).parent / "feast_client.py"), url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.rpartition("@@")[2])
    assert found["online"] == {
        "driver": [7, 9, 1],
        "fare": [20.0, None, None],
        "trips": [LARGE, 3, None],
        "note": ["é", None, None],
        "tipped": [True, False, None],
    }
    present, null, not_found = 1, 2, 3  # the numbers of Feast's FieldStatus
    assert found["statuses"][1] == [present, null, not_found]
    assert found["kinds"] == ["int64_val", "double_val", "int64_val", "string_val", "bool_val"]
    assert found["frame"]["rides__trips"][:2] == [LARGE, 3]
    assert found["service"] == {"driver": [7], "fare": [20.0], "trips": [LARGE]}
    assert found["read"] == [{"fare": "double_val", "trips": "int64_val"}, {"fare": None, "trips": None}]
    assert found["trips"] == LARGE
    assert found["event"] == NOW.isoformat()


SENT = [
    '{"entities": {"driver": [7, 9, 1]}, "full_feature_names": false, "include_feature_view_version_metadata": false, '
    '"features": ["rides:fare", "rides:trips", "rides:note", "rides:tipped"]}',
    '{"entities": {"driver": [7]}, "full_feature_names": true, "include_feature_view_version_metadata": false, '
    '"features": ["rides:fare"]}',
    '{"entities": {"driver": [7]}, "full_feature_names": false, "include_feature_view_version_metadata": false, '
    '"feature_service": "pricing"}',
    '{"features": ["rides:fare", "rides:trips"], "entities": {"driver": [7, 1]}}',
]
"""What the SDK of Feast 0.67 sent: three times for `get_online_features`, once for `online_read`."""
HEADERS = {"user-agent": "python-requests/2.34.2", "accept": "*/*", "content-type": "application/json"}


@pytest.mark.parametrize("body", SENT)
def test_what_the_sdk_sends_is_answered_as_it_reads_it(rides: FakeProject, body: str) -> None:
    from starlette.testclient import TestClient

    asked = json.loads(body)
    with TestClient(application(rides, Multiply)) as client:
        answer = client.post("/get-online-features", content=body, headers=HEADERS).json()
    names, results = answer["metadata"]["feature_names"], answer["results"]
    full = asked.get("full_feature_names", False)
    wanted = asked.get("features", ["rides:fare", "rides:trips"])
    assert names == ["driver", *(each.replace(":", "__") if full else each.partition(":")[2] for each in wanted)]
    for each in results:
        assert {len(each[part]) for part in ("values", "statuses", "event_timestamps")} == {
            len(asked["entities"]["driver"])
        }
    event = results[1]["event_timestamps"][0]  # which is where the SDK looks for it, and how it reads it
    assert dt.datetime.fromisoformat(event.replace("Z", "+00:00")) == NOW
