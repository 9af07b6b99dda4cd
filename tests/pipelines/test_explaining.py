"""`why` in one line, and runs whose process is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from worlds import World

from penstock.core.run import Run, StepRun
from penstock.errors import UnknownNameError
from penstock.pipelines import drives, pipeline, reap, step, why


@step
def load(x: int = 1) -> int:
    if x < 0:
        raise ValueError("negative")
    return x


@step
def double(x: int) -> int:
    return 2 * x


@pipeline
def chain(x: int = 1) -> None:
    double(load(x))


def test_why_says_what_changed(world: World) -> None:
    first = world.run(chain)
    same = world.run(chain)
    other = world.run(chain, {"x": 2})
    failed = world.run(chain, {"x": -1})
    assert why(world.metadata, first.id, "load") == "load ran: never ran"
    assert why(world.metadata, same.id, "load") == f"load did not run, it is up to date: made by run {first.id}"
    assert why(world.metadata, other.id, "load") == "load ran: parameter x changed 1 -> 2"
    assert why(world.metadata, other.id, "double") == "double ran: what load gives (x) changed"
    assert why(world.metadata, failed.id, "load").startswith("load failed (ValueError: negative); it was to run: param")
    assert why(world.metadata, failed.id, "double") == "double was skipped: needs load, which failed"


def test_why_of_something_unknown_names_what_there_is(world: World) -> None:
    run = world.run(chain)
    with pytest.raises(UnknownNameError, match="Did you mean 'double'"):
        why(world.metadata, run.id, "duoble")
    with pytest.raises(UnknownNameError, match=run.id):
        why(world.metadata, "no-such-run", "load")


def recorded(world: World, pid: int | None, created: float) -> Run:
    run = Run(id=f"r{pid}", pipeline="chain", state="running", pid=pid, created=created)
    states = ("succeeded", "running", "waiting")
    steps = [StepRun(run=run.id, step=state, position=i, state=state) for i, state in enumerate(states)]  # type: ignore[arg-type]
    world.metadata.write(run, *steps)
    return run


def test_a_run_whose_process_is_gone_is_marked_failed(world: World) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    recorded(world, gone.pid, 5e9)
    (reaped,) = reap(world.metadata)
    assert reaped == world.metadata.get(Run, reaped.id)
    assert (reaped.state, reaped.error) == ("failed", "the process that drove this run is gone")
    assert [item.state for item in world.metadata.find(StepRun, run=reaped.id)] == ["succeeded", "failed", "cancelled"]
    assert reap(world.metadata) == []


def test_a_run_whose_process_is_there_goes_on(world: World) -> None:
    run = recorded(world, os.getpid(), 5e9)
    assert drives(run)
    assert reap(world.metadata) == []


def test_another_process_with_the_same_number_does_not_drive_the_run(world: World) -> None:
    run = recorded(world, os.getpid(), 5e9)
    assert not drives(replace(run, created=1.0))
    assert not drives(replace(run, pid=None))
