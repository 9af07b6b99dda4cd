from __future__ import annotations

import sys
from pathlib import Path

import pytest

import penstock as ps

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    return ps.open(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    """One project for the many examples of a property: each makes a feature set of its own."""
    return ps.open(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module", params=["lmdb", pytest.param("redis", marks=pytest.mark.server)])
def shared_online(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    """The same, with the newest values in LMDB, and in Redis."""
    root = tmp_path_factory.mktemp("project")
    if request.param == "redis":
        url = request.getfixturevalue("redis_server")
        (root / "penstock.toml").write_text(f'[project]\nname = "{root.name}"\n[stores]\nonline = "{url}"\n')
    return ps.open(root)
