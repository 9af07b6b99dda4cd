"""`component`: what is learned in training is used in both modes, and inference cannot learn."""

from __future__ import annotations

from typing import Any

import pytest
from counted_steps import CALLS, called
from worlds import World

from penstock.core.ports import Context
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines import Mode, component, pipeline, step


@component(ignore=["CALLS", "FAIL"])
class center:
    """Take away the mean that training values had."""

    @staticmethod
    def fit(values: list[int], scale: int = 1) -> float:
        called("fit")
        return sum(values) / len(values)

    @staticmethod
    def apply(state: float, values: list[int], scale: int = 1) -> list[float]:
        called("apply")
        return [(value - state) * scale for value in values]


@step(ignore=["CALLS", "FAIL"])
def numbers(values: list[int]) -> list[int]:
    called("numbers")
    return values


@pipeline
def centering(values: list[int], scale: int = 1) -> None:
    center(numbers(values), scale)


def test_training_learns_and_applies(world: World) -> None:
    run = world.run(centering, {"values": [1, 2, 6]})
    assert CALLS == ["numbers", "fit", "apply"]
    assert world.value(run, "center.fit") == 3.0
    assert world.value(run, "center.apply") == [-2.0, -1.0, 3.0]


def test_inference_uses_what_training_learned_and_never_learns(world: World) -> None:
    """The canary: the new values have another mean, so a `fit` on them would be seen in every value."""
    trained = world.run(centering, {"values": [1, 2, 6]})
    CALLS.clear()
    run = world.run(centering, {"values": [100, 300]}, mode="infer")
    assert CALLS == ["numbers", "apply"]
    assert world.value(run, "center.apply") == [97.0, 297.0]
    assert world.steps(run)["center.fit"].reason.endswith(f"its outputs are those of run {trained.id}")
    planned = world.plan(centering, {"values": [7]}, mode="infer")
    assert trained.id in planned.step("center.fit").reason


def test_a_run_that_is_named_lends_its_states(world: World) -> None:
    first = world.run(centering, {"values": [1, 2, 6]})
    world.run(centering, {"values": [10, 20]})
    run = world.run(centering, {"values": [4]}, mode="infer", states_from={"center.fit": first.id})
    assert world.value(run, "center.apply") == [1.0]
    assert run.options["states_from"] == {"center.fit": first.id}


def test_a_name_that_is_given_to_both_steps_selects_both(world: World) -> None:
    run = world.run(centering, {"values": [1, 3]}, until=["center"])
    assert set(world.states(run).values()) == {"succeeded"}


@pipeline
def held_out(train: list[int], test: list[int]) -> None:
    center(test, fit_on=train)
    state = center.fit.configured(name="learn")(train)
    center.apply.configured(name="use")(state, test, 10)


def test_what_it_learns_from_may_be_other_than_what_it_is_applied_to(world: World) -> None:
    run = world.run(held_out, {"train": [2, 4], "test": [10]})
    assert world.value(run, "center.apply") == [7.0]
    assert world.value(run, "use") == [70.0]


def test_outside_a_pipeline_it_is_two_functions() -> None:
    assert center([1, 3]) == [-1.0, 1.0]
    assert center([5], scale=2, fit_on=[1, 3]) == [6.0]
    assert center.apply(center.fit([1, 3]), [2]) == [0.0]


def largest(values: list[int]) -> int:
    return max(values)


def below(limit: int, values: list[int]) -> list[int]:
    return [value for value in values if value <= limit]


capped = component(fit=largest, apply=below, name="capped")


@pipeline
def capping(values: list[int]) -> None:
    capped(values)
    capped.configured(name="again", retries=1)(values)


def test_two_functions_are_a_component(world: World) -> None:
    world.run(capping, {"values": [1, 5]})
    run = world.run(capping, {"values": [4, 9]}, mode="infer")
    assert world.value(run, "capped.apply") == [4]
    assert world.value(run, "again.apply") == [4]
    assert (capped.__doc__, center.__doc__) == (None, "Take away the mean that training values had.")


@step
def cheating(values: list[int]) -> float:
    mean: float = center.fit(values)
    return mean


@pipeline
def cheat(values: list[int]) -> None:
    cheating(values)


def test_a_step_of_a_run_that_infers_cannot_call_what_learns(world: World) -> None:
    assert world.run(cheat, {"values": [1, 3]}).state == "succeeded"
    run = world.run(cheat, {"values": [2, 4]}, mode="infer")
    assert run.state == "failed"
    assert "'center.fit' runs only in mode train" in world.steps(run)["cheating"].error


@step
def which(value: int, mode: Mode = "train") -> str:
    return f"{mode} {value}"


@pipeline
def asking(value: int = 1) -> None:
    which(value)


def test_a_step_may_ask_for_the_mode_which_is_part_of_its_key(world: World) -> None:
    assert world.value(world.run(asking), "which") == "train 1"
    assert world.value(world.run(asking, mode="infer"), "which") == "infer 1"
    again = world.run(asking, mode="infer")
    assert world.states(again) == {"which": "up_to_date"}
    assert world.plan(asking).step("which").state == "up_to_date"
    assert which(3) == "train 3"


def declared(cls: Any, **functions: Any) -> None:
    component(type("odd", (), functions) if cls is None else cls)


@pytest.mark.parametrize(
    ("functions", "says"),
    [
        ({"fit": staticmethod(largest)}, "'odd' has no function 'apply'"),
        ({"fit": lambda self, rows: 1, "apply": lambda self, rows: 1}, "fit takes self"),
        ({"fit": classmethod(lambda cls, rows: 1), "apply": lambda state, rows: 1}, "fit takes cls"),
        ({"fit": lambda: 1, "apply": lambda state, rows: 1}, "fit learns from its first parameter"),
        ({"fit": lambda rows: 1, "apply": lambda rows: 1}, "fit has a parameter of that name"),
    ],
)
def test_what_cannot_be_a_component_is_said_when_it_is_declared(functions: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        declared(None, **functions)


def test_wrong_calls_name_what_is_wrong() -> None:
    with pytest.raises(UnknownNameError, match=r"'scales' in component 'center'.*Did you mean 'scale'"):
        center([1], scales=2)
    with pytest.raises(DeclarationError, match="takes 2 inputs by position, not 3"):
        center([1], 2, 3)
    with pytest.raises(DeclarationError, match="gets 'values' by position and by name"):
        center([1], values=[2])
    with pytest.raises(DeclarationError, match="needs both"):
        component(fit=largest)
    with pytest.raises(DeclarationError, match="leave out modes="):
        component(fit=largest, apply=below, modes={"train"})


def test_states_are_found_however_many_runs_have_inferred_since(world: World) -> None:
    world.run(centering, {"values": [1, 2, 6]})
    for number in range(52):
        assert world.run(centering, {"values": [number]}, mode="infer").state == "succeeded"


@component
class told:
    """Its functions are told by the run, wherever they ask for it."""

    @staticmethod
    def fit(context: Context, values: list[int]) -> int:
        return max(values)

    @staticmethod
    def apply(state: int, mode: Mode, values: list[int]) -> str:
        return f"{mode} {state} {values}"


@pipeline
def telling(values: list[int]) -> None:
    told(values, fit_on=[7])


def test_what_a_run_tells_is_no_input_of_a_call(world: World) -> None:
    run = world.run(telling, {"values": [1]})
    assert world.value(run, "told.apply") == "train 7 [1]"
    assert world.value(world.run(telling, {"values": [2]}, mode="infer"), "told.apply") == "infer 7 [2]"
