"""`@pipeline`: its parameters, as values and as texts from a command line; and pipelines made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Pipeline, Ref, Step
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines import pipeline, step, trace
from penstock.pipelines.validation import checked


@step
def note(value: Any) -> Any:
    return value


@pipeline
def flights(
    source: str,
    depth: int = 6,
    rate: float = 0.1,
    quick: bool = False,
    limit: int | None = None,
    way: Literal["up", "down"] = "up",
    extra: Any = None,
    names: list[str] | None = None,
) -> None:
    note([source, depth, rate, quick, limit, way, names])


def params(**given: Any) -> Mapping[str, Any]:
    return trace(flights, {"source": "s", **given}).params


def test_parameters_are_known_with_defaults() -> None:
    assert list(flights.parameters) == ["source", "depth", "rate", "quick", "limit", "way", "extra", "names"]
    assert flights.parameters["depth"].default == 6
    assert flights.parameters["depth"].annotation is int


def test_a_parameter_that_would_hide_an_option_of_runs_is_refused() -> None:
    @pipeline
    def hiding(since: str = "2013-01-01") -> None:
        note(since)

    with pytest.raises(DeclarationError, match="pipeline 'hiding' has a parameter 'since', an option of"):
        trace(hiding)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("depth", 8, 8),
        ("depth", "8", 8),
        ("depth", "-8", -8),
        ("rate", "0.5", 0.5),
        ("rate", 1, 1.0),
        ("quick", "true", True),
        ("quick", "no", False),
        ("limit", "none", None),
        ("limit", "7", 7),
        ("limit", None, None),
        ("way", "down", "down"),
        ("source", "8", "8"),
        ("extra", {"a": 1}, {"a": 1}),
        ("names", ["a"], ["a"]),
    ],
)
def test_a_text_becomes_the_annotated_type(name: str, given: Any, value: Any) -> None:
    found = params(**{name: given})[name]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("depth", "deep", "it takes int"),
        ("depth", 6.5, "it takes int"),
        ("depth", True, "it takes int"),
        ("depth", None, "it takes int"),
        ("rate", "fast", "it takes float"),
        ("quick", "maybe", "it takes bool"),
        ("limit", "many", "it takes int or None"),
        ("way", "left", "it takes"),
        ("source", 8, "it takes str"),
        ("names", "a", "it takes list"),
    ],
)
def test_a_wrong_type_is_an_error_that_names_it(name: str, given: Any, wanted: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        params(**{name: given})
    assert f"parameter '{name}' of pipeline 'flights' is {given!r}" in str(caught.value)
    assert wanted in str(caught.value)


def test_an_unknown_parameter_names_the_near_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'depth'"):
        params(detph=8)


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(DeclarationError, match="needs the parameter 'source'"):
        trace(flights, {})


def test_a_pipeline_may_be_named() -> None:
    assert trace(pipeline(name="other")(lambda: note(1))).name == "other"


def by_hand(**needs: list[str]) -> Pipeline:
    def made(name: str, upstream: list[str]) -> Step:
        inputs = FrozenMap({f"in_{other}": Ref(other) for other in upstream})
        return Step(name=name, call=note.function, inputs=inputs, outputs=FrozenMap({"result": "any"}))

    return Pipeline(name="hand", params=FrozenMap(), steps=tuple(made(name, up) for name, up in needs.items()))


def test_a_pipeline_by_hand_is_brought_into_order() -> None:
    assert [step.name for step in checked(by_hand(c=["b", "a"], b=["a"], a=[])).steps] == ["a", "b", "c"]


def test_a_cycle_is_named() -> None:
    with pytest.raises(DeclarationError, match="a -> c -> b -> a"):
        checked(by_hand(a=["c"], b=["a"], c=["b"]))


def test_a_reference_to_nothing_is_named() -> None:
    with pytest.raises(UnknownNameError, match="no step named 'z'"):
        checked(by_hand(a=["z"]))


def test_two_steps_of_one_name_are_refused() -> None:
    twice = by_hand(a=[]).steps * 2
    with pytest.raises(DeclarationError, match="two steps named 'a'"):
        checked(Pipeline(name="hand", params=FrozenMap(), steps=twice))


def test_an_unknown_output_is_named() -> None:
    steps = by_hand(a=[]).steps
    wrong = Step(name="b", call=note.function, inputs=FrozenMap({"x": Ref("a", "rest")}), outputs=FrozenMap())
    with pytest.raises(UnknownNameError, match="no output named 'rest'"):
        checked(Pipeline(name="hand", params=FrozenMap(), steps=(*steps, wrong)))
