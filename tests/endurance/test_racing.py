"""Eight processes that run the same pipeline on the same store at once: every step is executed once."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from drivers import PATIENCE_SECONDS, book, consistent, gate, make_project, pids_in_book, start

from penstock.core.run import StepRun
from penstock.stores import open_metadata

RACERS = 8


@pytest.mark.parametrize("repeat", range(3))
def test_every_step_is_executed_once_and_all_succeed(tmp_path: Path, repeat: int) -> None:
    root, opened = make_project(tmp_path / "project"), gate(RACERS)
    racers = [start(root, gate=opened) for _ in range(RACERS)]
    told = [racer.wait() for racer in racers]
    assert [(each.error, each.state) for each in told if each] == [("", "succeeded")] * RACERS
    assert Counter(book(root)) == dict.fromkeys(("rows", "halves", "large", "report", "text"), 1)
    for step in ("rows", "halves", "large", "report", "text"):
        states = Counter(each.steps[step] for each in told if each)
        assert states == {"succeeded": 1, "up_to_date": RACERS - 1}
    consistent(root)


def await_lines(root: Path, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(book(root)) < count:
        assert time.monotonic() < deadline, "nobody began the step"
        time.sleep(0.01)


def await_waiting(root: Path, count: int) -> None:
    """Wait until so many runs wait for the one that executes the step."""
    metadata = open_metadata(f"sqlite:///{root}/.penstock/metadata.db")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum("another run" in step.reason for step in metadata.find(StepRun, state="waiting")) < count:
        assert time.monotonic() < deadline, "the others do not wait"
        time.sleep(0.02)
    metadata.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_where_the_one_that_executes_is_killed_one_other_takes_over(tmp_path: Path, engine: str) -> None:
    count = RACERS if engine == "inline" else 3
    root, opened = make_project(tmp_path / "project"), gate(count)
    racers = [start(root, "holding", engine=engine, gate=opened) for _ in range(count)]
    await_lines(root, 1)
    (holder,) = pids_in_book(root)
    if engine == "local":  # the worker's parent is the template, and that one's the driver
        for _ in range(2):
            holder = int(Path(f"/proc/{holder}/stat").read_text().rpartition(")")[2].split()[1])
    assert holder in {racer.process.pid for racer in racers}
    await_waiting(root, count - 1)
    os.kill(holder, signal.SIGKILL)
    await_lines(root, 2)
    (root / "book.go").touch()
    told = [racer.wait() for racer in racers]
    assert told.count(None) == 1
    assert [(each.error, each.state) for each in told if each] == [("", "succeeded")] * (count - 1)
    assert book(root) == ["held", "held"]
    assert Counter(each.steps["held"] for each in told if each) == {"succeeded": 1, "up_to_date": count - 2}
    consistent(root)
