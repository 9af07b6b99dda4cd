"""Workers and their template are killed while a run goes on: it goes on, and gives what an undisturbed one gives."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from drivers import Driver, batches, book, consistent, drawing, make_project, start

from penstock.core.run import Attempt, StepRun
from penstock.engines.families import children
from penstock.stores import open_metadata

KILLS = 12
"""At least so many of about 35 that are drawn must really have happened in one run."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    root = make_project(tmp_path_factory.mktemp("undisturbed") / "project")
    told = start(root, "chain").wait()
    assert told is not None
    assert (told.error, told.state) == ("", "succeeded")
    return consistent(root).published


def attempts(root: Path) -> tuple[list[Attempt], list[StepRun]]:
    metadata = open_metadata(f"sqlite:///{root}/.penstock/metadata.db")
    found = metadata.find(Attempt), metadata.find(StepRun)
    metadata.close()  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("batch", batches(2))
def test_workers_that_are_killed_are_recorded_and_tried_again(
    undisturbed: dict[str, dict[str, str]], tmp_path: Path, batch: int
) -> None:
    with drawing(f"workers-{batch}") as random:
        root = make_project(tmp_path / "project")
        deaths = {"ENDURANCE_DEATHS": str(random.random())}
        told = start(root, "chain", engine="local", environment=deaths, length=25).wait()
        assert told is not None
        assert (told.error, told.state) == ("", "succeeded")
        published = consistent(root).published
        assert {step: published[step] for step in undisturbed} == undisturbed
        failed, steps = attempts(root)
        assert len(failed) >= KILLS
        assert all("SIGKILL" in each.error for each in failed)
        begun = Counter(book(root))
        for step in steps:
            assert begun[step.step] == step.attempts == 1 + sum(each.step == step.step for each in failed)


def template_of(driver: Driver) -> int | None:
    """Return the process that starts the workers of a driver, if it is there just now."""
    return next(iter(children(driver.process.pid or 0)), None)


@pytest.mark.slow
def test_a_template_that_is_killed_again_and_again_is_replaced(
    undisturbed: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    with drawing("templates") as random:
        root = make_project(tmp_path / "project")
        driver, killed = start(root, "chain", engine="local"), set[int]()
        deadline = time.monotonic() + 100
        while driver.process.is_alive() and time.monotonic() < deadline and len(killed) < 10:
            seen, template = len(book(root)), template_of(driver)
            while len(book(root)) == seen and driver.process.is_alive() and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(random.uniform(0, 0.03))
            template = template_of(driver)
            if template is not None and template not in killed:
                killed.add(template)
                os.kill(template, signal.SIGKILL)
        told = driver.wait()
        assert told is not None
        assert (told.error, told.state) == ("", "succeeded")
        assert consistent(root).published == undisturbed
        assert len(killed) >= 5
        failed, steps = attempts(root)
        assert all("the process that starts the workers ended" in each.error for each in failed)
        begun = Counter(book(root))
        assert all(begun[step.step] <= step.attempts for step in steps)
