"""A run is cancelled by a record; one that has ended, or whose process is gone, cannot be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from worlds import World

from penstock.core.run import Cancellation, Run
from penstock.errors import ConflictError
from penstock.pipelines import cancel_run
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


def test_a_driver_in_another_process_is_interrupted(world: World) -> None:
    code = "print('up', flush=True); import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as driver:
        assert driver.stdout is not None
        driver.stdout.readline()
        cancel_run(world.metadata, recorded(world, pid=driver.pid))
        assert driver.wait(timeout=10) in (-signal.SIGINT, 1)


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
