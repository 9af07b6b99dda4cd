"""A run whose process is gone is not running; a run whose process is there is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from worlds import World

from penstock.core.run import Run, StepRun
from penstock.pipelines import Event, StepEnded, drives, pipeline, reap, step


@step
def one() -> int:
    return 1


@pipeline
def one_step() -> None:
    one()


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
    run = recorded(world, os.getppid(), 5e9)
    assert drives(run)
    assert reap(world.metadata) == []


def test_another_process_with_the_same_number_does_not_drive_the_run(world: World) -> None:
    run = recorded(world, os.getppid(), 5e9)
    assert not drives(replace(run, created=1.0))
    assert not drives(replace(run, pid=None))


def test_a_zombie_drives_nothing(world: World) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)  # it has ended, but nobody has taken its exit status
    assert not drives(recorded(world, gone.pid, 5e9))
    gone.wait()


def test_a_run_that_ended_just_before_its_process_did_keeps_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run = recorded(world, gone.pid, 5e9)
    find = world.metadata.find

    def and_then_it_ends(kind: type, **equal: object) -> list[Run]:
        found = find(kind, **equal)
        world.metadata.write(replace(run, state="succeeded"))
        return found

    monkeypatch.setattr(world.metadata, "find", and_then_it_ends)
    assert reap(world.metadata) == []
    assert world.metadata.get(Run, run.id) == replace(run, state="succeeded")


def test_a_run_that_this_process_could_not_end_is_marked_failed_while_the_process_goes_on(world: World) -> None:
    meanwhile: list[Run] = []

    def look(event: Event) -> None:
        if isinstance(event, StepEnded):
            assert reap(world.metadata) == []
            meanwhile.extend(world.metadata.find(Run, state="running"))

    run = world.run(one_step, on_event=look)
    assert [drives(seen) for seen in (run, *meanwhile)] == [False, False]
    assert [seen.id for seen in meanwhile] == [run.id]
    world.metadata.write(replace(run, state="running"))  # so it stays where the store takes no more records
    assert [reaped.id for reaped in reap(world.metadata)] == [run.id]
