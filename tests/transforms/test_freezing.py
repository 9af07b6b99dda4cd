"""Learned operations become constants."""

from __future__ import annotations

import datetime
import math
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from penstock.core.expression import Expr, literal, type_of_value, walk
from penstock.errors import DataError, ExpressionError, UnknownNameError
from penstock.operations import LEARNED, col
from penstock.tables import arrow_type, resolve, schema_of
from penstock.transforms import apply, check_forms, freeze, same_bits

UTC = datetime.UTC
EXPRS = {
    "scaled": col("km").standard_scaler(),
    "unit": col("km").min_max_scaler(),
    "filled": col("km").imputer("mean"),
    "commonest": col("station").imputer("most_frequent"),
    "middle": col("km").imputer("median"),
    "robust": col("km").robust_scaler(),
    "size": col("km").max_abs_scaler(),
    "number": col("km").imputer("most_frequent"),
    "bucket": col("km").quantile_bucketize(3),
    "station": col("station").label_encoder(3, 1),
    "hot": col("station").one_hot_encoder("none", 3, 1),
    "hour": col("at").hour().cast("string").label_encoder(10, 1),
}
rows_of = st.lists(
    st.fixed_dictionaries(
        {
            "km": st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0]) | st.none(),
            "station": st.sampled_from(["a", "b", "Kings Cross", "é", ""]) | st.none(),
            "at": st.datetimes(datetime.datetime(1950, 1, 1), timezones=st.just(UTC)) | st.none(),
        }
    ),
    max_size=20,
)
FULL = {"km": 1.5, "station": "a", "at": datetime.datetime(2024, 5, 5, 18, tzinfo=UTC)}


@settings(deadline=None, max_examples=50)
@given(rows_of, st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows, random):
    rows = [FULL, *rows]
    shuffled = random.sample(rows, len(rows))
    assert freeze(EXPRS, pa.Table.from_pylist(rows)) == freeze(EXPRS, pa.Table.from_pylist(shuffled))


def test_no_learned_operation_is_left():
    for expr in freeze(EXPRS, pa.Table.from_pylist([FULL, FULL])).values():
        assert not [node for node in walk(expr) if node.op in LEARNED]


def test_the_constants_of_many_rows_are_the_same_every_time():
    random.seed(1)
    table = pa.table({"km": [random.lognormvariate(0, 9) for _ in range(300_000)]})
    exprs = {"scaled": col("km").standard_scaler()}
    assert len({freeze(exprs, table)["scaled"] for _ in range(3)}) == 1


def test_a_source_and_its_table_give_the_same_constants(tmp_path):
    table = pa.Table.from_pylist([FULL, {**FULL, "km": 7.0, "station": "b"}])
    pq.write_table(table, tmp_path / "rows.parquet")
    assert freeze(EXPRS, resolve("rows.parquet", root=tmp_path)) == freeze(EXPRS, table)


def test_mean_and_deviation_are_those_of_the_training_rows():
    table = pa.table({"km": [1.0, 2.0, 3.0, 4.0, 5.0, None]})
    frozen = freeze({"scaled": col("km").standard_scaler()}, table)
    assert apply(frozen, table)["scaled"].to_pylist() == pytest.approx(
        [-1.2649110640673518, -0.6324555320336759, 0.0, 0.6324555320336759, 1.2649110640673518, None]
    )
    assert apply(frozen, pa.table({"km": [3.0]}))["scaled"].to_pylist() == [0.0]


def test_a_vocabulary_is_by_frequency_then_by_name():
    table = pa.table({"f": [None, *"abbcccdd"]})
    exprs = {"index": col("f").label_encoder(2, 2)}
    assert apply(freeze(exprs, table), table)["index"].to_pylist() == [0, 0, 1, 1, 2, 2, 2, 0, 0]


def test_a_learned_operation_over_a_learned_one_sees_what_the_inner_one_gives():
    table = pa.table({"km": [1.0, None, 5.0]})
    exprs = {"x": col("km").imputer("mean").min_max_scaler(), "y": col("km").imputer("mean")}
    frozen = freeze(exprs, table)
    assert apply(frozen, table).to_pylist() == [{"x": 0.0, "y": 1.0}, {"x": 0.5, "y": 3.0}, {"x": 1.0, "y": 5.0}]


def test_expressions_without_anything_to_learn_stay_as_they_are():
    exprs = {"x": col("km") + 1}
    assert freeze(exprs, pa.table({"km": [1.0]}))["x"] is exprs["x"]


def test_negative_zero_is_zero_wherever_it_stands():
    exprs = {"unit": col("km").min_max_scaler()}
    tables = [pa.table({"km": values}) for values in ([-0.0, 0.0, 1.0], [0.0, -0.0, 1.0])]
    assert freeze(exprs, tables[0]) == freeze(exprs, tables[1])


def test_there_must_be_rows():
    with pytest.raises(DataError, match="no rows to learn from"):
        freeze(EXPRS, pa.Table.from_pylist([FULL]).slice(0, 0))


def test_a_missing_column_is_named():
    with pytest.raises(UnknownNameError, match=r"'kms'.*Did you mean 'km'"):
        freeze({"x": col("kms").standard_scaler()}, pa.table({"km": [1.0]}))


def test_a_wrong_type_is_named_before_any_scan():
    with pytest.raises(ExpressionError, match="standard_scaler"):
        freeze({"x": col("km").standard_scaler()}, pa.table({"km": ["far"]}))


def test_a_value_outside_the_domain_names_the_expression():
    exprs = {"fine": col("km").standard_scaler(), "x": (col("km") / col("n")).standard_scaler()}
    with pytest.raises(ExpressionError, match=r"'divide\(km, n\)', which reads km, n, has no value in some row"):
        freeze(exprs, pa.table({"km": [1.0, 2.0], "n": [1, 0]}))


def test_a_deviation_of_one_row_is_no_crash():
    made = apply(freeze({"x": col("km").standard_scaler()}, pa.table({"km": [2.0]})), pa.table({"km": [2.0]}))
    (value,) = made["x"].to_pylist()
    assert value is None or math.isfinite(value)


@pytest.mark.parametrize(
    ("name", "example"), [(name, example) for name, operation in LEARNED.items() for example in operation.examples]
)
def test_every_learned_operation_gives_its_golden_examples(name, example):
    values, constants, expected = example
    types = {type_of_value(value) for value in values} - {"null", "array<null>"}
    table = pa.table({"x": pa.array(values, arrow_type(min(types, default="float64")))})
    frozen = freeze({"y": Expr(name, (col("x"), *map(literal, constants)))}, table)
    made = apply(frozen, table)["y"].to_pylist()
    assert len(made) == len(expected)
    assert all(map(same_bits, made, expected)), (made, expected)
    assert check_forms(frozen, schema_of(table.schema), table).cases == ()
