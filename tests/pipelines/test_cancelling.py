"""A run is cancelled by a record; one that has ended, or whose process is gone, cannot be."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from worlds import World

from penstock.core.run import Cancellation, Run
from penstock.errors import ConflictError
from penstock.pipelines import cancel_run, pipeline, step
from penstock.pipelines.liveness import driving


def recorded(world: World, **fields: object) -> Run:
    run = Run(**{"id": "r1", "pipeline": "p", "state": "running", "created": time.time(), **fields})  # type: ignore[arg-type]
    world.metadata.write(run)
    return run


def test_the_wish_is_recorded_with_its_reason(world: World) -> None:
    run = recorded(world, pid=os.getpid())
    with driving("r1"):
        cancel_run(world.metadata, run, reason="too slow", clock=lambda: 7.0)
    assert world.metadata.get(Cancellation, "r1") == Cancellation(run="r1", reason="too slow", created=7.0)


@step
def wait(up: str) -> int:
    Path(up).write_text("up")
    time.sleep(60)
    return 1


@pipeline
def waiting(up: str) -> None:
    wait(up)


def test_a_driver_hears_of_it_and_stops_what_is_under_way(world: World, tmp_path: Path) -> None:
    up = tmp_path / "up"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it

    def cancel() -> None:
        while not up.exists():
            time.sleep(0.01)
        (run,) = world.metadata.find(Run, state="running")
        cancel_run(world.metadata, run, reason="too slow")

    with ThreadPoolExecutor() as pool:
        canceller = pool.submit(cancel)
        run = world.run(waiting, {"up": str(up)})
        canceller.result()
    signal.signal(signal.SIGINT, before)
    assert (run.state, run.error, world.states(run)) == ("cancelled", "too slow", {"wait": "cancelled"})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "succeeded"}, "has ended already: it is succeeded"),
        ({"state": "failed", "error": "fit: no rows"}, "it is failed: fit: no rows"),
        ({"pid": 2**22 + 1}, "it is failed: the process that drove this run is gone"),
    ],
)
def test_a_run_that_is_over_cannot_be_cancelled(world: World, fields: dict[str, object], words: str) -> None:
    with pytest.raises(ConflictError, match=words):
        cancel_run(world.metadata, recorded(world, **fields))
    assert world.metadata.get(Cancellation, "r1") is None
