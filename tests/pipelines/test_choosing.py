"""`ps.when`: the branch that is taken runs, the other does not, and a step after them uses either."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from worlds import World

from penstock.errors import DeclarationError
from penstock.pipelines import optional, pipeline, step, when

CALLS: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CALLS.clear()


@step(ignore=["CALLS", "FAIL"])
def measure(error: float) -> dict[str, float]:
    CALLS["measure"] += 1
    return {"mae": error}


@step(ignore=["CALLS", "FAIL"])
def good(report: dict[str, float]) -> str:
    CALLS["good"] += 1
    return f"good {report['mae']}"


@step(ignore=["CALLS", "FAIL"])
def retrain(depth: int) -> int:
    CALLS["retrain"] += 1
    return depth + 1


@step(ignore=["CALLS", "FAIL"])
def poor(depth: int) -> str:
    CALLS["poor"] += 1
    return f"poor {depth}"


@step(ignore=["CALLS", "FAIL"])
def tell(verdict: str | None) -> str:
    CALLS["tell"] += 1
    return f"<{verdict}>"


@pipeline
def by_function(error: float = 1.0) -> None:
    report = measure(error)
    tell(when(report["mae"] < 5, lambda: good(report), lambda: poor(retrain(3))))


@pipeline
def by_value(error: float = 1.0) -> None:
    report = measure(error)
    tell(when(report["mae"] < 5, good(report), poor(retrain(3))))


@pytest.mark.parametrize("declared", [by_function, by_value])
def test_only_the_branch_that_is_taken_runs(declared: Any, world: World) -> None:
    run = world.run(declared)
    assert world.value(run, "tell") == "<good 1.0>"
    assert set(CALLS) == {"measure", "good", "tell"}
    assert [world.states(run)[name] for name in ("retrain", "poor", "when")] == ["skipped", "skipped", "succeeded"]
    other = world.run(declared, {"error": 9.0})
    assert world.value(other, "tell") == "<poor 4>"
    assert world.states(other)["good"] == "skipped"
    assert CALLS["good"] == 1
    assert "does not hold" in world.steps(other)["when"].reason


@pytest.mark.parametrize("declared", [by_function, by_value])
def test_it_is_visible_in_the_plan(declared: Any, world: World) -> None:
    before = {item.name: item.state for item in world.plan(declared).steps}
    assert before["measure"] == "stale"
    assert before["when"] == "unknown"
    world.run(declared)
    after = {item.name: item.state for item in world.plan(declared).steps}
    assert after == {
        "measure": "up_to_date",
        "good": "up_to_date",
        "retrain": "skipped",
        "poor": "skipped",
        "when": "up_to_date",
        "tell": "up_to_date",
    }


def test_what_others_use_too_runs_whichever_branch_is_taken(world: World) -> None:
    @pipeline
    def shared() -> None:
        report = measure(1.0)
        depth = retrain(1)
        tell(when(report["mae"] < 5, good(report), poor(depth)))
        retrain.configured(name="next")(depth)

    run = world.run(shared)
    states = world.states(run)
    assert (states["retrain"], states["poor"], states["next"]) == ("succeeded", "skipped", "succeeded")


def test_values_may_be_branches_and_without_otherwise_what_needs_it_is_skipped(world: World) -> None:
    @pipeline
    def values(error: float) -> None:
        report = measure(error)
        tell(when(report["mae"] < 5, "fine", "bad"))
        tell.configured(name="maybe")(when(report["mae"] < 5, "fine"))

    assert world.value(world.run(values, {"error": 1.0}), "tell") == "<fine>"
    run = world.run(values, {"error": 9.0})
    assert world.value(run, "tell") == "<bad>"
    assert world.states(run)["maybe"] == "skipped"


def test_branches_nest(world: World) -> None:
    @pipeline
    def nested(error: float) -> None:
        report = measure(error)
        tell(when(report["mae"] < 5, lambda: when(report["mae"] < 2, lambda: good(report), lambda: poor(1)), "far"))

    assert world.value(world.run(nested, {"error": 1.0}), "tell") == "<good 1.0>"
    assert world.value(world.run(nested, {"error": 3.0}), "tell") == "<poor 1>"
    assert world.value(world.run(nested, {"error": 7.0}), "tell") == "<far>"


def test_a_step_can_do_without_what_was_skipped(world: World) -> None:
    @pipeline
    def either(error: float) -> None:
        report = measure(error)
        tell(optional(good(report, when=report["mae"] < 5)))

    assert world.value(world.run(either, {"error": 1.0}), "tell") == "<good 1.0>"
    assert world.value(world.run(either, {"error": 9.0}), "tell") == "<None>"


def test_a_failed_upstream_is_not_made_up_for(world: World) -> None:
    @step
    def broken() -> str:
        raise ValueError("no")

    @pipeline
    def fails() -> None:
        tell(optional(broken()))

    run = world.run(fails)
    assert (run.state, world.states(run)["tell"]) == ("failed", "skipped")


def test_a_known_condition_is_decided_at_once() -> None:
    assert when(True, "yes", "no") == "yes"
    assert when(False, lambda: "yes", lambda: "no") == "no"
    assert when(False, "yes") is None


def test_wrong_use_says_what_to_do(world: World) -> None:
    @pipeline
    def several() -> None:
        report = measure(1.0)
        when(report["mae"] < 5, lambda: (good(report), poor(1)))

    with pytest.raises(DeclarationError, match="gives 2 results; give one"):
        world.run(several)
