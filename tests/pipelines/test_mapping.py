"""`.map` and `.product`: one step for each item of a list that is known only when the run gets there."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from worlds import Listener, World

from penstock.core.run import StepRun
from penstock.errors import DeclarationError
from penstock.pipelines import StepMapped, pipeline, step, unmapped
from penstock.tables import Table

CALLS: Counter[str] = Counter()
FAIL: set[int] = set()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CALLS.clear()
    FAIL.clear()


@step(ignore=["CALLS", "FAIL"])
def numbers(count: int) -> list[int]:
    CALLS["numbers"] += 1
    return list(range(count))


@step(ignore=["CALLS", "FAIL"])
def double(value: int, plus: int = 0) -> int:
    CALLS["double"] += 1
    if value in FAIL:
        raise ValueError(f"cannot double {value}")
    return value * 2 + plus


@step(ignore=["CALLS", "FAIL"])
def total(values: list[int]) -> int:
    CALLS["total"] += 1
    return sum(values)


@step(ignore=["CALLS", "FAIL"])
def rows_of(value: int) -> Table:
    return pa.table({"km": list(range(value))})


@step(ignore=["CALLS", "FAIL"])
def count_rows(rows: Table) -> int:
    CALLS["count_rows"] += 1
    return rows.num_rows


@step(ignore=["CALLS", "FAIL"])
def all_rows(tables: list[Table]) -> int:
    return sum(table.num_rows for table in tables)


@step(outputs=("low", "high"))
def halves(value: int) -> tuple[int, int]:
    return value // 2, value - value // 2


@pipeline
def mapped(count: int = 3, plus: int = 0) -> None:
    total(double.map(numbers(count), plus=plus))


def test_a_step_runs_for_each_item_and_the_list_goes_on(world: World) -> None:
    run = world.run(mapped)
    assert world.states(run) == dict.fromkeys(
        ["numbers", "double", "double[0]", "double[1]", "double[2]", "total"], "succeeded"
    )
    assert world.value(run, "total") == 6
    assert world.steps(run)["double"].reason == "3 of 3 ran"


def test_items_are_up_to_date_one_by_one(world: World) -> None:
    world.run(mapped)
    run = world.run(mapped, {"count": 5})
    assert CALLS["double"] == 5
    states = world.states(run)
    assert [states[f"double[{n}]"] for n in range(5)] == ["up_to_date"] * 3 + ["succeeded"] * 2
    assert world.steps(run)["double"].reason == "2 of 5 ran"
    again = world.run(mapped, {"count": 5})
    assert set(world.states(again).values()) == {"up_to_date"}
    assert world.steps(again)["double"].reason == "each of 5 is up to date"


def test_the_items_stand_between_the_steps_around_them(world: World) -> None:
    run = world.run(mapped, {"count": 12})
    ordered = [item.step for item in world.metadata.find(StepRun, run=run.id)]
    assert ordered == ["numbers", "double", *(f"double[{n}]" for n in range(12)), "total"]


def test_a_list_of_nothing_is_an_empty_list(world: World) -> None:
    run = world.run(mapped, {"count": 0})
    assert world.value(run, "total") == 0
    assert world.states(run)["double"] == "up_to_date"
    assert world.steps(run)["double"].reason == "there is nothing to run it for"


def test_a_failed_item_fails_the_mapped_step_and_leaves_the_others(world: World) -> None:
    FAIL.add(1)
    run = world.run(mapped)
    states = world.states(run)
    assert (run.state, states["double"], states["double[1]"], states["double[2]"], states["total"]) == (
        "failed", "failed", "failed", "succeeded", "skipped",
    )  # fmt: skip
    assert world.steps(run)["double"].error == "1 of 3 failed; double[1]: ValueError: cannot double 1"
    FAIL.clear()
    again = world.run(mapped)
    assert again.state == "succeeded"
    assert CALLS["double"] == 4  # the two that had worked did not run again


def test_tables_go_item_by_item_and_come_as_a_list(world: World) -> None:
    @pipeline
    def tables() -> None:
        made = rows_of.map([1, 2, 3])
        count_rows.map(made)
        all_rows(made)
        count_rows(made[1])

    run = world.run(tables)
    assert run.state == "succeeded", run.error
    assert [world.value(run, f"count_rows[{n}]") for n in range(3)] == [1, 2, 3]
    assert world.value(run, "all_rows") == 6
    assert world.value(run, "count_rows_2") == 2
    assert set(world.states(world.run(tables)).values()) == {"up_to_date"}


def test_zip_takes_lists_in_step_and_product_every_combination(world: World) -> None:
    @pipeline
    def both() -> None:
        double.map(numbers(3), plus=[10, 20, 30])
        double.configured(name="pairs").product(numbers(2), plus=[0, 100])

    run = world.run(both)
    assert world.value(run, "double") == [10, 22, 34]
    assert world.value(run, "pairs") == [0, 100, 2, 102]


def test_several_outputs_are_several_lists(world: World) -> None:
    @pipeline
    def split() -> None:
        low, high = halves.map([5, 8])
        total(low)
        total(high)

    run = world.run(split)
    assert (world.value(run, "total"), world.value(run, "total_2")) == (2 + 4, 3 + 4)


def test_an_unmapped_list_is_the_same_for_every_item(world: World) -> None:
    @step
    def at(place: int, values: list[int]) -> int:
        return values[place]

    @pipeline
    def places() -> None:
        at.map([2, 0], values=unmapped([7, 8, 9]))

    run = world.run(places)
    assert world.value(run, "at") == [9, 7]


def test_equal_items_are_made_once(world: World) -> None:
    @pipeline
    def twins() -> None:
        total(double.map([4, 4, 4]))

    run = world.run(twins)
    assert (world.value(run, "total"), CALLS["double"]) == (24, 1)


def test_lists_of_different_lengths_are_refused(world: World) -> None:
    @pipeline
    def uneven() -> None:
        double.map(numbers(3), plus=[1, 2])

    run = world.run(uneven)
    assert run.state == "failed"
    assert "value has 3, plus has 2" in world.steps(run)["double"].error

    @pipeline
    def known() -> None:
        double.map([1, 2, 3], plus=[1, 2])

    with pytest.raises(DeclarationError, match=r"value has 3, plus has 2.*\.product"):
        world.run(known)


def test_what_is_no_list_is_named(world: World) -> None:
    @pipeline
    def wrong() -> None:
        double.map(total(numbers(3)))

    run = world.run(wrong)
    assert "is mapped over 'value', which is a json and no list" in world.steps(run)["double"].error

    @pipeline
    def nothing() -> None:
        count_rows.map(rows_of(3))

    with pytest.raises(DeclarationError, match="mapped over nothing: none of rows is a list"):
        world.run(nothing)

    @pipeline
    def mistyped() -> None:
        double.map([1, "two"])

    with pytest.raises(DeclarationError, match="'two'"):
        world.run(mistyped)


def test_a_plan_shows_the_items_where_they_are_known(world: World) -> None:
    assert [item.name for item in world.plan(mapped).steps] == ["numbers", "double", "total"]
    world.run(mapped)
    planned = world.plan(mapped, {"plus": 1})
    assert [(item.name, item.state) for item in planned.steps] == [
        ("numbers", "up_to_date"),
        ("double", "stale"),
        ("double[0]", "stale"),
        ("double[1]", "stale"),
        ("double[2]", "stale"),
        ("total", "unknown"),
    ]
    assert world.plan(mapped).up_to_date


def test_a_mapped_step_can_be_left_out_and_its_list_is_borrowed(world: World) -> None:
    world.run(mapped)
    run = world.run(mapped, only="total")
    assert world.states(run)["double"] == "skipped"
    assert world.value(run, "total") == 6


def test_events_tell_of_the_items(world: World) -> None:
    heard = Listener()
    world.run(mapped, on_event=heard)
    (told,) = [event for event in heard.events if isinstance(event, StepMapped)]
    assert (told.step.step, [item.step for item in told.items]) == ("double", ["double[0]", "double[1]", "double[2]"])


def test_outside_a_pipeline_it_is_a_plain_loop() -> None:
    assert double.map([1, 2], plus=[5, 6]) == [7, 10]
    assert double.product([1, 2], plus=[0, 1]) == [2, 3, 4, 5]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 5), max_size=4))
def test_a_mapped_run_gives_what_the_plain_loop_gives(
    tmp_path_factory: Any, values: list[int], more: list[int]
) -> None:
    world = World(tmp_path_factory.mktemp("world"))

    @pipeline
    def loops() -> None:
        double.configured(name="zipped").map(values, plus=values)
        double.configured(name="crossed").product(values, plus=more)

    run = world.run(loops)
    assert world.value(run, "zipped") == double.map(values, plus=values)
    assert world.value(run, "crossed") == double.product(values, plus=more)
    planned = world.plan(loops)
    assert planned.up_to_date
    world.metadata.close()
