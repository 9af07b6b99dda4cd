"""The process that drives a run is killed: with files half-written, in the midst of a transaction, at any moment."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from drivers import Death, Told, batches, book, check_resumes, consistent, drawing, make_project, start

BYTES = 1_700_000  # a little more than the largest file that the pipeline writes


@dataclass
class Undisturbed:
    """A run that nobody disturbed: what it told, and the digests of what each of its steps gave."""

    told: Told
    outputs: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    root = make_project(tmp_path_factory.mktemp("undisturbed") / "project")
    start(root).wait()  # the first one loads what the others find loaded
    root = make_project(tmp_path_factory.mktemp("undisturbed") / "project")
    told = start(root).wait()
    assert told is not None
    assert (told.error, told.state) == ("", "succeeded")
    assert sorted(book(root)) == ["halves", "large", "report", "rows", "text"]
    return Undisturbed(told, consistent(root).published)


@pytest.mark.parametrize("batch", batches(8))
@pytest.mark.parametrize("kind", ["file", "statement", "byte"])
def test_a_driver_that_dies_leaves_a_store_from_which_the_next_run_goes_on(
    undisturbed: Undisturbed, tmp_path: Path, kind: str, batch: int
) -> None:
    with drawing(f"{kind}-{batch}") as random:
        for number in range(6):
            root = make_project(tmp_path / f"project-{number}")
            at = random.randint(1, undisturbed.told.moments.get(kind, BYTES))
            if start(root, death=Death(kind=kind, at=at)).wait() is None:  # type: ignore[arg-type]
                check_resumes(root, undisturbed.outputs)
            else:  # runs differ a little: this one had fewer such moments
                assert at > 0.9 * undisturbed.told.moments.get(kind, BYTES) or kind == "byte"


@pytest.mark.parametrize("batch", batches(5))
@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_driver_killed_from_outside_at_any_moment(
    undisturbed: Undisturbed, tmp_path: Path, engine: str, batch: int
) -> None:
    with drawing(f"{engine}-{batch}") as random:
        for number in range(6 if engine == "inline" else 3):
            root = make_project(tmp_path / f"project-{number}")
            driver = start(root, engine=engine)
            deadline = time.monotonic() + 60
            while not os.path.exists(root / ".penstock/metadata.db") and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(random.uniform(0, undisturbed.told.seconds * (1.2 if engine == "inline" else 4)))
            driver.kill()
            driver.wait()
            check_resumes(root, undisturbed.outputs, engine=engine)
