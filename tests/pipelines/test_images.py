"""Images in keys: a step that runs in another image runs again, and `why` says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from worlds import World

from penstock.core.pipeline import Step
from penstock.core.ports import Outcome, Task
from penstock.engines import InlineEngine
from penstock.pipelines import ImageRef, pipeline, step, trace, why


@step
def load() -> int:
    return 1


@step(image="special:1")
def double(x: int) -> int:
    return 2 * x


@pipeline(image="usual:1")
def chain() -> None:
    double(load())


class Watched(InlineEngine):
    """Notes in which image each step was to run."""

    def __init__(self) -> None:
        super().__init__()
        self.images: dict[str, str] = {}

    def submit(self, task: Task) -> None:
        self.images[task.step.name] = task.image
        super().submit(task)

    def wait(self, timeout_seconds: float | None = None) -> list[Outcome]:
        return list(super().wait(timeout_seconds))


def using(world: World, digests: dict[str, str]) -> Watched:
    def image_of(step: Step) -> ImageRef | None:
        name = step.needs.image or "none"
        return ImageRef(name, digests[name]) if name in digests else None

    world.services = replace(world.services, images=image_of)
    world.engine = Watched()
    return world.engine


def test_a_pipeline_s_image_is_that_of_its_steps_that_name_none():
    assert {step.name: step.needs.image for step in trace(chain).steps} == {"load": "usual:1", "double": "special:1"}


def test_a_step_runs_in_its_image_by_digest_and_once(world: World):
    engine = using(world, {"usual:1": "aa", "special:1": "bb"})
    assert world.states(world.run(chain)) == {"load": "succeeded", "double": "succeeded"}
    assert engine.images == {"load": "aa", "double": "bb"}
    assert world.states(world.run(chain)) == {"load": "up_to_date", "double": "up_to_date"}
    assert world.plan(chain).up_to_date


@pytest.mark.parametrize(
    ("digests", "message"),
    [
        ({"usual:1": "aa", "special:1": "cc"}, "image special:1 changed"),
        ({"usual:1": "aa"}, "double no longer runs in an image"),
    ],
)
def test_a_tag_that_moved_makes_its_steps_stale_and_no_others(world: World, digests: dict[str, str], message: str):
    using(world, {"usual:1": "aa", "special:1": "bb"})
    world.run(chain)
    using(world, digests)
    run = world.run(chain)
    assert world.states(run) == {"load": "up_to_date", "double": "succeeded"}
    assert message in why(world.metadata, run.id, "double")
