"""A store for the tests of a file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from penstock.stores import LocalArtifactStore

sys.path.insert(0, str(Path(__file__).parent))  # what the tests share


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path_factory.mktemp("artifacts"))
