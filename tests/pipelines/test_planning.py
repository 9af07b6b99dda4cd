"""The plan: which steps would run and why, known without running them; and that a run does what the plan said."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import World

from penstock.core.run import Run
from penstock.errors import FingerprintError, RunError
from penstock.pipelines import pipeline, step


@step
def load(x: int = 1) -> int:
    return x


@step
def parity(x: int) -> int:
    return x % 2


@step
def learn(x: int, depth: int = 6) -> dict[str, int]:
    return {"mae": x * depth}


@step
def push(report: dict[str, Any]) -> None: ...


@pipeline
def chain(x: int = 1, depth: int = 6, limit: int = 100) -> None:
    made = learn(parity(load(x)), depth)
    push(made, when=made["mae"] < limit)


def said(world: World, **options: Any) -> dict[str, tuple[str, str]]:
    params = options.pop("params", {})
    return {item.name: (item.state, item.reason) for item in world.plan(chain, params, **options).steps}


def test_before_the_first_run_everything_is_stale(world: World) -> None:
    assert said(world)["load"] == ("stale", "never ran")
    assert said(world)["push"] == ("stale", "never ran")
    assert world.metadata.find(Run) == []


def test_after_a_run_everything_is_up_to_date(world: World) -> None:
    run = world.run(chain)
    plan = world.plan(chain)
    assert plan.up_to_date
    assert plan.step("learn").reason == f"made by run {run.id}"
    assert plan.step("learn").key == world.steps(run)["learn"].key


def test_what_is_downstream_of_a_change_is_unknown_until_that_has_run(world: World) -> None:
    world.run(chain)
    found = said(world, params={"x": 3})
    assert found["load"] == ("stale", "parameter x changed 1 -> 3")
    assert found["parity"] == ("unknown", "unknown until load has run")
    assert found["push"] == ("unknown", "unknown until learn has run")
    run = world.run(chain, {"x": 3})  # 1 and 3 are both odd: an early end
    assert list(world.states(run).values()) == ["succeeded", "succeeded", "up_to_date", "up_to_date"]


def test_a_changed_parameter_behind_a_stale_step_is_stale_already(world: World) -> None:
    world.run(chain)
    assert said(world, params={"x": 3, "depth": 8})["learn"] == ("stale", "parameter depth changed 6 -> 8")


def test_a_condition_whose_value_is_known_is_decided(world: World) -> None:
    world.run(chain)
    assert said(world, params={"limit": 1})["push"][0] == "skipped"


def test_a_lost_output_is_said(world: World) -> None:
    run = world.run(chain)
    world.store.path(world.steps(run)["learn"].artifacts["result"]).unlink()
    assert said(world)["learn"] == ("stale", "its output 'result' is missing from the store")


def test_selection_and_what_it_lacks(world: World) -> None:
    with pytest.raises(RunError, match="has left its outputs"):
        said(world, only="learn")
    world.run(chain)
    found = said(world, params={"depth": 7}, only="learn")
    assert found["learn"] == ("stale", "parameter depth changed 6 -> 7")
    assert found["parity"][0] == "skipped"
    assert found["push"] == ("skipped", "not selected")


def test_a_captured_value_that_cannot_be_hashed_is_said_before_anything_runs(world: World) -> None:
    numbers = iter(one for one in [1])

    @step
    def captures() -> int:
        return next(numbers)

    with pytest.raises(FingerprintError, match=r"step 'captures': .*captures\.numbers is a builtins\.generator"):
        world.plan(pipeline(name="p")(lambda: captures()))
