"""A project that is served in process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.serving.application import application
from penstock.serving.state import Limits

sys.path.insert(0, str(Path(__file__).parent))  # the fakes, which the tests import too
from feature_requests import DF, FORM
from serving_fakes import FakeProject, Multiply, TestClient


@pytest.fixture
def project(tmp_path: Path) -> Iterator[FakeProject]:
    project = FakeProject(tmp_path)
    project.push("km", 2)
    yield project
    project.metadata.close()


@pytest.fixture
def client(project: FakeProject) -> Iterator[TestClient]:
    app = application(project, Multiply, limits=Limits(body_bytes=10_000))
    with TestClient(app) as client:
        yield client


@pytest.fixture
def rides(client: TestClient) -> TestClient:
    """The client of a server with a feature set `rides`."""
    assert client.post("/v1/feature-sets", json=FORM).status_code == 201
    pushed = client.post("/push", json={"push_source_name": "rides", "df": DF, "to": "online_and_offline"})
    assert (pushed.status_code, pushed.json()["rows"]) == (200, 3)
    return client
