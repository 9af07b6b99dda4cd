"""A table described as ML.DESCRIBE_DATA does: what it says of each kind of column."""

from __future__ import annotations

import datetime
from typing import Any

import pyarrow as pa
import pytest

from penstock.errors import DataError
from penstock.transforms import DESCRIPTION, describe_data


def described(values: Any, **settings: int) -> dict[str, Any]:
    """What applies to one column."""
    [row] = describe_data(pa.table({"x": values}), **settings).to_pylist()
    return {name: value for name, value in row.items() if value is not None}


def test_a_number_has_moments_and_quantiles_from_the_least_to_the_greatest() -> None:
    assert described([1.0, 2.0, float("nan"), None, 0.0], num_quantiles=4) == {
        "name": "x",
        "num_rows": 5,
        "num_nulls": 1,
        "num_zeros": 1,
        "min": "0",
        "max": "2",
        "mean": 1.0,
        "stddev": 1.0,
        "median": 1.0,
        "quantiles": [0.0, 0.0, 1.0, 2.0, 2.0],
        "num_values": 4,
    }


def test_a_text_has_its_most_frequent_values_ties_in_order() -> None:
    assert described(["b", "a", "b", None, "ccc", "a"], top_k=2) == {
        "name": "x",
        "num_rows": 6,
        "num_nulls": 1,
        "min": "a",
        "max": "ccc",
        "unique": 3,
        "avg_string_length": 1.4,
        "num_values": 5,
        "top_values": [{"value": "a", "count": 2}, {"value": "b", "count": 2}],
    }


def test_arrays_are_described_by_their_elements_and_their_lengths() -> None:
    found = described([[1, 2], [], None, [3, None], [4]], num_array_length_quantiles=2)
    assert (found["num_values"], found["num_nulls"], found["mean"]) == (4, 2, 2.5)
    assert (found["min_array_length"], found["max_array_length"], found["total_array_length"]) == (0, 2, 5)
    assert (found["avg_array_length"], found["array_length_quantiles"]) == (1.25, [0, 1, 2])


def test_a_sparse_array_counts_its_numbers_and_has_a_dimension() -> None:
    sparse = pa.list_(pa.struct([("index", pa.int64()), ("value", pa.float64())]))
    found = described(pa.array([[{"index": 3, "value": 1.5}], [], [{"index": 1, "value": 0.0}]], sparse))
    assert (found["max"], found["num_zeros"], found["dimension"]) == ("1.5", 1, 4)


def test_fields_of_structs_are_columns() -> None:
    names = describe_data(pa.table({"s": [{"a": 1, "b": {"c": "x"}}], "k": [True]}))["name"].to_pylist()
    assert names == ["s.a", "s.b.c", "k"]


@pytest.mark.parametrize("value", [True, datetime.date(2024, 2, 29), datetime.time(1, 2, 3), b"ab\xff"])
def test_whatever_is_no_number_is_described_by_its_text(value: object) -> None:
    found = described([value])
    assert found["min"] == found["top_values"][0]["value"]
    assert "mean" not in found


def test_columns_without_values_and_tables_without_rows_are_described() -> None:
    assert described(pa.nulls(2)) == {"name": "x", "num_rows": 2, "num_nulls": 2, "unique": 0, "num_values": 0}
    assert described(pa.array([], pa.float64())) == {
        "name": "x",
        "num_rows": 0,
        "num_nulls": 0,
        "num_zeros": 0,
        "num_values": 0,
    }
    assert describe_data(pa.table({})).column_names == list(DESCRIPTION.names)


def test_an_array_of_arrays_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match="column 'x' is array<struct"):
        describe_data(pa.table({"x": [[{"a": "b", "c": 1.0}]]}))
