"""A project that is served in process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_fakes import FakeProject, Multiply, TestClient

from penstock.serving.application import application
from penstock.serving.state import Limits


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
