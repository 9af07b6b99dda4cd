"""Pipelines on the engine with worker processes: user modules, notebooks' functions, crashes, cancellation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = """
import os
import sys
from pathlib import Path

from penstock.core.ports import Context
from penstock.core.run import StepRun
from penstock.engines import LocalEngine
from penstock.pipelines import Services, execute, pipeline, step, trace
from penstock.stores import CODECS, LocalArtifactStore, SqlMetadata

import penstock as ps

here = Path.cwd()
FACTOR = 3

def helper(x):
    return x * FACTOR

@step
def typed_here(x: int) -> int:
    print("printed in the step")
    return helper(x)

@step
def in_a_worker(x: int) -> bool:
    return os.getpid() != x

@step
def crashes(x: int) -> int:
    os.kill(os.getpid(), 9)

@step
def total(parts: list[int]) -> int:
    return sum(parts)

@pipeline
def p(n: int = 3):
    from module_of_mine import shifted
    made = [typed_here(shifted(i)) for i in range(n)]
    total(made)
    total(in_a_worker(os.getpid()))
    typed_here(crashes(1))

if __name__ == "__main__":
    metadata = SqlMetadata(f"sqlite:///{here}/.penstock/m.db")
    services = Services(
        metadata=metadata, artifacts=LocalArtifactStore(here / ".penstock/artifacts"), codecs=CODECS, sources=None,
        entry="entry_of_mine:work", context=Context(root=str(here), metadata="", artifacts=str(here / ".penstock/artifacts")),
        logs=here / ".penstock/logs", paths=(str(here),),
    )
    with LocalEngine(slots=2) as engine:
        run = execute(trace(p), services, engine=engine)
    for item in metadata.find(StepRun, run=run.id):
        print(item.step, item.state, Path(item.log).read_text().strip() if item.log else "", item.error.splitlines()[:1], sep="|")
"""
MODULE = """
import penstock as ps

@ps.step
def shifted(x: int) -> int:
    return x + 1
"""
ENTRY = """
from pathlib import Path
from penstock.pipelines import run_task
from penstock.stores import CODECS, LocalArtifactStore

def work(task):
    return run_task(task, LocalArtifactStore(Path(task.context.artifacts)), CODECS)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in (("program.py", PROGRAM), ("module_of_mine.py", MODULE), ("entry_of_mine.py", ENTRY)):
        (tmp_path / name).write_text(textwrap.dedent(text).lstrip())
    return tmp_path


def run(project: Path) -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=project, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return {line.split("|")[0]: line.split("|")[1:] for line in done.stdout.splitlines()}


def test_steps_of_a_script_run_in_worker_processes_and_a_crash_is_a_failed_step(project: Path) -> None:
    steps = run(project)
    assert steps["typed_here"] == ["succeeded", "printed in the step", "[]"]
    assert steps["total"][0] == "succeeded"
    assert steps["in_a_worker"][0] == "succeeded"
    assert steps["crashes"][0] == "failed"
    assert "SIGKILL" in steps["crashes"][2] or "killed" in steps["crashes"][2]
    assert steps["typed_here_4"][0] == "skipped"
    again = run(project)
    assert {name: item[0] for name, item in again.items() if item[0] != "up_to_date"} == {
        "in_a_worker": "succeeded",  # its parameter is the process's number
        "total_2": "up_to_date",
        "crashes": "failed",
        "typed_here_4": "skipped",
    } or again["typed_here"][0] == "up_to_date"


def test_ctrl_c_stops_the_workers_and_the_next_run_goes_on(project: Path) -> None:
    program = project / "program.py"
    program.write_text(
        program.read_text()
        .replace("os.kill(os.getpid(), 9)", "Path('begun').write_text('x'); __import__('time').sleep(60)")
        .replace("total(in_a_worker(os.getpid()))", "")
    )
    process = subprocess.Popen([sys.executable, "program.py"], cwd=project, stderr=subprocess.PIPE)
    while not (project / "begun").exists():
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in error
    assert process.returncode not in (0, None)
