"""Killed, interrupted, out of space, edited, moved, deleted: recorded, nothing half-written; the next run goes on."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import penstock as ps
import warm
from penstock.core.artifact import Artifact

PIPELINES = """
import ctypes, os, subprocess, sys, time
from pathlib import Path
import numpy as np
import penstock as ps
from scale import FACTOR

@ps.step
def numbers(n: int) -> ps.Table:
    import pyarrow as pa
    return pa.table({"x": np.arange(n) * FACTOR})

@ps.step
def waits(rows: ps.Table) -> int:
    child = subprocess.Popen(["sleep", "600"])
    Path("began").write_text(f"{os.getpid()} {child.pid}")
    while not Path("go").exists():
        time.sleep(0.01)
    child.kill()
    return rows.num_rows

@ps.step
def large(rows: ps.Table) -> bytes:
    return bytes(8_000_000)

@ps.step
def crashes(rows: ps.Table, how: str) -> int:
    match how:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(7)
        case "memory":
            bytes(1 << 60)
    return 1

@ps.step(timeout=0.2)
def hangs(rows: ps.Table) -> int:
    time.sleep(600)

@ps.pipeline
def waiting(n: int = 1000):
    waits(numbers(n))

@ps.pipeline
def storing():
    large(numbers(10))

@ps.pipeline
def dying():
    rows = numbers(10)
    for how in ("segfault", "exit", "memory", "not at all"):
        crashes(rows, how)
    hangs(rows)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a project with steps that go wrong."""
    return made(tmp_path / "project")


def made(root: Path) -> Path:
    root.mkdir(exist_ok=True)
    (root / "pipelines.py").write_text(PIPELINES)
    (root / "scale.py").write_text("FACTOR = 2\n")
    (root / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    return root


def started(root: Path, *arguments: str, python: str = sys.executable, **options: Any) -> subprocess.Popen[str]:
    """Start `penstock run` in a process group of its own, as a shell does."""
    command = [python, "-m", "penstock", "run", *arguments]
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0, **options
    )


def ended(driver: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a run; return its exit code and what it said."""
    said, _ = driver.communicate(timeout=60)
    return driver.returncode, said


def until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waiting_step(root: Path) -> list[int]:
    """Return the processes of the step `waits`, once it runs."""
    began = root / "began"
    until(lambda: began.exists() and len(began.read_text().split()) == 2)
    return [int(pid) for pid in began.read_text().split()]


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def states(run: ps.Run) -> dict[str, str]:
    return {name: step.state for name, step in run.steps.items()}


def is_whole(root: Path) -> bool:
    """Tell whether every blob that is there or recorded has its bytes, and nothing else lies around."""
    project = ps.open(root)
    store = root / ".penstock" / "artifacts"
    blobs = {path.parent.name + path.name for path in (store / "cas").glob("*/*")}
    recorded = {artifact.digest for artifact in project.metadata.find(Artifact)}
    for digest in blobs:
        project.artifacts.verify(digest)
    return recorded <= blobs and not any(store.glob("tmp/*"))


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_run_whose_process_is_killed_is_marked_failed_and_the_next_one_goes_on(root: Path, engine: str) -> None:
    driver = started(root, "waiting", "--engine", engine)
    step, child = waiting_step(root)
    driver.kill()
    driver.communicate()
    project = ps.open(root)
    (killed,) = project.runs()
    assert (killed.state, killed.record.error) == ("failed", "the process that drove this run is gone")
    assert states(killed) == {"numbers": "succeeded", "waits": "failed"}
    assert is_whole(root)
    if engine == "inline":
        os.kill(child, signal.SIGKILL)  # what a step started in the killed process itself has nobody left to end it
    until(lambda: is_gone(step) and is_gone(child))
    (root / "go").touch()
    assert ended(started(root, "waiting", "--engine", engine, python=warm.python()))[0] == 0
    again = project.runs()[0]
    assert states(again) == {"numbers": "up_to_date", "waits": "succeeded"}
    assert again.artifact("waits").load() == 1000


@pytest.mark.parametrize(("engine", "number"), [("inline", signal.SIGTERM), ("local", signal.SIGINT)])
def test_an_interrupted_run_is_cancelled_and_leaves_no_process(root: Path, engine: str, number: int) -> None:
    driver = started(root, "waiting", "--engine", engine)
    step, child = waiting_step(root)
    os.killpg(driver.pid, number)
    code, said = ended(driver)
    assert (code, "interrupted" in said) == (130, True)
    project = ps.open(root)
    assert project.runs()[0].state == "cancelled"
    assert states(project.runs()[0]) == {"numbers": "succeeded", "waits": "cancelled"}
    until(lambda: is_gone(step) and is_gone(child))
    assert is_whole(root)


def test_a_dead_worker_fails_its_step_only_and_the_record_says_of_what(root: Path) -> None:
    code, _ = ended(started(root, "dying", "--engine", "local"))
    assert code == 1
    run = ps.open(root).runs()[0]
    assert states(run) == {
        "numbers": "succeeded", "crashes": "failed", "crashes_2": "failed", "crashes_3": "failed",
        "crashes_4": "succeeded", "hangs": "failed",
    }  # fmt: skip
    words = {"crashes": "SIGSEGV", "crashes_2": "exit code 7", "crashes_3": "MemoryError", "hangs": "after 0.2 s"}
    for step, word in words.items():
        assert word in run.steps[step].record.error
    assert is_whole(root)


def test_a_full_disk_fails_the_step_leaves_nothing_half_written_and_the_next_run_goes_on(root: Path) -> None:
    limit = 2_000_000

    def little_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code, said = ended(started(root, "storing", "--engine", "local", preexec_fn=little_space))
    assert code == 1
    assert "Nothing half-written is left. Free some space" in said
    project = ps.open(root)
    assert states(project.runs()[0]) == {"numbers": "succeeded", "large": "failed"}
    assert is_whole(root)
    assert ended(started(root, "storing", python=warm.python()))[0] == 0
    assert states(project.runs()[0]) == {"numbers": "up_to_date", "large": "succeeded"}


def test_runs_at_the_same_time_do_not_disturb_each_other(root: Path) -> None:
    (root / "go").touch()
    drivers = [started(root, "waiting", "-p", f"n={n}", python=warm.python()) for n in (1000, 1000)]
    assert [ended(driver)[0] for driver in drivers] == [0, 0]
    assert is_whole(root)
    project = ps.open(root)
    assert sorted(run.artifact("waits").load() for run in project.runs()) == [1000, 1000]


def test_a_project_that_is_moved_keeps_what_is_done_and_its_logs(root: Path) -> None:
    assert ended(started(root, "storing", python=warm.python()))[0] == 0
    moved = root.rename(root.parent / "moved")
    assert ended(started(moved, "storing", python=warm.python()))[0] == 0
    run = ps.open(moved).runs()[0]
    assert set(states(run).values()) == {"up_to_date"}
    assert Path(moved, run.steps["large"].record.log).is_file()


LONG_LIVED = """
import json, shutil, sys
from pathlib import Path
import penstock as ps

project = ps.open(".")
for changes in sys.argv[1:]:
    if "edit" in changes:
        Path("scale.py").write_text("FACTOR = 3\\n")
    if "delete" in changes:
        shutil.rmtree(".penstock")
    run = project.run("storing", engine="local")
    print(json.dumps([{name: step.state for name, step in run.steps.items()}, run.record.error]))
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A project, and what one long-lived process got from running a pipeline after each change."""
    root = made(tmp_path_factory.mktemp("notebook"))
    command = [warm.python(), "-c", LONG_LIVED, "", "delete", "delete and edit"]
    said = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return root, [json.loads(line) for line in said.splitlines()]


def test_state_that_is_deleted_is_begun_anew_also_by_a_process_that_goes_on(notebook: tuple[Path, list[Any]]) -> None:
    root, (first, anew, _) = notebook
    assert first == anew == [{"numbers": "succeeded", "large": "succeeded"}, ""]
    assert len(ps.open(root).runs()) == 1
    assert is_whole(root)


def test_a_worker_runs_no_other_code_than_the_key_was_made_of(notebook: tuple[Path, list[Any]]) -> None:
    _, (_, _, (steps, error)) = notebook
    assert steps == {"numbers": "failed", "large": "skipped"}
    assert "global pipelines.FACTOR is not what the process that drives the run has loaded (2 there, 3 in a" in error
