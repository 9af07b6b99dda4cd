"""`split`: two parts or three, disjoint and complete; groups whole, time in order, strata kept; the same every time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings, strategies as st

import penstock as ps
from penstock.errors import DataError, DeclarationError

ROWS = pa.table(
    {
        "id": range(300),
        "hour": [n // 2 for n in range(300)],
        "customer": [n * 7 % 40 for n in range(300)],
        "kind": ["rare" if n % 10 == 0 else "usual" for n in range(300)],
    }
)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(
        [
            {},
            {"by": "hour"},
            {"by": "customer", "how": "group"},
            {"how": "random"},
            {"stratify": "kind"},
            {"stratify": ["kind", "hour"]},
        ]
    ),
    st.floats(0.05, 0.6),
    st.floats(0.05, 0.35),
    st.integers(0, 9),
)
def test_parts_are_disjoint_complete_about_as_large_as_asked_and_always_the_same(how, test, validation, seed):
    parts = ps.split(ROWS, test=test, validation=validation, seed=seed, **how)
    assert parts._fields == ("train", "validation", "test")
    ids = [set(part["id"].to_pylist()) for part in parts]
    assert sum(map(len, ids)) == 300
    assert set.union(*ids) == set(range(300))
    assert ps.split(ROWS, test=test, validation=validation, seed=seed, **how) == parts
    assert ps.split(ROWS, test=test, seed=seed, **how).test == parts.test
    room = 60 if how in ({}, {"by": "customer", "how": "group"}) else 3
    assert abs(len(ids[2]) - 300 * test) <= room
    assert abs(len(ids[1]) - 300 * validation) <= room + 1


def test_time_goes_on_from_train_to_validation_to_test():
    train, validation, test = ps.split(ROWS, by="hour", validation=0.1)
    ends = [(min(part["hour"].to_pylist()), max(part["hour"].to_pylist())) for part in (train, validation, test)]
    assert ends == [(0, 104), (105, 119), (120, 149)]


def test_groups_are_whole_though_they_are_numbers():
    parts = ps.split(ROWS, by="customer", how="group", validation=0.2)
    customers = [set(part["customer"].to_pylist()) for part in parts]
    assert not customers[0] & customers[1]
    assert not customers[0] & customers[2]
    assert not customers[1] & customers[2]


def test_each_stratum_has_its_share_in_each_part():
    for part, rows in zip(ps.split(ROWS, stratify="kind", test=0.2, validation=0.1), (210, 30, 60), strict=True):
        assert part.num_rows == rows
        assert part["kind"].to_pylist().count("rare") == rows // 10


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"how": "time"}, "how='time' needs by=, a time"),
        ({"how": "stratified"}, "needs stratify="),
        ({"how": "random", "by": "hour"}, "needs no by="),
        ({"how": "lucky"}, "how='lucky' is none of time, group, random, stratified"),
        ({"stratify": "kind", "by": "hour"}, "leave out by="),
        ({"test": 0.5, "validation": 0.5}, "no fractions between 0 and 1 that leave rows to learn"),
    ],
)
def test_what_cannot_be_asked_says_why(asked, message):
    with pytest.raises(DeclarationError, match=message):
        ps.split(ROWS, **asked)


@ps.pipeline
def in_parts(source: str):
    rows = ps.read(source)
    train, validation, _ = ps.split(rows, by="hour", validation=0.1)
    ps.statistics(validation)
    first, _ = ps.split.configured(name="halves")(train, test=0.5, how="random")
    ps.statistics(first)


def test_in_a_pipeline_a_split_has_two_outputs_or_three(tmp_path: Path):
    pyarrow.parquet.write_table(ROWS, tmp_path / "rows.parquet")
    project = ps.open(tmp_path)
    run = project.run(in_parts, source="rows.parquet", engine="inline")
    assert run.state == "succeeded"
    assert run.artifact("split", "validation").load().num_rows == 30
    assert run.artifact("halves", "test").load().num_rows == 105
    assert project.plan(in_parts, source="rows.parquet").up_to_date

    read = ps.node(ps.read, "rows.parquet")
    parts = ps.node(ps.split, rows=read, by="hour", validation=0.1)
    told = ps.node(ps.statistics, rows=parts.outputs["validation"])
    listed = ps.Pipeline(name="in_parts", components=[read, parts, told])
    assert project.plan(listed).step("split").state == "up_to_date"


@ps.step
def both_halves(source: str) -> list[ps.Table]:
    return [ROWS.slice(0, 100), ROWS.slice(100)]


@ps.pipeline
def of_each():
    parts = ps.split.map(both_halves("rows"), by="hour", validation=0.1)
    assert parts._fields == ("train", "validation", "test")


def test_mapped_a_split_has_three_parts_too(tmp_path: Path):
    run = ps.open(tmp_path).run(of_each, engine="inline")
    assert run.state == "succeeded"
    assert [table.num_rows for table in run.artifact("split", "test").load()] == [20, 40]
    assert [part.validation.num_rows for part in ps.split.map([ROWS, ROWS], by="hour", validation=0.1)] == [30, 30]


@pytest.mark.parametrize("how", [{"by": "customer", "how": "group"}, {"how": "random"}, {"stratify": "kind"}])
def test_a_part_without_rows_is_an_error_and_no_judgement_of_nothing(how):
    with pytest.raises(DataError, match=r"of 1 row none came to the (training|test) set"):
        ps.split(ROWS.slice(0, 1), **how)
