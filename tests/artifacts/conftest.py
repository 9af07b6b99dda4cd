"""A project whose pipelines make, name and read artifacts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import penstock as ps

MODULE = '''
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

import penstock as ps


class Halves(NamedTuple):
    low: ps.Table
    high: ps.Table


@ps.step
def prices(n: int) -> ps.Table:
    """Prices of n days."""
    return pa.table({"day": list(range(n)), "price": [float(day % 7) for day in range(n)]})


@ps.step
def halves(rows: ps.Table) -> Halves:
    """Cheap and dear days."""
    middle = rows.num_rows // 2
    return Halves(rows.slice(0, middle), rows.slice(middle))


@ps.step
def report(low: ps.Table, high: ps.Table) -> dict[str, int]:
    """How many there are of each."""
    return {"low": low.num_rows, "high": high.num_rows}


@ps.step
def say(count: int) -> str:
    """Put a number into words."""
    return f"{count} days"


@ps.step
def mean(rows: ps.Table) -> float:
    """The mean price."""
    return sum(rows["price"].to_pylist()) / rows.num_rows


@ps.pipeline
def making(n: int = 10):
    """Make prices and a report."""
    rows = prices(n)
    ps.name(rows, "prices")
    low, high = halves(rows)
    counted = report(low, high)
    say(counted["low"])


@ps.pipeline
def reading(what: str = "prices@latest"):
    """Read what another pipeline named."""
    mean(ps.named(what))
'''


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """The folder of the project."""
    (tmp_path / "penstock.toml").write_text('[project]\nmodules = ["kept"]\n[engine]\ndefault = "inline"\n')
    (tmp_path / "kept.py").write_text(MODULE)
    yield tmp_path
    sys.modules.pop("kept", None)
    if str(tmp_path) in sys.path:
        sys.path.remove(str(tmp_path))


@pytest.fixture
def project(root: Path) -> ps.Project:
    """The project."""
    return ps.open(root)
