"""Engines by name."""

from __future__ import annotations

import pytest

from penstock.engines import ENGINES, InlineEngine, LocalEngine, open_engine
from penstock.errors import UnknownNameError


def test_every_name_opens_its_engine():
    opened = {name: open_engine(name, slots=3) for name in ENGINES}
    assert {name: type(engine) for name, engine in opened.items()} == {"inline": InlineEngine, "local": LocalEngine}
    assert opened["local"].slots == 3
    for engine in opened.values():
        engine.close()


def test_an_unknown_name_is_an_error_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'local'"):
        open_engine("lokal")
