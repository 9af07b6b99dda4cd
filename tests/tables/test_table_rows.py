"""Rows in any form, as Arrow."""

from __future__ import annotations

import datetime

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from penstock.errors import DataError
from penstock.tables import resolve, schema_of, to_arrow


def test_a_missing_key_is_null():
    assert to_arrow([{"a": 1}, {"b": "x"}, {}]).to_pylist() == [
        {"a": 1, "b": None},
        {"a": None, "b": "x"},
        {"a": None, "b": None},
    ]


def test_whole_numbers_and_fractions_are_floats():
    assert to_arrow([{"a": 1}, {"a": 2.5}])["a"].to_pylist() == [1.0, 2.5]


def test_values_have_our_types():
    row = {
        "at": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        "tags": [1],
        "place": {"x": 1},
        "n": np.float32(0.5),
    }
    types = {field.name: field.type for field in schema_of(to_arrow([row]).schema)}
    assert types == {"at": "timestamp", "tags": "array<int64>", "place": "struct<x int64>", "n": "float64"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([None, 1, "x"], r"'a' .*row 1 has 1, row 2 has 'x'"),
        ([1, True], r"'a' .*row 0 has 1, row 1 has True"),
        ([datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)], "'a' .*zone"),
        ([2**63], "'a'"),
        ([object()], "'a'"),
    ],
)
def test_a_column_of_several_types_is_named(values, says):
    with pytest.raises(DataError, match=says) as raised:
        to_arrow([{"a": value} for value in values])
    assert raised.value.field == "a"


def test_whatever_streams_arrow_is_rows():
    expected = [{"x": 0}, {"x": 1}]
    assert to_arrow(duckdb.sql("SELECT range AS x FROM range(2)")).to_pylist() == expected
    assert to_arrow(pa.table({"x": pa.array([0, 1], pa.int8())}).to_reader()).to_pylist() == expected
    assert to_arrow(pa.record_batch({"x": [0, 1]})).to_pylist() == expected


def test_a_path_and_a_source_are_read(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert to_arrow(tmp_path / "a.csv").to_pylist() == [{"x": 1}]
    assert to_arrow(str(tmp_path / "a.csv")).to_pylist() == [{"x": 1}]
    assert to_arrow(resolve("a.csv", root=tmp_path)).to_pylist() == [{"x": 1}]


@pytest.mark.parametrize("rows", [5, None, {"a": [1]}, [1], [["a"]]])
def test_what_is_no_rows_says_what_would_be(rows):
    with pytest.raises(DataError, match=r"rows cannot be|a row is a dict"):
        to_arrow(rows)


def test_no_rows_are_a_table_too():
    assert to_arrow([]).num_rows == 0
