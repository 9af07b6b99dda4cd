"""Triggers without processes: a clock that is turned, and runs that are records only."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the world, which the tests import too
from trigger_worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
