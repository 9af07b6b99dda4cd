"""A step of a past run once more, from Python: what it gets, what is said of a difference."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import CorruptArtifactError, RunError
from penstock.project.repeating import value_difference
from penstock.tables import table_difference

pytestmark = pytest.mark.usefixtures("warm_workers")


@ps.step
def load(n: int = 3) -> list:
    return [random.random() for _ in range(n)]


@ps.step
def check(numbers: list, where: Path, context: ps.Context) -> float:
    text = where.read_text() if where.exists() else "0"
    return sum(numbers) / float(text) + context.seed


@ps.pipeline
def checks(n: int = 3, where: Path = Path("a.txt")) -> None:
    check(load(n), where)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ps.Project:
    monkeypatch.chdir(tmp_path)
    return ps.open(tmp_path)


def test_a_replay_gives_the_value_of_the_run_and_records_nothing(project: ps.Project) -> None:
    (project.root / "a.txt").write_text("2")
    run = project.run(checks, n=4, engine="inline")
    assert run.steps["check"].replay() == run.artifact("check").load()
    assert run.steps["load"].replay() == run.artifact("load").load()
    assert len(project.runs()) == 1
    assert run.steps["check"].verify().same


def test_a_failed_step_gets_again_what_it_failed_on(project: ps.Project) -> None:
    (project.root / "a.txt").write_text("0")
    run = project.run(checks, engine="inline")
    assert run.steps["check"].state == "failed"
    with pytest.raises(ZeroDivisionError):
        run.steps["check"].replay()
    with pytest.raises(RunError, match="gave nothing to compare with"):
        run.steps["check"].verify()


def test_inputs_that_nobody_kept_cannot_be_verified_but_are_replayed_with_a_warning(project: ps.Project) -> None:
    (project.root / "a.txt").write_text("2")
    run = project.run(checks, engine="inline")
    (project.root / "a.txt").write_text("4")
    with pytest.raises(RunError, match=r"file a\.txt changed since"):
        run.steps["check"].verify()
    with pytest.warns(UserWarning, match=r"file a\.txt changed since"):
        assert run.steps["check"].replay() != run.artifact("check").load()


def test_what_a_step_got_and_is_gone_is_named(project: ps.Project) -> None:
    (project.root / "a.txt").write_text("2")
    run = project.run(checks, engine="inline")
    project.artifacts.path(run.artifact("load").digest).unlink()
    with pytest.raises(CorruptArtifactError, match="what step 'load' gave"):
        run.steps["check"].replay()


def test_a_step_that_never_started_cannot_be_repeated(project: ps.Project) -> None:
    run = project.run(checks, engine="inline", only="load")
    with pytest.raises(RunError, match="it was never given anything"):
        run.steps["check"].replay()


TABLE = pa.table({"a": [1, 2, 3], "b": [0.5, float("nan"), None]})
DIFFERENT: list[tuple[Any, Any, str]] = [
    ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "a[1].b: 2 then, 3 now"),
    ({"a": 1}, {"b": 1}, "the keys a then, b now"),
    ([1, 2], [1], "2 items then, 1 now"),
    (1, 1.0, "1 then, 1.0 now"),
    ("x", "y", "'x' then, 'y' now"),
    (np.array([1, 2]), np.array([1, 3]), "1 of 2 values; first at [1]: np.int64(2) then, np.int64(3) now"),
    (np.zeros(2), np.zeros(3), "float64 (2,) then, float64 (3,) now"),
    (TABLE, TABLE.set_column(0, "a", pa.array([1, 2, 4])), "column a; first in row 2: a was 3, is 4"),
    (TABLE, TABLE.slice(0, 2), "3 rows then, 2 now"),
    (TABLE, TABLE.rename_columns(["a", "c"]), "columns a, b then, a, c now"),
    (TABLE, TABLE.set_column(0, "a", pa.array([1.0, 2.0, 3.0])), "types: a was int64, is double"),
]


@pytest.mark.parametrize(("then", "now", "said"), DIFFERENT)
def test_a_difference_is_said_where_it_is(then: Any, now: Any, said: str) -> None:
    assert value_difference(then, now) == said


@pytest.mark.parametrize("make", [lambda: TABLE, lambda: {"a": [1, None]}, lambda: np.arange(3), lambda: "x"])
def test_equal_values_have_no_difference(make: Callable[[], Any]) -> None:
    assert value_difference(make(), make()) == ""


def test_a_difference_far_down_is_found() -> None:
    rows = list(range(50_000))
    assert table_difference(pa.table({"n": rows}), pa.table({"n": [*rows[:-1], 0]})).endswith(
        "first in row 49999: n was 49999, is 0"
    )


@ps.step
def half(x: int) -> float:
    if x == 3:
        raise ValueError("three")
    return x / 2


@ps.step
def numbers(n: int) -> list:
    return list(range(n))


@ps.pipeline
def halves(n: int = 3) -> None:
    half.map(numbers(n))


def test_an_item_of_a_mapped_step_is_repeated_by_its_name(project: ps.Project) -> None:
    run = project.run(halves, n=4, engine="inline")
    assert run.steps["half[2]"].replay() == 1.0
    assert run.steps["half[1]"].verify().same
    with pytest.raises(ValueError, match="three"):
        run.steps["half[3]"].replay()
    with pytest.raises(RunError, match=r"run an item: 'half\[0\]'"):
        run.steps["half"].replay()
