"""A fresh world for each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from counted_steps import CALLS, FAIL
from worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.metadata.close()


@pytest.fixture(autouse=True)
def _nothing_was_called() -> None:
    CALLS.clear()
    FAIL.clear()
