"""What a table looks like, as plain JSON."""

from __future__ import annotations

import datetime
import json
import math
import random

import pyarrow as pa
import pyarrow.csv
from hypothesis import given, settings, strategies as st

from penstock.transforms import profile

UTC = datetime.UTC


def column(table, name="x"):
    return next(column for column in profile(table)["columns"] if column["name"] == name)


def test_numbers_have_moments_quantiles_and_top_values():
    assert column([{"x": value} for value in [1, 2, 2, 3, 0, None]]) == {
        "name": "x",
        "type": "int64",
        "rows": 6,
        "nulls": 1,
        "distinct": 4,
        "min": 0,
        "max": 3,
        "mean": 1.6,
        "stddev": 1.140175425099138,
        "zeros": 1,
        "quantiles": {"0.01": 0, "0.05": 0, "0.25": 1, "0.5": 2, "0.75": 2, "0.95": 3, "0.99": 3},
        "histogram": {"edges": [0.0, 1.0, 2.0, 3.0], "counts": [1, 1, 3]},
        "distribution": {"kind": "numbers", "edges": [0.0, 1.0, 2.0, 3.0, 4.0], "counts": [1, 1, 2, 1]},
        "top": [{"value": 2, "count": 2}, {"value": 0, "count": 1}, {"value": 1, "count": 1}, {"value": 3, "count": 1}],
    }


def test_what_is_not_finite_is_counted_and_left_out():
    found = column([{"x": value} for value in [1.0, math.nan, math.inf, -math.inf, 3.0]])
    assert (found["not_finite"], found["min"], found["max"], found["mean"], found["nulls"]) == (3, 1.0, 3.0, 2.0, 0)


def test_texts_have_a_range_and_the_most_frequent_first():
    found = column([{"x": value} for value in ["b", "a", "b", None]])
    assert (found["min"], found["max"], found["distinct"]) == ("a", "b", 2)
    assert found["top"] == [{"value": "b", "count": 2}, {"value": "a", "count": 1}]
    assert "mean" not in found


def test_times_are_iso_texts():
    found = column([{"x": datetime.datetime(2024, 1, 2, 3, tzinfo=UTC)}])
    assert found["min"] == "2024-01-02T03:00:00+00:00"
    assert column([{"x": datetime.date(2024, 1, 2)}])["top"] == [{"value": "2024-01-02", "count": 1}]


def test_arrays_are_only_counted():
    assert column([{"x": [1]}, {"x": None}]) == {"name": "x", "type": "array<int64>", "rows": 2, "nulls": 1}


def test_a_table_without_rows_or_columns_has_a_profile():
    empty = profile(pa.table({"x": pa.array([], pa.float64()), "s": pa.array([], pa.string())}))
    assert [found["distinct"] for found in empty["columns"]] == [0, 0]
    assert profile([]) == {"rows": 0, "columns": []}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "f": st.floats() | st.none(),
                "s": st.text() | st.none(),
                "t": st.datetimes() | st.none(),
                "b": st.binary(),
            }
        ),
        max_size=8,
    )
)
def test_a_profile_is_plain_json(rows):
    found = profile(rows)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_same_rows_give_the_same_profile_every_time():
    random.seed(1)
    rows = pa.table({"x": [random.lognormvariate(0, 9) for _ in range(300_000)]})
    assert len({json.dumps(profile(rows)) for _ in range(3)}) == 1


def test_zeros_with_and_without_a_sign_are_one_value_in_any_order():
    one, other = (profile([{"x": value} for value in values]) for values in ([-0.0, 0.0, 5.0], [0.0, -0.0, 5.0]))
    assert json.dumps(one) == json.dumps(other)
    assert "-0.0" not in json.dumps(one)


def test_a_value_that_is_there_often_is_counted_by_itself():
    dry = column([{"x": value} for value in [0.0] * 60 + [0.1 * n for n in range(40)]])["distribution"]
    assert dry["counts"][0] == 61
    assert dry["edges"][1] == math.nextafter(0.0, 1.0)
    flags = column([{"x": int(n < 3)} for n in range(100)])["distribution"]
    assert flags == {"kind": "numbers", "edges": [0.0, 1.0, 2.0], "counts": [97, 3]}
    greatest = column([{"x": 1.7976931348623157e308}])["distribution"]
    assert greatest["counts"] == [1]
    assert json.loads(json.dumps(greatest, allow_nan=False)) == greatest


def test_numbers_are_counted_by_the_edges_that_are_given():
    [found] = profile([{"x": value} for value in [-1, 0, 1, 2, 7, None]], edges={"x": [0.0, 2.0, 5.0]})["columns"]
    assert found["cells"] == {"edges": [0.0, 2.0, 5.0], "counts": [1, 2, 1, 1]}


def test_a_file_of_lines_has_the_profile_of_its_rows(tmp_path):
    rows = pa.table(
        {
            "n": range(50),
            "s": ["a", "b, c"] * 25,
            "f": [n / 3 for n in range(50)],
            "d": [datetime.date(2024, 1, 1 + n % 28) for n in range(50)],
            "t": [datetime.datetime(2024, 1, 1, n % 24, 5) for n in range(50)],
            "none": pa.array([None] * 50, pa.string()),
        }
    )
    pyarrow.csv.write_csv(rows, tmp_path / "rows.csv")
    assert profile(str(tmp_path / "rows.csv")) == profile(rows)
    with (tmp_path / "rows.jsonl").open("w") as file:
        file.writelines(json.dumps({"n": row["n"], "s": row["s"]}) + "\n" for row in rows.to_pylist())
    assert profile(str(tmp_path / "rows.jsonl")) == profile(rows.select(["n", "s"]))
