"""The row form is small, lazy where SQL is, and refuses what SQL refuses."""

from __future__ import annotations

import datetime

import pytest

from penstock.core.schema import Field, Schema
from penstock.errors import ExpressionError
from penstock.operations import col, compile_row, row_source

_SCHEMA = Schema(
    (Field("x", "float64"), Field("n", "int64", nullable=False), Field("s", "string"), Field("t", "timestamp"))
)
_VARIABLES = {name: f"r[{name!r}]" for name in _SCHEMA.names}


def test_a_chain_of_operations_is_one_expression_with_one_test() -> None:
    source = row_source({"y": (col("x").log1p() * 2 - 1).standardize(1.0, 2.0)}, _SCHEMA, _VARIABLES)
    assert source.lines == ("v1 = r['x']",)
    assert source.results["y"].count("is None") == 1


def test_a_shared_part_is_computed_once() -> None:
    shared = col("x").exp()
    source = row_source({"a": shared + 1, "b": shared * 2}, _SCHEMA, _VARIABLES)
    assert "\n".join((*source.lines, *source.results.values())).count("exp(") == 1


def test_a_column_without_null_is_not_tested() -> None:
    source = row_source({"y": col("n") + 1}, _SCHEMA, {"n": "n"})
    assert source.lines == ()
    assert "None" not in source.results["y"]


def test_a_vocabulary_is_a_global_made_once() -> None:
    source = row_source({"y": col("s").lookup_index(["a", "b"])}, _SCHEMA, _VARIABLES)
    assert source.results["y"] == "k0(v1, 0)"
    assert source.names["k0"]("b", 0) == 2  # type: ignore[operator]


@pytest.mark.parametrize(
    "expr",
    [
        col("n").ne(0).if_else(col("x") / col("n"), 0.0),
        col("n").eq(0).if_else(0.0, 1 / (col("x") / col("n")).safe_divide(1.0).coalesce(5.0)),
        col("x").coalesce((col("x") / col("n")).safe_cast("int64").cast("float64"), 1 / col("n")),
    ],
)
def test_a_branch_that_is_not_taken_does_not_raise(expr: object, forms: object) -> None:
    rows = [{"x": 2.0, "n": 0}]
    assert forms.row(expr, _SCHEMA, rows) == forms.sql(expr, _SCHEMA, rows) != [forms.raised]  # type: ignore[attr-defined]


def test_what_an_operation_refuses_is_an_expression_error() -> None:
    compute = compile_row({"y": col("x").ln(), "z": 1 / col("n"), "o": col("n") * 2**62}, _SCHEMA)
    for row in ({"x": 0.0, "n": 1}, {"x": 1.0, "n": 0}, {"x": 1.0, "n": 2}):
        with pytest.raises(ExpressionError):
            compute(row)


def test_ten_transforms_of_a_row_with_a_string_and_an_instant() -> None:
    exprs = {
        "log": col("x").log1p().standardize(1.0, 2.0),
        "filled": col("x").fill_null(0.0).scale_min_max(0.0, 10.0),
        "bucket": col("x").bucketize([1.0, 2.0]),
        "day": col("t").day_of_week().cast("string"),
        "hour": col("t").hour(),
        "station": col("s").lookup_index(["Kings Cross", "Soho"]),
        "upper": col("s").upper(),
        "long": col("n") > 100,
        "ratio": col("x").safe_divide(col("n")),
        "weekend": col("t").day_of_week().is_in([1, 7]),
    }
    compute = compile_row(exprs, _SCHEMA)
    row = {"x": 0.0, "n": 350, "s": "Kings Cross", "t": datetime.datetime(2024, 5, 5, 18, tzinfo=datetime.UTC)}
    assert compute(row) == (-0.5, 0.0, "bin_1", "1", 18, 1, "KINGS CROSS", True, 0.0, True)
    assert compute({"x": None, "n": 1, "s": None, "t": None}) == (
        None,
        0.0,
        None,
        None,
        None,
        0,
        None,
        False,
        None,
        None,
    )
