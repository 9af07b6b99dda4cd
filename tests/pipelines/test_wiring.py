"""`Pipeline(components=[...])`: nodes wired by name are the same pipeline as a function that calls the same steps."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from worlds import World

from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines import Pipeline, component, node, parameter, pipeline, step, trace


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
    with pytest.raises(DeclarationError, match="takes a step or a component"):
        node(len, [1])
    with pytest.raises(DeclarationError, match="'count' is declared in two ways"):
        Pipeline(name="twice", components=[made, node(numbers, parameter("count", 6))])


def test_a_parameter_without_a_default_has_to_be_given() -> None:
    needing = Pipeline(name="needing", components=[node(numbers, parameter("count"))])
    assert list(needing.parameters) == ["count"]
    with pytest.raises(DeclarationError, match="count"):
        trace(needing, {})
