"""Types: what an operation takes and gives, and what is said where it does not take it."""

from __future__ import annotations

import datetime

import pytest

from penstock.core.expression import Expr
from penstock.core.schema import Schema
from penstock.errors import ExpressionError, UnknownNameError
from penstock.operations import col, compile_row, lit, struct, type_of

_SCHEMA = Schema.of(n="int64", x="float64", s="string", t="timestamp", d="date", b="bool", list="array<int64>")

TYPES = {
    "int and int": (col("n") + 1, "int64"),
    "int and float": (col("n") + 1.5, "float64"),
    "quotient": (col("n") / 2, "float64"),
    "comparison": (col("n") > 1, "bool"),
    "text of a date": (col("d") > "2024-05-05", "bool"),
    "null is any type": (col("b").if_else(None, "x"), "string"),
    "part": (col("t").hour(), "int64"),
    "cast": (col("t").day_of_week().cast("string"), "string"),
    "cross": (struct(a=col("s"), b=col("n")).feature_cross(), "struct<a_b string>"),
    "item": (col("list").offset(0), "int64"),
    "learned": (col("n").standard_scaler(), "float64"),
    "imputed": (col("n").imputer("mean"), "float64"),
    "hot": (col("s").one_hot_encoder(), "array<struct<index int64, value float64>>"),
}

REFUSED = {
    "text and number": (col("s") + 1, r"one type|takes number"),
    "logarithm of text": (
        col("s").ln(),
        r"ln takes float64 for x, but it was given string; cast it: .cast\('float64'\)",
    ),
    "hour of a date": (col("d").hour(), "hour takes time or datetime or timestamp"),
    "branches of two types": (col("b").if_else(1, "x"), "one type"),
    "cast that is none": (col("b").cast("date"), "bool cannot be cast to date"),
    "unknown type": (col("n").cast("strnig"), "Did you mean 'string'"),
    "unknown part": (col("d").date_trunc("mnth"), "Did you mean 'month'"),
    "unknown zone": (col("t").hour("Mars/Olympus"), "zone cannot be 'Mars/Olympus'"),
    "text of no date": (col("d") > "2024-02-30", "is no date"),
    "points that do not ascend": (col("x").bucketize([2, 1]), "ascend"),
    "a constant that is none": (Expr("round", (col("x"), col("n"))), "must be a constant"),
    "unknown strategy": (col("x").imputer("average"), "one of mean, median, most_frequent"),
}


@pytest.mark.parametrize("case", list(TYPES))
def test_the_type_of_a_call_follows_from_its_arguments(case: str) -> None:
    expr, expected = TYPES[case]
    assert type_of(expr, _SCHEMA) == expected


@pytest.mark.parametrize("case", list(REFUSED))
def test_arguments_that_an_operation_does_not_take_are_refused(case: str) -> None:
    expr, message = REFUSED[case]
    with pytest.raises(ExpressionError, match=message):
        type_of(expr, _SCHEMA)


def test_a_missing_column_or_operation_or_field_is_named() -> None:
    with pytest.raises(UnknownNameError, match="no column named 'nn'"):
        type_of(col("nn") + 1, _SCHEMA)
    with pytest.raises(UnknownNameError, match="Did you mean 'log10'"):
        type_of(Expr("logg10", (col("x"),)), _SCHEMA)
    with pytest.raises(UnknownNameError, match="no field named 'c'"):
        type_of(struct(a=col("s")).field("c"), _SCHEMA)


def test_text_is_read_as_a_date_where_one_is_compared() -> None:
    compute = compile_row({"later": col("d") > "2024-05-05", "listed": col("d").is_in(["2024-05-06"])}, _SCHEMA)
    assert compute({"d": datetime.date(2024, 5, 6)}) == (True, True)
    assert compute({"d": datetime.date(2024, 5, 5)}) == (False, False)


def test_a_null_literal_makes_a_propagating_call_null() -> None:
    assert compile_row({"value": col("n") + lit(None)}, _SCHEMA)({"n": 1}) == (None,)
