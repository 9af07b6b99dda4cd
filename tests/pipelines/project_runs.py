"""Run the pipeline of a project's `steps.py` in a process that has never loaded it."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

from penstock.core.artifact import Source
from penstock.core.ports import Context, Outcome, Task
from penstock.core.run import StepRun
from penstock.engines import InlineEngine
from penstock.pipelines import Services, execute, observe, run_task, trace
from penstock.stores import CODECS, LocalArtifactStore, SqlMetadata
from warm.forks import forks


def run_project(folder: Path) -> dict[str, StepRun]:
    """Return the steps of one run, by name."""
    ours, theirs = forks().Pipe()
    process = forks().Process(target=_main, args=(folder, theirs))
    process.start()
    theirs.close()
    try:
        steps: list[StepRun] = ours.recv()
    finally:
        process.join()
        ours.close()
    return {step.step: step for step in steps}


def work(task: Task) -> Outcome:
    return run_task(task, LocalArtifactStore(Path(task.context.artifacts)), CODECS)


def _main(folder: Path, answer: Connection) -> None:
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    _set_environment(folder / "env.txt")
    metadata = SqlMetadata(f"sqlite:///{folder}/.penstock/m.db")
    services = Services(
        metadata=metadata,
        artifacts=LocalArtifactStore(folder / ".penstock/artifacts"),
        codecs=CODECS,
        sources=_source,
        entry="project_runs:work",
        context=Context(root=str(folder), metadata="", artifacts=str(folder / ".penstock/artifacts")),
        logs=folder / ".penstock/logs",
    )
    run = execute(trace(import_module("steps").all_steps), services, engine=InlineEngine())
    answer.send(metadata.find(StepRun, run=run.id))


def _set_environment(file: Path) -> None:
    """The shell that this process was started from, in tests that change it."""
    for line in file.read_text().splitlines() if file.is_file() else ():
        name, _, value = line.partition("=")
        os.environ[name] = value


def _source(text: str) -> Source:
    path = Path(text).resolve()
    return Source(name=text, uris=(str(path),), format="csv", digest=observe(f"file:{path}"))
