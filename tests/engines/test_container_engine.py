"""Containers by real podman: what every engine promises, and what a container must keep a step from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.core.ports import Engine
from penstock.engines.container import ContainerEngine, Containers
from penstock.testing import IsolatedEngineContract

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("containers")]


@pytest.fixture
def engine(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, container_image: str) -> Iterator[Engine]:
    tmp_path.chmod(0o777)
    state = tmp_path_factory.getbasetemp() / "containers"
    containers = Containers(image=container_image, state=state, mounts=(f"{tmp_path}:rw",))
    with ContainerEngine(slots=2, containers=containers, grace_seconds=0.3) as engine:
        yield engine


class TestContainerEngine(IsolatedEngineContract):
    """The contract, in containers."""
