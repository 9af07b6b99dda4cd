"""Where a name of a module is written."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from penstock.pipelines.places import place_of

TEXT = """
    import os.path as p
    K = 1
    if K:
        K, L = 2, 3
    try:
        M = 1
    except ValueError:
        M: int = 2
    class A:
        k = 1
    def f():
        K = 9
"""


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("written_down.K", "written_down.py:4"),
        ("written_down.L", "written_down.py:4"),
        ("written_down.M", "written_down.py:8"),
        ("written_down.A", "written_down.py:9"),
        ("written_down.A.k", "written_down.py:9"),
        ("written_down.f", "written_down.py:11"),
        ("written_down.p", "written_down.py:1"),
        ("written_down.Z", ""),
        ("nowhere.K", ""),
    ],
)
def test_a_name_is_found_where_it_gets_its_value_last(
    name: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("written_down")
    module.__file__ = str(tmp_path / "written_down.py")
    (tmp_path / "written_down.py").write_text(textwrap.dedent(TEXT).lstrip())
    monkeypatch.setitem(sys.modules, "written_down", module)
    assert place_of(name) == place
