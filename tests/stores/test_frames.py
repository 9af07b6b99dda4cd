"""Equal rows are equal bytes, whichever library made them, and each annotation gets them as it asks."""

from __future__ import annotations

import datetime
import math
import sys
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from stored_tables import read, save

from penstock.errors import DataError, MissingExtraError
from penstock.stores import LocalArtifactStore

FORMS = [
    "table",
    "table:batch",
    "table:reader",
    "table:dataset",
    "table:relation",
    "table:polars",
    "table:lazy",
    "table:pandas",
]


DAY = datetime.date(2026, 2, 28)


NOON = datetime.datetime(2026, 2, 28, 12, 0, 0, 123456)


ROWS = pa.table(
    {
        "i": pa.array([1, None, -3], pa.int32()),
        "big": pa.array([2**53 + 1, None, 2**63 - 1], pa.int64()),
        "small": pa.array([1, 2, 255], pa.uint8()),
        "x": pa.array([1.5, None, math.inf]),
        "f": pa.array([1.5, -0.0, 3.0], pa.float32()),
        "yes": pa.array([True, None, False]),
        "no": pa.array([True, True, False]),
        "name": pa.array(["a", None, "Zürich"]),
        "raw": pa.array([b"", None, b"\x00"]),
        "day": pa.array([DAY, None, DAY], pa.date32()),
        "at": pa.array([NOON, None, NOON], pa.timestamp("us", "UTC")),
        "local": pa.array([NOON, None, NOON], pa.timestamp("us")),
        "ns": pa.array([1, None, 3], pa.timestamp("ns")),
        "wait": pa.array([1, None, 3], pa.duration("us")),
        "price": pa.array([Decimal("1.10"), None, Decimal("-0.01")], pa.decimal128(10, 2)),
        "tags": pa.array([["a", None], None, []]),
        "deep": pa.array([[{"k": 1}], None, [{"k": None}]]),
        "pair": pa.array([{"x": 1, "y": "a"}, {"x": None, "y": None}, {"x": 2, "y": "b"}]),
    }
)


@pytest.mark.parametrize("form", FORMS)
def test_a_table_that_went_through_any_library_is_the_same_artifact(store: LocalArtifactStore, form: str) -> None:
    rows = ROWS.drop(["wait"]) if form == "table:relation" else ROWS  # DuckDB has intervals of months, no durations
    stored = save(rows, store)
    again = save(read(stored, store, form), store)
    assert read(again, store).to_pydict() == rows.to_pydict()
    assert read(again, store).schema == read(stored, store).schema
    assert again.digest == stored.digest


def test_each_form_is_of_its_library(store: LocalArtifactStore) -> None:
    stored = save(ROWS, store)
    classes = [
        pa.Table, pa.RecordBatch, pa.RecordBatchReader, ds.Dataset, duckdb.DuckDBPyRelation, pl.DataFrame, pl.LazyFrame,
        pd.DataFrame,
    ]  # fmt: skip
    for form, cls in zip(FORMS, classes, strict=True):
        assert isinstance(read(stored, store, form), cls)


def test_layouts_of_texts_lists_and_zones_are_one(store: LocalArtifactStore) -> None:
    plain = save(
        pa.table({"s": ["a", None], "l": [["x"], None], "at": pa.array([NOON] * 2, pa.timestamp("us", "UTC"))}), store
    )
    for text in (pa.large_string(), pa.string_view()):
        other = pa.table(
            {
                "s": pa.array(["a", None], text),
                "l": pa.array([["x"], None], pa.large_list(pa.large_string())),
                "at": pa.array([NOON] * 2, pa.timestamp("us", "Etc/UTC")),
            },
            metadata={"pandas": "{}"},
        )
        assert save(other, store).digest == plain.digest
    frame = pl.DataFrame({"s": ["a", None], "l": [["x"], None], "at": [NOON] * 2})
    frame = frame.with_columns(pl.col("at").dt.replace_time_zone("UTC"))
    assert save(frame, store).digest == plain.digest
    assert save(frame.lazy(), store).digest == plain.digest
    frame_of_pandas = pd.DataFrame({"s": ["a", None], "l": [["x"], None], "at": pd.to_datetime([NOON] * 2, utc=True)})
    assert save(frame_of_pandas, store).digest == plain.digest
    relation = duckdb.connect().sql(
        "SELECT * FROM (VALUES ('a', ['x'], TIMESTAMPTZ '2026-02-28 12:00:00.123456+00'), "
        "(NULL, NULL, TIMESTAMPTZ '2026-02-28 12:00:00.123456+00')) rows(s, l, \"at\")"
    )
    found = read(save(relation, store), store)
    assert found == read(plain, store).cast(found.schema)


# --- categories


def test_categories_of_pandas_come_back_with_their_order_and_those_without_rows(store: LocalArtifactStore) -> None:
    frame = pd.DataFrame(
        {
            "size": pd.Categorical(["m", "s", None], categories=["s", "m", "l"], ordered=True),
            "color": pd.Categorical(["red", "red", "blue"], categories=["blue", "red", "green"]),
            "year": pd.Categorical([2026, 2025, 2026]),
        }
    )
    back = read(save(frame, store), store, "table:pandas")
    pd.testing.assert_frame_equal(back, frame)


def test_an_enum_of_polars_comes_back_and_is_an_ordered_category_of_pandas(store: LocalArtifactStore) -> None:
    frame = pl.DataFrame({"size": pl.Series(["m", "s", None], dtype=pl.Enum(["s", "m", "l"]))})
    stored = save(frame, store)
    assert read(stored, store, "table:polars").equals(frame)
    assert read(stored, store, "table:polars").schema == frame.schema
    assert read(stored, store, "table:lazy").collect().schema == frame.schema
    assert read(stored, store, "table:pandas")["size"].cat.categories.tolist() == ["s", "m", "l"]
    assert save(frame.lazy(), store).digest == stored.digest
    ordered = pd.DataFrame({"size": pd.Categorical(["m", "s", None], categories=["s", "m", "l"], ordered=True)})
    assert save(ordered, store).digest == stored.digest


def test_categories_of_polars_do_not_depend_on_other_frames(store: LocalArtifactStore) -> None:
    pl.Series(["zebra", "ant"], dtype=pl.Categorical)
    frame = pl.DataFrame({"c": pl.Series(["b", None, "a", "b"], dtype=pl.Categorical)})
    stored = save(frame, store)
    assert read(stored, store)["c"].chunk(0).dictionary.to_pylist() == ["a", "b"]
    assert save(frame.lazy(), store).digest == stored.digest
    assert save(pd.DataFrame({"c": pd.Categorical(["b", None, "a", "b"])}), store).digest == stored.digest
    assert read(stored, store, "table:polars").equals(frame)


def test_a_stream_whose_batches_have_other_categories_is_one_table(store: LocalArtifactStore) -> None:
    batches = [pa.record_batch({"c": pa.array(texts).dictionary_encode()}) for texts in (["a", "b"], ["c", "a", None])]
    stored = save(pa.RecordBatchReader.from_batches(batches[0].schema, batches), store)
    assert read(stored, store)["c"].to_pylist() == ["a", "b", "c", "a", None]


# --- what cannot be kept

SPARSE = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pa.table({"n": [1], "u": SPARSE}), r"column 'u' has values of type sparse_union.*cast it first"),
        (
            pl.DataFrame({"n": [1], "o": pl.Series([object()], dtype=pl.Object)}),
            r"column 'o' is of polars' type Object",
        ),
        (pl.DataFrame({"o": pl.Series([1], dtype=pl.Int128)}).lazy(), r"column 'o' is of polars' type Int128"),
        (pl.DataFrame({"l": pl.Series([["a"]], dtype=pl.List(pl.Categorical))}), r"column 'l' .* inside another type"),
        (pd.DataFrame({"n": [1, 2], "mixed": [1, "a"]}), r"column mixed"),
        (pd.DataFrame({"z": [1 + 2j]}), r"z|complex"),
        (pd.DataFrame({0: [1]}), r"column named 0; the columns of a table are named by texts"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"[Dd]uplicate column names"),
        (pd.DataFrame({"x": [1, 2]}, index=["a", "b"]), r"index Index \('a', 'b'\).*\.reset_index\(\) to keep"),
        (pd.DataFrame({"x": [1, 2, 3]}).iloc[1:], r"index RangeIndex \(1, 2\)"),
        (pd.DataFrame({"x": [1]}).rename_axis("id"), r"index RangeIndex \(0\)"),
    ],
)
def test_what_cannot_be_kept_is_an_error_that_names_it(store: LocalArtifactStore, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        save(value, store)


def test_pandas_types_with_null_lose_nothing(store: LocalArtifactStore) -> None:
    frame = pd.DataFrame(
        {
            "i": pd.array([2**53 + 1, None], dtype="Int64"),
            "u": pd.array([1, None], dtype="UInt8"),
            "b": pd.array([True, None], dtype="boolean"),
            "t": pd.to_datetime(["2026-01-01T00:00:00.000001", None], utc=True).tz_convert("Europe/Zurich"),
            "p": pd.period_range("2026-01", periods=2, freq="M"),
            "v": pd.interval_range(0, 2),
            "s": ["a", None],
            "x": [1.5, math.nan],
            "d": pd.to_timedelta([1, None], unit="s"),
        }
    )
    back = read(save(frame, store), store, "table:pandas")
    pd.testing.assert_frame_equal(back, frame)


def test_two_columns_of_one_name_are_no_pandas_frame(store: LocalArtifactStore) -> None:
    stored = save(pa.table([[1], [2]], names=["a", "a"]), store)
    with pytest.raises(DataError, match="two columns are named 'a'"):
        read(stored, store, "table:pandas")


def test_a_table_of_numbers_is_an_array_and_another_says_what_to_write(store: LocalArtifactStore) -> None:
    stored = save(pa.table({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]}), store)
    np.testing.assert_array_equal(read(stored, store, "table:array"), [[1, 0.5, 1], [2, 1.5, 0]])
    for table, problem in [({"km": ["a"]}, "column 'km' is of type string"), ({"km": [1, None]}, "'km' has 1 NULL")]:
        with pytest.raises(DataError, match=rf"{problem}.*rows\['km'\]\.to_numpy\(\)"):
            read(save(pa.table(table), store), store, "table:array")


def test_a_library_that_is_not_installed_is_named_with_what_installs_it(
    store: LocalArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = save(ROWS, store)
    for name in ("polars", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtraError, match=rf"needs the package '{name}'.*penstock\[frames\]"):
            read(stored, store, f"table:{name}")


def test_a_relation_is_found_by_duckdb_sql_under_its_variable(store: LocalArtifactStore) -> None:
    rows = read(save(pa.table({"x": [1, 2, 3]}), store), store, "table:relation")  # noqa: F841
    other = read(save(pa.table({"x": [2, 3], "y": ["b", "c"]}), store), store, "table:relation")  # noqa: F841
    found = duckdb.sql("SELECT y, rows.x FROM rows JOIN other USING (x) ORDER BY x")
    assert read(save(found, store), store).to_pylist() == [{"y": "b", "x": 2}, {"y": "c", "x": 3}]


def test_a_wrong_relation_is_an_error_in_words(store: LocalArtifactStore) -> None:
    with pytest.raises(DataError, match=r"a relation that the step gave: .*Could not convert string 'x'"):
        save(duckdb.connect().sql("SELECT CAST(s AS INTEGER) AS n FROM (VALUES ('1'), ('x')) t(s)"), store)
