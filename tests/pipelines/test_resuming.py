"""To go on from a run that failed, and to hand a run what its steps would have given."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from worlds import World

from penstock.core.artifact import Artifact
from penstock.core.run import Run
from penstock.errors import ConflictError, DeclarationError, UnknownNameError
from penstock.pipelines import asked, pipeline, resumable, step

CALLS: Counter[str] = Counter()
FAIL: set[str] = set()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CALLS.clear()
    FAIL.clear()


@step(ignore=["CALLS"], cache=False)
def draw(seed: int) -> int:
    CALLS["draw"] += 1
    return seed * 10 + CALLS["draw"]


@step(ignore=["CALLS", "FAIL"])
def learn(number: int) -> int:
    CALLS["learn"] += 1
    if "learn" in FAIL:
        raise ValueError("no")
    return number + 1


@step(ignore=["CALLS"])
def tell(number: int, other: int = 0) -> str:
    CALLS["tell"] += 1
    return f"<{number + other}>"


@pipeline
def chain(seed: int = 1) -> None:
    tell(learn(draw(seed)))


@pipeline
def diamond() -> None:
    left = learn(draw(1))
    tell(left, learn.configured(name="learn_too")(draw(2)))


def stored(world: World, value: Any) -> Artifact:
    codec = next(codec for codec in world.services.codecs if codec.kind == "json")
    artifact = codec.save(value, world.store)
    world.metadata.write(artifact)
    return artifact


def test_a_resumed_run_takes_over_what_was_made_also_where_it_is_never_cached(world: World) -> None:
    FAIL.add("learn")
    failed = world.run(chain)
    FAIL.clear()
    assert world.run(chain, resume="").state == "succeeded"
    assert CALLS["draw"] == 2  # without resume it runs again
    CALLS.clear()
    run = world.run(chain, resume=failed.id)
    assert (run.state, run.options["resume"]) == ("succeeded", failed.id)
    assert CALLS["draw"] == 0
    assert world.states(run)["draw"] == "up_to_date"
    assert world.steps(run)["draw"].reason == f"made by run {failed.id}, which this one resumes"
    assert world.steps(run)["draw"].origin == f"{failed.id}/draw"
    assert world.value(run, "tell") == "<12>"


def test_a_changed_step_runs_again_in_a_resumed_run(world: World) -> None:
    FAIL.add("learn")
    failed = world.run(chain)
    FAIL.clear()
    CALLS.clear()
    run = world.run(chain, {"seed": 5}, resume=failed.id)
    assert (CALLS["draw"], world.states(run)["draw"]) == (1, "succeeded")


def test_a_plan_of_a_resumed_run_says_what_it_takes_over(world: World) -> None:
    FAIL.add("learn")
    failed = world.run(chain)
    planned = {item.name: item.state for item in world.plan(chain, resume=failed.id).steps}
    assert planned == {"draw": "up_to_date", "learn": "stale", "tell": "stale"}


def test_only_a_run_that_has_ended_is_resumed(world: World) -> None:
    with pytest.raises(UnknownNameError, match="no run named 'r0'"):
        resumable(world.metadata, "r0")
    world.metadata.write(Run(id="r1", pipeline="chain", state="running"))
    with pytest.raises(ConflictError, match="run r1 is running"):
        resumable(world.metadata, "r1")


def test_a_parameter_that_a_record_cannot_hold_must_be_given_again(world: World) -> None:
    @pipeline
    def odd(value: Any = None) -> None:
        tell(1, other=len(value))

    run = world.run(odd, {"value": (1, 2)})
    assert run.options["unplain"] == ["value"]
    with pytest.raises(DeclarationError, match=r"give value=\.\.\. again"):
        asked(run, {})
    assert asked(run, {"value": [3]}) == {"value": [3]}


def test_what_is_given_is_not_made_and_neither_is_what_only_that_needs(world: World) -> None:
    given = stored(world, 41)
    run = world.run(chain, override={"learn": {"result": given}})
    assert world.states(run) == {"draw": "skipped", "learn": "skipped", "tell": "succeeded"}
    assert world.value(run, "tell") == "<41>"
    assert world.steps(run)["learn"].reason == f"its output is given: json {given.digest[:12]}"
    assert world.steps(run)["draw"].reason == "only needed by steps whose output is given"
    assert run.options["override"] == {"learn": {"result": given.digest}}
    assert set(CALLS) == {"tell"}


def test_what_others_need_too_is_made(world: World) -> None:
    run = world.run(diamond, override={"learn": {"result": stored(world, 7)}})
    assert world.states(run) == {
        "draw": "skipped", "learn": "skipped", "draw_2": "succeeded", "learn_too": "succeeded", "tell": "succeeded",
    }  # fmt: skip


def test_an_override_that_does_not_fit_is_refused(world: World) -> None:
    with pytest.raises(UnknownNameError, match=r"no step named 'lern'.*Did you mean 'learn'"):
        world.run(chain, override={"lern": {"result": stored(world, 1)}})
    table = Artifact(digest="ab", kind="table", uri="")
    with pytest.raises(DeclarationError, match="step 'learn' gives a json as 'result', but a table"):
        world.run(chain, override={"learn": {"result": table}})
