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
