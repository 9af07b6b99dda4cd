"""A run that is cancelled from another process takes with it everything that its steps have started."""

from __future__ import annotations

import time
from pathlib import Path

from drivers import PATIENCE_SECONDS, consistent, make_project, pids_in_book, start

import penstock as ps
from penstock.core.run import Cancellation


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_cancelling_ends_children_grandchildren_and_daemons(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    driver = start(root, "starting", engine="local")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(pids_in_book(root)) < 4:
        assert time.monotonic() < deadline, "the step did not begin"
        time.sleep(0.02)
    started = pids_in_book(root)
    assert all(map(is_alive, started))
    project = ps.open(root)
    (run,) = project.runs()
    run.cancel(reason="too slow")
    run.wait(PATIENCE_SECONDS)
    assert (run.state, run.record.error) == ("cancelled", "too slow")
    assert run.steps["starts_others"].state == "cancelled"
    told = driver.wait()
    assert told is not None
    assert (told.error, told.state) == ("", "cancelled")
    while any(map(is_alive, started)):
        assert time.monotonic() < deadline, "something still runs"
        time.sleep(0.02)
    assert project.metadata.get(Cancellation, run.id) is not None
    consistent(root)
