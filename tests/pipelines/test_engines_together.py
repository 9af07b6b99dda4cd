"""Pipelines on the engine with worker processes: user modules, notebooks' functions, crashes, cancellation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from penstock.core.run import Run, StepRun
from penstock.stores import SqlMetadata

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
    in_a_worker(os.getpid())
    typed_here(crashes(1))

if __name__ == "__main__":
    metadata = SqlMetadata(f"sqlite:///{here}/.penstock/m.db")
    store = here / ".penstock/artifacts"
    services = Services(
        metadata=metadata, artifacts=LocalArtifactStore(store), codecs=CODECS, sources=None, entry="entry_of_mine:work",
        context=Context(root=str(here), metadata="", artifacts=str(store)), logs=here / ".penstock/logs",
        paths=(str(here),),
    )
    with LocalEngine(slots=2) as engine:
        run = execute(trace(p), services, engine=engine)
    for item in metadata.find(StepRun, run=run.id):
        log = Path(item.log).read_text().strip() if item.log else ""
        print(item.step, item.state, log, item.error.splitlines()[:1], sep="|")
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
    again = {name: item[0] for name, item in run(project).items()}
    assert {name for name, state in again.items() if state != "up_to_date"} == {
        "in_a_worker",  # its parameter is the number of the driver's process
        "crashes",
        "typed_here_4",
    }


def test_ctrl_c_stops_the_workers_and_is_recorded(project: Path) -> None:
    program = project / "program.py"
    program.write_text(program.read_text().replace("os.kill(os.getpid(), 9)", "open('begun', 'w').close(); wait()"))
    program.write_text(program.read_text().replace("def helper", "from signal import pause as wait\n\ndef helper"))
    os.mkfifo(project / "begun")
    process = subprocess.Popen([sys.executable, "program.py"], cwd=project, stderr=subprocess.PIPE)
    (project / "begun").read_text()  # returns when the step has opened it
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in error
    assert process.returncode != 0
    metadata = SqlMetadata(f"sqlite:///{project}/.penstock/m.db")
    (run,) = metadata.find(Run)
    states = {item.step: item.state for item in metadata.find(StepRun, run=run.id)}
    metadata.close()
    assert (run.state, states["crashes"], states["typed_here_4"]) == ("cancelled", "cancelled", "cancelled")
    assert set(states.values()) <= {"succeeded", "cancelled"}
