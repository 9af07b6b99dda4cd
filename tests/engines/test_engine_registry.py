"""Engines by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.engines import ENGINES, open_engine
from penstock.engines.container import Containers
from penstock.errors import UnknownNameError


def test_every_name_opens_its_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "podman").touch(0o755)  # it is looked for when the engine is opened, and called when a task starts
    monkeypatch.setenv("PATH", str(tmp_path))
    given = {"container": {"containers": Containers(image="none", state=tmp_path)}}
    for name in ENGINES:
        engine = open_engine(name, slots=1, **given.get(name, {}))
        assert engine.slots == 1
        engine.close()


def test_an_unknown_name_is_an_error_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'local'"):
        open_engine("lokal")
