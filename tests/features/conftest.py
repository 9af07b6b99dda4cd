from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import penstock as ps

sys.path.append(str(Path(__file__).parent))

from s3_servers import S3, running


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


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A real S3 server that this session alone uses, on loopback; no credentials stand in the environment."""
    with pytest.MonkeyPatch.context() as patch, running() as server:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        yield server


ONLINE = ["lmdb", pytest.param("redis", marks=pytest.mark.server)]


@pytest.fixture(params=[*ONLINE, pytest.param("s3", marks=pytest.mark.server)])
def placed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a project that keeps the newest values in LMDB or Redis, or its history in S3."""
    return _placed(request, tmp_path)


@pytest.fixture(params=ONLINE)
def online_root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a project that keeps the newest values in LMDB or Redis."""
    return _placed(request, tmp_path)


def _placed(request: pytest.FixtureRequest, root: Path) -> Path:
    match request.param:
        case "redis":
            url = request.getfixturevalue("redis_url")
            (root / "penstock.toml").write_text(f'[project]\nname = "{root.name}"\n[stores]\nonline = "{url}"\n')
        case "s3":
            request.getfixturevalue("s3").configure(root)
    return root
