"""Arrow's many types and our few."""

from __future__ import annotations

import datetime
import decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.operations import sql_type
from penstock.tables import arrow_schema, arrow_type, connection, normalize, schema_of, to_arrow

OURS = ["bool", "int64", "float64", "string", "bytes", "date", "time", "datetime", "timestamp", "null"]
types = st.recursive(
    st.sampled_from(OURS),
    lambda inner: st.one_of(
        inner.map(lambda type: f"array<{type}>"),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda members: f"struct<{', '.join(f'f{at} {type}' for at, type in enumerate(members))}>"
        ),
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=50)
@given(types)
def test_a_type_survives_the_way_to_arrow_and_back(type):
    assert schema_of(pa.schema([("x", arrow_type(type))])) == Schema((Field("x", type),))


@pytest.mark.parametrize("type", [*OURS[:-1], "array<int64>", "struct<a int64, b array<timestamp>>"])
def test_duckdb_keeps_each_of_our_types(type):
    made = connection().cursor().sql(f"SELECT CAST(NULL AS {sql_type(type)}) AS x").to_arrow_table()
    assert normalize(made).schema.field("x").type == arrow_type(type)


@pytest.mark.parametrize(
    ("arrow", "type", "value", "wide"),
    [
        (pa.int8(), "int64", -5, -5),
        (pa.uint32(), "int64", 2**32 - 1, 2**32 - 1),
        (pa.float32(), "float64", 0.5, 0.5),
        (pa.large_string(), "string", "é", "é"),
        (pa.string_view(), "string", "é", "é"),
        (pa.large_binary(), "bytes", b"\x00", b"\x00"),
        (pa.binary(2), "bytes", b"ab", b"ab"),
        (pa.dictionary(pa.int8(), pa.string()), "string", "a", "a"),
        (pa.decimal128(38, 0), "int64", decimal.Decimal(2**62), 2**62),
        (pa.decimal128(10, 2), "float64", decimal.Decimal("1.25"), 1.25),
        (pa.date64(), "date", datetime.date(2020, 1, 2), datetime.date(2020, 1, 2)),
        (pa.time32("s"), "time", datetime.time(1, 2), datetime.time(1, 2)),
        (pa.timestamp("s"), "datetime", datetime.datetime(1969, 1, 2), datetime.datetime(1969, 1, 2)),
        (pa.list_(pa.int16()), "array<int64>", [1, None], [1, None]),
        (pa.large_list(pa.float32()), "array<float64>", [0.5], [0.5]),
        (pa.list_(pa.int8(), 2), "array<int64>", [1, 2], [1, 2]),
        (pa.struct([("a", pa.int8())]), "struct<a int64>", {"a": 1}, {"a": 1}),
        (
            pa.map_(pa.string(), pa.int8()),
            "array<struct<key string, value int64>>",
            [("k", 1)],
            [{"key": "k", "value": 1}],
        ),
    ],
)
def test_narrow_types_widen_and_keep_their_values(arrow, type, value, wide):
    table = normalize(pa.table({"x": pa.array([value, None], arrow)}))
    assert schema_of(table.schema)["x"].type == type
    assert table.schema.field("x").type == arrow_type(type)
    assert table["x"].to_pylist() == [wide, None]


def test_a_zone_becomes_utc_and_the_instant_stays():
    local = datetime.datetime(2024, 5, 5, 20, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    table = normalize(pa.table({"t": pa.array([local], pa.timestamp("ns", "Europe/Berlin"))}))
    assert table["t"].to_pylist() == [datetime.datetime(2024, 5, 5, 18, tzinfo=datetime.UTC)]
    assert table.schema == arrow_schema(Schema.of(t="timestamp"))


def test_a_zone_counts_also_where_another_library_has_told_pyarrow_to_ignore_it(monkeypatch):
    monkeypatch.setenv("PYARROW_IGNORE_TIMEZONE", "1")
    local = datetime.datetime(2024, 5, 5, 20, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    assert to_arrow([{"t": local}])["t"].to_pylist() == [datetime.datetime(2024, 5, 5, 18, tzinfo=datetime.UTC)]


def test_a_value_too_large_is_named_by_its_column():
    with pytest.raises(DataError, match="'big'") as raised:
        normalize(pa.table({"big": pa.array([2**64 - 1], pa.uint64())}))
    assert raised.value.field == "big"


def test_a_type_without_a_word_says_what_to_do():
    with pytest.raises(DataError, match=r"'wait'.*duration.*cast it"):
        schema_of(pa.schema([("wait", pa.duration("s"))]))


def test_two_columns_that_differ_in_case_only_are_refused():
    with pytest.raises(DataError, match="'Km' and 'km'"):
        normalize(pa.table({"Km": [1], "km": [2]}))


def test_a_table_in_our_types_is_not_copied():
    table = pa.table({"a": [1, 2]})
    assert normalize(table) is table


def test_categories_of_polars_are_strings():
    views = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None, 0], pa.uint32()), pa.array(["a", "b"], pa.string_view())
    )
    assert normalize(pa.table({"c": views}))["c"].to_pylist() == ["a", "b", None, "a"]
    assert normalize(pa.table({"c": views})).schema.field("c").type == pa.string()
