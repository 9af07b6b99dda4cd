"""Garbage collection beside runs of several processes and projects on one store: no run misses what it found."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import penstock as ps
import warm
from penstock.core.artifact import Artifact
from penstock.core.run import CacheEntry, Run, StepRun

MODULE = """
import pyarrow as pa
import penstock as ps

@ps.step
def numbers(n: int) -> ps.Table:
    return pa.table({"x": list(range(n)), "n": [n] * n})

@ps.step
def parts(rows: ps.Table) -> list[ps.Table]:
    return [rows.slice(start, 2) for start in range(0, rows.num_rows, 2)]

@ps.step
def sums(part: ps.Table) -> ps.Table:
    return pa.table({"x": [sum(part["x"].to_pylist())]})

@ps.step
def total(parts: list[ps.Table]) -> int:
    return sum(part["x"][0].as_py() for part in parts)

@ps.step
def check(total: int, rows: ps.Table, n: int) -> str:
    assert rows["n"].to_pylist() == [n] * n
    assert total == n * (n - 1) // 2
    return f"{n} is right"

@ps.pipeline
def counting(n: int = 10):
    rows = numbers(n)
    check(total(sums.map(parts(rows))), rows, n)
"""

RUNNER = """
import sys, json
import penstock as ps
project, said = ps.open(sys.argv[1]), []
for number in range(4):
    run = project.run("counting", n=4 + (number * int(sys.argv[2])) % 3)
    said.append([run.state, run.record.error])
print(json.dumps(said))
"""

COLLECTOR = """
import sys, json
from pathlib import Path
import penstock as ps
project, went, stop = ps.open(sys.argv[1]), 0, Path(sys.argv[2])
while not stop.exists():
    went += len(project.repository.gc(dry_run=False, keep_runs=1, grace=0).garbage)
print(json.dumps(went))
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two projects on one store."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "counted.py").write_text(MODULE)
        (tmp_path / name / "penstock.toml").write_text(
            f'[project]\nname = "{name}"\nmodules = ["counted"]\n'
            '[stores]\nartifacts = "../shared"\n[engine]\ndefault = "inline"\n'
        )
    return tmp_path / "one", tmp_path / "two"


def started(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [warm.python(), "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> object:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


def test_runs_and_collections_of_two_projects_at_once(folders: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = folders
    stop = tmp_path / "stop"
    ps.open(one).run("counting")  # so that each collection knows of both
    ps.open(two).run("counting")
    collectors = [started(COLLECTOR, folder, stop) for folder in folders]
    runners = [started(RUNNER, one, 1), started(RUNNER, one, 2), started(RUNNER, two, 1)]
    try:
        states = [said(runner) for runner in runners]
    finally:
        stop.touch()
    went = [said(collector) for collector in collectors]
    assert states == [[["succeeded", ""]] * 4] * 3
    assert sum(map(int, went)) > 0  # type: ignore[call-overload]  # numbers
    for folder in folders:
        _is_whole(ps.open(folder))


def _is_whole(project: ps.Project) -> None:
    """The newest runs have all that they gave, and a hit is one."""
    newest = project.metadata.find(Run, state="succeeded", newest_first=True, limit=1)[0]
    for step in project.metadata.find(StepRun, run=newest.id):
        for digest in step.artifacts.values():
            assert project.metadata.get(Artifact, digest) is not None
            assert project.artifacts.has(digest)
    for entry in project.metadata.find(CacheEntry, run=newest.id):
        assert all(map(project.artifacts.has, entry.outputs.values()))
    assert project.run("counting", n=newest.params["n"]).state == "succeeded"
