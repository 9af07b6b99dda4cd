"""`Pipeline(components=[...])`: nodes wired by name are the same pipeline as a function that calls the same steps."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from worlds import World

from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines import Pipeline, component, node, optional, parameter, pipeline, step, trace


class Halves(NamedTuple):
    low: list[int]
    high: list[int]


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step
def halve(values: list[int], at: int = 2) -> Halves:
    return Halves([value for value in values if value < at], [value for value in values if value >= at])


@step
def report(parts: list[list[int]], names: dict[str, int]) -> dict[str, int]:
    return {"total": sum(map(sum, parts)), **names}


@step
def tell(total: int) -> str:
    return f"total {total}"


@component
class shift:
    @staticmethod
    def fit(values: list[int]) -> int:
        return max(values)

    @staticmethod
    def apply(by: int, values: list[int]) -> list[int]:
        return [value + by for value in values]


made = node(numbers, parameter("count", 5))
halves = node(halve, values=made, at=parameter("at", 3))
shifted = node(shift, halves.outputs["low"])
judged = node(report, parts=[halves.outputs["low"], halves.outputs["high"]], names={"last": 1}, name="judge")
said = node(tell, judged.outputs["result"]["total"], when=judged.outputs["result"]["total"] > 5)
wired = Pipeline(name="wired", components=[said, shifted, judged, halves, made])


@pipeline(name="wired")
def called(count: int = 5, at: int = 3) -> None:
    low, high = halve(values=numbers(count), at=at)
    shift(low)
    judge = report.configured(name="judge")(parts=[low, high], names={"last": 1})
    tell(judge["total"], when=judge["total"] > 5)


def test_it_is_the_same_value_as_a_function_that_calls_the_steps() -> None:
    one, other = trace(wired, {}), trace(called, {})
    assert {step.name: step for step in one.steps} == {step.name: step for step in other.steps}
    assert one.params == other.params


def test_it_runs_with_parameters_and_is_up_to_date_where_the_function_is(world: World) -> None:
    run = world.run(wired, {"count": "4"})
    assert world.value(run, "tell") == "total 6"
    assert world.value(run, "shift.apply") == [2, 3, 4]
    assert set(world.states(world.run(called, {"count": 4})).values()) == {"up_to_date"}
    assert world.states(world.run(wired, {"count": 2}))["tell"] == "skipped"


def test_a_node_that_is_needed_has_to_be_listed() -> None:
    with pytest.raises(DeclarationError, match="'halve' needs 'numbers', which is not in components="):
        Pipeline(name="lacking", components=[halves])


def test_a_circle_is_an_error_that_shows_it() -> None:
    one = node(tell, 1, name="one")
    two = node(tell, one, name="two")
    object.__setattr__(one, "args", (two,))
    with pytest.raises(DeclarationError, match="need each other: one -> two -> one"):
        Pipeline(name="circle", components=[one, two])


def test_what_is_wired_wrong_says_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match=r"no output named 'lower' in component 'halve'.*Did you mean 'low'"):
        halves.outputs["lower"]
    with pytest.raises(DeclarationError, match=r"'halve' gives several things; say which: outputs\['low'\], outputs"):
        trace(Pipeline(name="several", components=[made, halves, node(tell, halves)]), {})
    with pytest.raises(DeclarationError, match="is no node"):
        Pipeline(name="plain", components=[numbers])  # type: ignore[list-item]
    with pytest.raises(DeclarationError, match=r"components= takes a list: \[numbers\]"):
        Pipeline(name="one", components=made)  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="takes a step or a component"):
        node(len, [1])
    with pytest.raises(DeclarationError, match="'count' is declared in two ways"):
        Pipeline(name="twice", components=[made, node(numbers, parameter("count", 6), name="more")])


def test_a_parameter_without_a_default_has_to_be_given() -> None:
    needing = Pipeline(name="needing", components=[node(numbers, parameter("count"))])
    assert list(needing.parameters) == ["count"]
    with pytest.raises(DeclarationError, match="count"):
        trace(needing, {})


def test_what_a_component_does_not_take_is_said_where_it_is_written() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no parameter named 'value' in component 'halve'.*Did you mean 'values'"
    ):
        node(halve, value=made)
    with pytest.raises(
        UnknownNameError, match="no parameter named 'by' in component 'shift'; there are: values, fit_on"
    ):
        node(shift, halves.outputs["low"], by=3)
    node(shift, halves.outputs["low"], fit_on=made, when=judged["total"] > 5)


def test_two_components_of_one_name_are_an_error_whatever_their_order() -> None:
    twice = [made, node(numbers, 3)]
    for components in (twice, twice[::-1]):
        with pytest.raises(DeclarationError, match=r"two components are called 'numbers'; give one .*name='numbers_2'"):
            Pipeline(name="twice", components=components)
    assert len(trace(Pipeline(name="once", components=[made, made]), {}).steps) == 1


def test_a_node_stands_for_the_one_thing_that_it_gives(world: World) -> None:
    told = node(tell, judged["total"], when=judged["total"] > 5)
    run = world.run(Pipeline(name="wired", components=[told, judged, halves, made]))
    assert world.value(run, "tell") == "total 10"
    with pytest.raises(DeclarationError, match=r"'halve' gives several things; say which: outputs\['low'\]"):
        halves["low"]
    with pytest.raises(DeclarationError, match="<node halve> is known only when the run gets there"):
        _low, _high = halves


@step
def count_or(total: int | None) -> int:
    return -1 if total is None else total


def test_a_component_may_do_without_what_another_gives(world: World) -> None:
    total = node(sum_of, made, when=made[1] > parameter("least", 0))
    counted = node(count_or, optional(total))
    either = Pipeline(name="either", components=[counted, total, made])
    assert world.value(world.run(either), "count_or") == 10
    assert world.value(world.run(either, {"least": 7}), "count_or") == -1


@step
def sum_of(values: list[int]) -> int:
    return sum(values)


@pipeline
def doubled(values: list[int]) -> object:
    return sum_of(sum_each.map(values))


@step
def sum_each(values: int) -> int:
    return values * 2


def added(values: list[int], **how: object) -> object:
    return sum_of(values, **how)


@pipeline
def silent(values: list[int]) -> None:
    sum_of(values)


def test_a_pipeline_and_a_function_that_calls_steps_are_components_too(world: World) -> None:
    inner, plain = node(doubled, made), node(added, made)
    both = node(report, parts=[], names={"doubled": inner, "added": plain})
    never = node(added, made, when=False)
    assert trace(Pipeline(name="never", components=[never, made]), {}).step("sum_of").when is not None
    run = world.run(Pipeline(name="both", components=[both, plain, inner, made]))
    assert world.value(run, "report") == {"total": 0, "doubled": 20, "added": 10}
    assert "doubled.sum_of" in world.states(run)
    quiet = node(silent, made)
    assert len(trace(Pipeline(name="quiet", components=[quiet, made]), {}).steps) == 2
    with pytest.raises(DeclarationError, match="'silent' gives nothing"):
        trace(Pipeline(name="quiet", components=[node(tell, quiet), quiet, made]), {})
    with pytest.raises(DeclarationError, match=r"'plain_function' makes no step; put @ps.step before its function"):
        trace(Pipeline(name="none", components=[node(plain_function, made), made]), {})
    with pytest.raises(UnknownNameError, match="'value' in component 'silent'; there are: values"):
        node(silent, value=made)


def plain_function(values: object) -> object:
    return values
