"""Parts of a pipeline: only, since, until, and the modes train and infer."""

from __future__ import annotations

import pytest
from counted_steps import CALLS, FAIL, called, chain, number, sign
from worlds import World

from penstock.core.run import Run
from penstock.errors import DeclarationError, RunError, UnknownNameError
from penstock.pipelines import pipeline, step


def test_only_since_until_choose_steps(world: World) -> None:
    world.run(chain)
    CALLS.clear()
    run = world.run(chain, {"depth": 9}, until="report")
    assert CALLS == ["report"]
    assert world.steps(run)["push"].reason == "not selected"
    CALLS.clear()
    run = world.run(chain, {"depth": 10}, only=["rep*", "push"])
    assert CALLS == ["report", "push"]
    assert world.states(run)["number"] == "skipped"
    assert world.steps(run)["sign"].reason.startswith("not selected; its outputs are up to date (run ")
    assert run.state == "succeeded"
    run = world.run(chain, {"depth": 11}, since="push")
    assert world.states(run)["report"] == "skipped"


def test_what_is_left_out_comes_from_the_newest_successful_run(world: World) -> None:
    old = world.run(chain, {"x": 0})
    FAIL["report"] = 1
    world.run(chain, {"x": -1})
    CALLS.clear()
    run = world.run(chain, {"x": 99}, only="report")
    assert CALLS == []
    assert world.steps(run)["number"].reason == f"not selected; its outputs are those of run {old.id}"
    assert world.steps(run)["sign"].reason == f"not selected; its outputs are up to date (run {old.id})"


def test_what_never_ran_cannot_be_left_out(world: World) -> None:
    with pytest.raises(RunError, match=r"step 'report' needs what 'sign' gives.*until='sign'"):
        world.run(chain, only="report")
    assert world.metadata.find(Run) == []


def test_an_unknown_step_or_mode_names_the_near_one(world: World) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'report'"):
        world.run(chain, only=["reprot"])
    with pytest.raises(UnknownNameError, match="no step named 'x\\*'"):
        world.run(chain, since="x*")
    with pytest.raises(UnknownNameError, match="Did you mean 'infer'"):
        world.run(chain, mode="infr")
    with pytest.raises(DeclarationError, match="no step of pipeline 'chain'"):
        world.run(chain, since="push", until="number")


@step(modes={"train"}, ignore=["CALLS", "FAIL"])
def learn(x: int) -> dict[str, int]:
    called("learn")
    return {"weight": x * 10}


@step(ignore=["CALLS", "FAIL"])
def apply(graph: dict[str, int], x: int) -> int:
    called("apply")
    return graph["weight"] + x


@step(modes={"train"}, ignore=["CALLS", "FAIL"])
def judge(y: int) -> int:
    called("judge")
    return y


@pipeline
def learning(x: int = 1, new: int = 5) -> None:
    graph = learn(sign(number(x)))
    judge(apply(graph, new))


def test_infer_leaves_out_what_learns_and_takes_its_outputs_from_the_newest_train_run(world: World) -> None:
    trained = world.run(learning)
    CALLS.clear()
    run = world.run(learning, {"x": -7, "new": 6}, mode="infer")
    assert CALLS == ["apply"]
    assert world.value(run, "apply") == 16
    steps = world.steps(run)
    assert steps["learn"].reason == f"runs only in mode train; its outputs are those of run {trained.id}"
    assert steps["sign"].reason.startswith("only needed by steps that are not for mode infer")
    assert steps["judge"].state == "skipped"


def test_infer_before_any_training_says_so(world: World) -> None:
    with pytest.raises(RunError, match="'learn' runs only in mode train, and no earlier"):
        world.run(learning, mode="infer")


@step(modes={"infer"}, ignore=["CALLS", "FAIL"])
def used(graph: dict[str, int], x: int) -> int:
    called("used")
    return graph["weight"] + x


@pipeline
def used_later(x: int = 1, new: int = 5) -> None:
    used(learn(number(x)), new)


def test_what_only_inference_uses_is_learned_in_training(world: World) -> None:
    assert world.states(world.run(used_later)) == {"number": "succeeded", "learn": "succeeded", "used": "skipped"}
    run = world.run(used_later, {"x": 7}, mode="infer")
    assert (CALLS, world.value(run, "used")) == (["number", "learn", "used"], 15)
