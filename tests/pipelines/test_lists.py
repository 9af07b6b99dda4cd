"""Lists and dicts of what JSON cannot hold, between steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from worlds import World

import penstock as ps
from penstock.errors import DeclarationError
from penstock.pipelines import pipeline, step
from penstock.pipelines.kinds import fits, in_words, kind_of
from penstock.values import items


class Parts(NamedTuple):
    tables: list[ps.Table]
    total: int


@step
def parts(n: int) -> list[ps.Table]:
    return [pa.table({"x": list(range(i))}) for i in range(n)]


@step
def by_name() -> dict[str, np.ndarray]:
    return {"a": np.arange(3), "b": np.arange(2)}


@step
def plain() -> dict[str, Any]:
    return {"rows": pa.table({"x": [1]}), "n": 2}


@step
def anything() -> Any:
    return [pa.table({"x": [1, 2]}), [b"deep"]]


@step
def rows(table: ps.Table) -> int:
    return table.num_rows


@step
def lengths(tables: list[ps.Table]) -> list[int]:
    return [table.num_rows for table in tables]


@step
def kinds(tables: list[ps.Artifact]) -> list[str]:
    return [table.kind for table in tables]


@step
def whole(value: Any) -> str:
    return repr(value)


@pipeline
def all_of_them(n: int = 3) -> None:
    tables = parts(n)
    lengths(tables)
    kinds(tables)
    rows(tables[2])
    whole(by_name()["a"])
    whole(plain()["n"])
    deep = anything()
    whole(deep[1][0])


def test_lists_and_dicts_of_tables_arrays_and_bytes_pass_between_steps(world: World) -> None:
    run = world.run(all_of_them)
    assert run.error == ""
    assert world.value(run, "lengths") == [0, 1, 2]
    assert world.value(run, "kinds") == ["table"] * 3
    assert world.value(run, "rows") == 2
    assert world.value(run, "whole") == "memmap([0, 1, 2])"
    assert world.value(run, "whole_2") == "2"
    assert world.value(run, "whole_3") == "b'deep'"
    assert [table.num_rows for table in world.value(run, "parts")] == [0, 1, 2]


def test_one_item_of_a_list_is_an_input_of_its_own(world: World) -> None:
    first = world.run(all_of_them)
    again = world.run(all_of_them, {"n": 4})
    states = world.states(again)
    assert states["lengths"] == "succeeded"
    assert states["rows"] == "up_to_date"  # its table, the third, is the same
    assert world.steps(again)["rows"].inputs["table"] == world.steps(first)["rows"].inputs["table"]


def test_a_list_is_up_to_date_only_while_all_its_items_are_there(world: World) -> None:
    run = world.run(all_of_them)
    assert world.plan(all_of_them).up_to_date
    record = world.artifact(run, "parts")
    world.store.path(items(record, world.store)[1].digest).unlink()
    planned = world.plan(all_of_them).step("parts")
    assert (planned.state, planned.reason) == ("stale", "its output 'result' is missing from the store")
    assert world.states(world.run(all_of_them))["lengths"] == "up_to_date"


def test_an_item_that_a_list_does_not_have_is_an_error_of_the_step_that_asks(world: World) -> None:
    @pipeline
    def asks() -> None:
        rows(parts(2)[5])

    run = world.run(asks)
    assert "<parts[5]>: step 'parts' gave a list of 2 without 5" in world.steps(run)["rows"].error


def test_a_wrong_item_is_named_by_its_place(world: World) -> None:
    @step
    def wrong() -> list[ps.Table]:
        return [pa.table({"x": [1]}), "no table"]  # type: ignore[list-item]

    @pipeline
    def fails() -> None:
        wrong()

    assert "declares that 'result[1]' is a table, but gave a str" in world.steps(world.run(fails))["wrong"].error


def test_a_table_that_may_be_none(world: World) -> None:
    @step
    def maybe(there: bool) -> ps.Table | None:
        return pa.table({"x": [1]}) if there else None

    @step
    def count(table: ps.Table | None) -> int:
        return -1 if table is None else table.num_rows

    @pipeline
    def both() -> None:
        count(maybe(True))
        count(maybe(False))

    run = world.run(both)
    assert run.error == ""
    assert (world.value(run, "count"), world.value(run, "count_2")) == (1, -1)


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (list[ps.Table], "list[table]"),
        ("list[ps.Table] | None", "list[table]"),
        ("tuple[ps.Table, ...]", "list[table]"),
        ("tuple[ps.Table, ps.Table]", "list[table]"),
        ("tuple[ps.Table, int]", "json"),
        ("dict[str, list[bytes]]", "mapping[list[bytes]]"),
        (dict[str, Path], "mapping[file]"),
        ("list['Path']", "list[file]"),
        ("list[int]", "json"),
        ("dict[str, list[str]]", "json"),
        ("list", "json"),
        ("dict[str, Any]", "json"),
        ("list[list[float]]", "json"),
    ],
)
def test_the_kind_of_a_list_is_that_of_what_is_in_it(annotation: Any, kind: str) -> None:
    assert kind_of(annotation, globals()) == kind


def test_what_fits_where() -> None:
    assert fits("list[table]", "list[table]")
    assert fits("list[table]", "json")
    assert fits("list[table]", "any")
    assert fits("any", "list[table]")
    for given, wanted in [
        ("list[table]", "table"), ("table", "list[table]"), ("list[table]", "mapping[table]"),
        ("list[table]", "list[model]"), ("list[table]", "file"), ("json", "list[table]"),
    ]:  # fmt: skip
        assert not fits(given, wanted)
    assert (in_words("list[table]"), in_words("mapping[list[bytes]]")) == ("a list of tables", "a dict of lists")


def test_a_list_where_a_table_is_wanted_is_an_error_before_anything_runs(world: World) -> None:
    @pipeline
    def wrong() -> None:
        rows(parts(2))

    with pytest.raises(DeclarationError, match=r"takes a table as 'table', but <parts> is a list of tables"):
        world.run(wrong)


def test_a_wrong_item_in_a_list_of_references_is_an_error_before_anything_runs(world: World) -> None:
    @step
    def text() -> str:
        return ""

    @pipeline
    def wrong() -> None:
        lengths([parts(2)[0], text()])

    with pytest.raises(DeclarationError, match=r"takes a list of tables as 'tables', but <text> is a text"):
        world.run(wrong)
