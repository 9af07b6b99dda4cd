"""`penstock replay` and `verify-step` on a real project, by the real command."""

from __future__ import annotations

import json
import subprocess
import textwrap
from pathlib import Path

import pytest

import warm

STEPS = """
    import random
    import time

    import numpy as np
    import pyarrow as pa
    import penstock as ps

    @ps.step
    def load(n: int = 4) -> list:
        return list(range(n))

    @ps.step
    def double(numbers: list) -> ps.Table:
        return pa.table({"n": numbers, "twice": [2 * number for number in numbers]})

    @ps.step
    def draws(numbers: list) -> dict:
        return {"a": [random.random() for _ in numbers], "b": float(np.random.rand())}

    @ps.step
    def clocks(rows: ps.Table) -> ps.Table:
        return rows.append_column("at", pa.array([1, 2, 3, time.time_ns()]))

    @ps.step
    def nested(numbers: list) -> dict:
        return {"a": {"b": [1, time.time_ns()]}}

    @ps.step
    def breaks(numbers: list) -> int:
        total = sum(numbers)
        return total // 0

    @ps.pipeline
    def all_steps(n: int = 4):
        numbers = load(n)
        rows = double(numbers)
        clocks(rows)
        draws(numbers)
        nested(numbers)
        breaks(numbers)
"""


def penstock(root: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [warm.python(), "-m", "penstock", "-C", str(root), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("again")
    (root / "penstock.toml").write_text('[project]\nmodules = ["steps"]\n[engine]\ndefault = "inline"\n')
    (root / "steps.py").write_text(textwrap.dedent(STEPS))
    ran = penstock(root, "run", "all_steps", "-p", "n=4")
    assert ran.returncode == 1, ran.stderr  # `breaks` breaks
    return root


def test_a_step_that_gives_the_same_is_verified_in_fresh_workers(root: Path) -> None:
    for step in ("double", "draws"):
        verified = penstock(root, "verify-step", "latest", step, "--times", "2")
        assert verified.returncode == 0, verified.stderr + verified.stdout
        assert f"{step} gives the same, run again 2 times" in verified.stdout


def test_a_table_that_differs_is_told_by_column_and_row(root: Path) -> None:
    verified = penstock(root, "verify-step", "latest", "clocks", "--json")
    assert verified.returncode == 1, verified.stderr
    (difference,) = json.loads(verified.stdout)["differences"]
    assert difference["output"] == "result"
    assert difference["where"].startswith("column at; first in row 3: at was ")


def test_a_plain_value_that_differs_is_told_by_its_path(root: Path) -> None:
    verified = penstock(root, "verify-step", "latest", "nested")
    assert verified.returncode == 1, verified.stderr
    assert "a.b[1]: " in verified.stdout


def test_a_step_that_failed_is_replayed_not_verified(root: Path) -> None:
    verified = penstock(root, "verify-step", "latest", "breaks")
    assert verified.returncode == 1
    assert "it gave nothing to compare with" in verified.stderr
    assert "penstock replay" in verified.stderr


def test_a_replay_prints_the_value_and_records_nothing(root: Path) -> None:
    before = penstock(root, "runs", "--json").stdout
    replayed = penstock(root, "replay", "latest", "double")
    assert replayed.returncode == 0, replayed.stderr
    assert "twice" in replayed.stdout
    assert penstock(root, "runs", "--json").stdout == before


def test_the_debugger_stops_at_the_first_line_and_where_it_raises(root: Path) -> None:
    stopped = penstock(root, "replay", "latest", "draws", "--pdb", given="p sorted(locals())\nc\n")
    assert "['numbers']" in stopped.stdout, stopped.stderr
    assert stopped.returncode == 0, stopped.stderr
    broken = penstock(root, "replay", "latest", "breaks", "--pdb", given="c\np total * 7\nq\n")
    assert "(Pdb) 42" in broken.stdout, broken.stderr
    assert broken.returncode == 1


def test_an_edit_since_is_noted(root: Path) -> None:
    steps = root / "steps.py"
    text = steps.read_text()
    steps.write_text(text.replace("2 * number", "number + number"))
    try:
        verified = penstock(root, "verify-step", "latest", "double")
    finally:
        steps.write_text(text)
    assert verified.returncode == 0, verified.stderr
    assert "note: code of double changed: steps.py:" in verified.stdout


def test_what_cannot_be_repeated_is_said(root: Path) -> None:
    unknown = penstock(root, "replay", "latest", "doubel")
    assert unknown.returncode == 2
    assert "Did you mean 'double'?" in unknown.stderr
