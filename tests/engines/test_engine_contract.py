"""Both engines, held to what every engine promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from penstock.core.ports import Engine
from penstock.engines import InlineEngine, LocalEngine
from penstock.testing import EngineContract, IsolatedEngineContract


class TestInlineEngine(EngineContract):
    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with InlineEngine() as engine:
            yield engine


class TestLocalEngine(IsolatedEngineContract):
    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with LocalEngine(slots=2, grace_seconds=0.3) as engine:
            yield engine
