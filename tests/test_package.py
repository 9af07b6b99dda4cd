"""The package as a whole: its public names, what importing it costs, and that no checked-in file names a place."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import penstock as ps

ROOT = Path(__file__).parent.parent
HEAVY = {"duckdb", "pyarrow", "numpy", "sqlglot", "sklearn", "torch", "starlette", "sqlalchemy", "msgspec", "pandas"}


def _loaded(code: str) -> set[str]:
    code += "; import sys; print('\\n'.join(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", ps.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(ps, name) is not None


@pytest.mark.parametrize("room", ["penstock.models", "penstock.models.routing", "penstock.project"])
def test_every_name_of_a_room_that_loads_them_late_can_be_had(room: str) -> None:
    loaded = importlib.import_module(room)
    assert [name for name in loaded.__all__ if not hasattr(loaded, name)] == []


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'piepline'"):
        _ = ps.piepline


def test_importing_penstock_loads_no_library() -> None:
    assert not _loaded("import penstock") & HEAVY


def test_declaring_steps_and_expressions_loads_no_library() -> None:
    declare = "import penstock as ps; ps.col('km').log1p(); ps.step(lambda rows: rows); ps.pipeline(lambda: None)"
    assert not _loaded(declare) & (HEAVY - {"msgspec"})


def test_help_loads_no_library() -> None:
    code = "import penstock.cli; import click.testing; click.testing.CliRunner().invoke(penstock.cli.main, ['--help'])"
    assert not _loaded(code) & HEAVY


def test_the_lock_file_names_no_place() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text()
    assert "--hash=sha256:" in lock
    assert not re.search(r"https?://|file:|--index-url|--find-links|@ ", lock)
