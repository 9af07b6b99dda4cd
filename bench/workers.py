"""What a worker process costs: a step of the engine `local`, first and later, beside a bare interpreter and a fork."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Figure, fresh_folder, median_seconds
from bench.nothing import nothing
from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Step
from penstock.core.ports import Context, Engine, Task
from penstock.engines import LocalEngine
from penstock.project.worker import ENTRY

REPEATS = 5
LATER = 30


def _task(root: Path, number: int) -> Task:
    step = Step(name="nothing", call=nothing, inputs=FrozenMap(), outputs=FrozenMap({"result": "json"}))
    return Task(
        id=f"t{number}",
        entry=ENTRY,
        run="bench",
        step=step,
        arguments={"n": number},
        context=Context(root=str(root), metadata="", artifacts=str(root / "artifacts")),
        log=root / "logs" / f"{number}.log",
        paths=(str(root),),
    )


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _run(engine: Engine, task: Task) -> None:
    engine.submit(task)
    (outcome,) = engine.wait(60)
    if outcome.error:
        raise SystemExit(outcome.error)


def _steps() -> tuple[float, float, float]:
    """Return the seconds of a template's start, of the first step on it and the median of later ones."""
    root = fresh_folder()
    with LocalEngine(slots=2) as engine:
        started = _timed(lambda: engine.warm_up(ENTRY))
        first = _timed(lambda: _run(engine, _task(root, 0)))
        later = [_timed(lambda number=number: _run(engine, _task(root, number))) for number in range(1, LATER)]
    return started, first, statistics.median(later)


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def figures() -> Iterator[Figure]:
    """Measure inside one process; the template's start stands beside, because it happens while a run is planned."""
    bare = median_seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), repeats=9, warm=2)
    forked = median_seconds(_fork, repeats=20, warm=2)
    started, first, later = (statistics.median(each) for each in zip(*(_steps() for _ in range(REPEATS)), strict=True))
    beside = f"bare interpreter {1000 * bare:.0f} ms, bare fork and wait {1000 * forked:.1f} ms"
    yield Figure(what="first step in a warm worker process", value=1000 * first, unit="ms", goal="< 60",
                 beside=f"{beside}; its template's start {1000 * started:.0f} ms", met=first < 0.060)  # fmt: skip
    yield Figure(what="later steps in worker processes, one after the other", value=1000 * later, unit="ms a step",
                 goal="< 10", beside=beside, met=later < 0.010)  # fmt: skip
