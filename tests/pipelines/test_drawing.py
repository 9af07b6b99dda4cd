"""The picture of a plan: every step is in it once, edges go down, nothing overlaps."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations
from typing import Any

from hypothesis import given, settings, strategies as st
from worlds import World

from penstock.pipelines import draw_run, pipeline, step
from penstock.pipelines.drawing import Drawn, draw

SVG = "{http://www.w3.org/2000/svg}"


@step
def one(*, above: Any = None) -> int:
    return 1


@step
def items(above: int) -> list[int]:
    return [above, above + 1]


@pipeline
def inner(value: int) -> Any:
    return one(above=one(above=one(above=value)))


@pipeline
def shape(big: bool = False) -> None:
    first = one()
    each = one.configured(name="each").map(above=items(first))
    one.configured(name="last")(above=[inner(first), each], when=big)


learned = one.configured(name="learned", modes={"train"})


@pipeline
def learns(value: int) -> Any:
    return learned(above=learned(above=learned(above=value)))


@pipeline
def learning_inside(value: int = 1) -> None:
    one(above=learns(value))


def boxes(svg: str) -> dict[str, tuple[float, float, float]]:
    """Return of each box by its title where it begins, where it ends, and how far down it is."""
    rectangles = ET.fromstring(svg).iter(f"{SVG}rect")
    titles = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text") if text.get("font-size") == "13"]
    found = {}
    for title, rectangle in zip(titles, rectangles, strict=True):
        left, width = float(rectangle.get("x", "")), float(rectangle.get("width", ""))
        found[str(title)] = (left, left + width, float(rectangle.get("y", "")))
    return found


def test_nested_pipelines_and_mapped_steps_are_one_box_and_states_are_told(world: World) -> None:
    planned = world.plan(shape)
    assert set(boxes(planned.svg)) == {"one", "items", "each", "inner", "last"}
    assert "3 steps" in planned.svg
    assert "left out" in planned.svg
    world.run(shape)
    assert "up to date" in world.plan(shape).svg
    assert "2 steps" in world.plan(shape).svg  # the items of the mapped step are known now
    assert planned._repr_svg_() == planned.svg


graphs = st.integers(1, 14).flatmap(
    lambda size: st.tuples(
        *(
            st.lists(st.integers(0, number - 1), max_size=3, unique=True) if number else st.just([])
            for number in range(size)
        )
    )
)


@settings(max_examples=60, deadline=None)
@given(graphs)
def test_every_edge_goes_down_and_no_box_covers_another(needs: tuple[list[int], ...]) -> None:
    steps = [
        Drawn(name=f"s{number}", state="stale", needs=tuple(f"s{each}" for each in each_needs))
        for number, each_needs in enumerate(needs)
    ]
    svg = draw("any", steps)
    found = boxes(svg)
    assert set(found) == {step.name for step in steps}
    for each in steps:
        assert all(found[name][2] < found[each.name][2] for name in each.needs)
    for one, other in combinations(found.values(), 2):
        assert one[2] != other[2] or one[1] < other[0] or other[1] < one[0]
    width = float(re.search(r'width="(\d+)"', svg)[1])  # type: ignore[index]
    assert all(left >= 0 and right <= width for left, right, _ in found.values())
    assert svg.count("<path d=") == 1 + sum(map(len, needs))  # the arrow's head, and each edge once


def test_boxes_that_need_each_other_are_drawn_below_each_other_once() -> None:
    """Steps of a nested pipeline are one box, so that what stands between two of them is needed by it, and needs it."""
    needs = {"in.a": [], "in.b": ["in.a"], "x": ["in.b"], "in.c": ["x"], "y": ["in.c"]}
    svg = draw("any", [Drawn(name=name, state="stale", needs=each) for name, each in needs.items()])
    found = boxes(svg)
    assert found["in"][2] < found["x"][2] == found["y"][2]
    height = float(re.search(r'height="(\d+)"', svg)[1])  # type: ignore[index]
    assert height < 2 * 80
    assert svg.count("<path d=") == 1 + 3


def test_a_box_of_several_steps_says_which_run_lends_what_one_of_them_gives(world: World) -> None:
    trained = world.run(learning_inside)
    run = world.run(learning_inside, {"value": 3}, mode="infer")
    told = f"as in run {trained.id}"
    assert told in world.plan(learning_inside, {"value": 4}, mode="infer").svg
    assert told in draw_run(run, list(world.steps(run).values()))


def test_a_box_of_several_steps_says_how_many_of_them_are_in_its_state() -> None:
    states = {"in.a": "succeeded", "in.b": "failed", "in.c": "waiting"}
    svg = draw("any", [Drawn(name=name, state=state, told="ValueError: <no>") for name, state in states.items()])
    assert "1 of 3 failed" in svg
    alone = draw("any", [Drawn(name="a", state="failed", told="ValueError: <no>", address="#a")])
    assert '<a href="#a"><title>ValueError: &lt;no&gt;</title>' in alone
