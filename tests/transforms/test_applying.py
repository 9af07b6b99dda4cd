"""Expressions over many rows."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.operations import col, compile_row, lit
from penstock.tables import arrow_schema, resolve
from penstock.transforms import apply, apply_batches, freeze, same_bits, select_sql

UTC = datetime.UTC
SCHEMA = Schema.of(n="int64", km="float64", station="string", at="timestamp", late="bool")
EXPRS = {
    "more": col("km") * 1.1 + 0.3,
    "far": (col("km") > 3.5) & col("late"),
    "hour": col("at").hour(),
    "day": col("at").day_of_week().cast("string"),
    "length": col("station").length(),
    "known": col("station").coalesce("?"),
    "half": col("n") / 2,
    "n": lit(7),
}
row = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "km": st.none() | st.floats(),
        "station": st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        "at": st.none() | st.datetimes(datetime.datetime(1900, 1, 1), timezones=st.just(UTC)),
        "late": st.none() | st.booleans(),
    }
)


@settings(deadline=None, max_examples=50)
@given(st.lists(row, max_size=10))
def test_many_rows_give_what_each_row_gives(rows):
    one = compile_row(EXPRS, SCHEMA)
    made = apply(EXPRS, pa.Table.from_pylist(rows, schema=arrow_schema(SCHEMA))).to_pylist()
    assert len(made) == len(rows)
    for values, given_row in zip(made, rows, strict=True):
        assert all(map(same_bits, values.values(), one(given_row))), (values, one(given_row))


def test_a_row_comes_out_for_each_that_goes_in_in_order():
    table = pa.table({"n": range(500_000)})
    made = apply({"m": col("n") + 1}, table)
    assert made["m"].combine_chunks().equals(pa.array(range(1, 500_001)))


def test_a_long_vocabulary_keeps_the_order_too(tmp_path):
    words = [f"word {at:04}" for at in range(500)]
    table = pa.table({"n": range(400_000), "word": [words[at * 7919 % 500] for at in range(400_000)]})
    exprs = freeze({"place": col("word").label_encoder(1000, 1)}, table)
    expected = [at * 7919 % 500 + 1 for at in range(400_000)]
    assert apply(exprs, table, keep=["n"]).to_pydict() == {"n": list(range(400_000)), "place": expected}
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=50_000)
    for rows in (table, resolve("rows.parquet", root=tmp_path)):
        made = pa.Table.from_batches(apply_batches(exprs, rows, batch_rows=150_000))
        assert made["place"].to_pylist() == expected


def test_kept_columns_pass_through_in_front():
    made = apply({"m": col("n") + 1}, [{"n": 1, "s": "x"}], keep=["s", "n"])
    assert made.to_pylist() == [{"s": "x", "n": 1, "m": 2}]


def test_columns_as_they_are_are_not_copied():
    """They may be images: a copy of all would be as much memory again."""
    table = pa.table({"x": [b"1", None, b"3"], "n": pa.array([1, 2, None], pa.int32())})
    made = apply({"y": col("x"), "again": col("x")}, table)
    assert made.column_names == ["y", "again"]
    assert made["y"].chunk(0).buffers()[2].address == table["x"].chunk(0).buffers()[2].address
    assert apply({"y": col("x"), "m": col("n")}, table).to_pydict() == {"y": [b"1", None, b"3"], "m": [1, 2, None]}
    assert apply({"m": col("n")}, table).schema.field("m").type == pa.int64()


def test_a_name_reads_the_column_and_not_the_expression_of_that_name():
    made = apply({"b": col("a") + 1, "c": col("b") * 2}, [{"a": 1, "b": 100}])
    assert made.to_pylist() == [{"b": 2, "c": 200}]


def test_names_may_hold_anything():
    odd = 'at "x"; DROP'
    assert apply({odd: col(odd) + 1}, [{odd: 1}]).to_pylist() == [{odd: 2}]


def test_batches_are_the_table_in_pieces(tmp_path):
    table = pa.table({"n": range(200_000)})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=30_000)
    source = resolve("rows.parquet", root=tmp_path)
    exprs = {"m": col("n") + 1}
    for rows in (table, source):
        batches = list(apply_batches(exprs, rows, batch_rows=10_000, keep=["n"]))
        assert len(batches) > 5
        assert pa.Table.from_batches(batches).equals(apply(exprs, rows, keep=["n"]).combine_chunks())


def test_batches_may_be_left_half_way():
    batches = apply_batches({"m": col("n") + 1}, pa.table({"n": range(200_000)}), batch_rows=10_000)
    next(batches)
    assert apply({"m": col("n")}, [{"n": 1}]).num_rows == 1
    batches.close()


def test_the_types_are_those_declared():
    table = pa.table({"n": pa.array([1], pa.int8()), "km": pa.array([1.5], pa.float32())})
    schema = apply({"a": col("n") + 1, "b": col("km") * 2, "h": lit(None).coalesce(col("n"))}, table).schema
    assert schema.types == [pa.int64(), pa.float64(), pa.int64()]


def test_a_value_outside_the_domain_names_the_expression():
    rows = [{"a": 1, "b": 0}]
    with pytest.raises(ExpressionError, match=r"'ratio', which reads a, b, has no value in some row: "):
        apply({"fine": col("a") + 1, "ratio": col("a") / col("b")}, rows)


def test_in_batches_too_a_value_outside_the_domain_names_the_expression():
    rows = pa.table({"a": range(200_000), "b": [1] * 199_999 + [0]})
    exprs = {"fine": col("a") + 1, "ratio": col("a") / col("b")}
    with pytest.raises(ExpressionError, match=r"'ratio', which reads a, b, has no value in some row: division by zero"):
        list(apply_batches(exprs, rows, batch_rows=10_000))


def test_a_constant_has_a_value_for_each_row_of_a_source(tmp_path):
    pq.write_table(pa.table({"n": [1, 2, 3]}), tmp_path / "rows.parquet")
    source = resolve("rows.parquet", root=tmp_path)
    assert apply({"x": lit(7)}, source).to_pylist() == [{"x": 7}] * 3
    assert sum(batch.num_rows for batch in apply_batches({"x": lit(7)}, source)) == 3


def test_no_rows_give_no_rows():
    assert apply(EXPRS, arrow_schema(SCHEMA).empty_table()).num_rows == 0


def test_the_select_is_one_text():
    text = select_sql({"m": col("n") + 1}, Schema.of(n="int64", s="string"), "hire", keep=["s"])
    assert text.startswith('SELECT "s", ')
    assert text.endswith(" FROM hire")
