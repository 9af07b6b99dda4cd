"""The check that SQL form and row form agree."""

from __future__ import annotations

import dataclasses
import datetime
import math

import pyarrow as pa
import pytest

from penstock.core.schema import Schema
from penstock.operations import OPERATIONS, col
from penstock.tables import arrow_schema
from penstock.transforms import Raised, check_forms, freeze, same_bits

UTC = datetime.UTC
SCHEMA = Schema.of(n="int64", km="float64", station="string", at="timestamp", late="bool")
SAMPLE = pa.Table.from_pylist(
    [
        {
            "n": 3,
            "km": 1.5,
            "station": "Kings Cross",
            "at": datetime.datetime(2024, 5, 5, 18, tzinfo=UTC),
            "late": True,
        },
        {"n": None, "km": None, "station": None, "at": None, "late": None},
        {"n": 4, "km": 9.0, "station": "a", "at": datetime.datetime(2024, 5, 6, 18, tzinfo=UTC), "late": False},
    ],
    schema=arrow_schema(SCHEMA),
)


def test_features_of_every_kind_agree_on_real_and_edge_rows():
    exprs = freeze(
        {
            "scaled": col("km").log1p().standard_scaler(),
            "hour": col("at").hour(),
            "day": col("at").day_of_week().cast("string"),
            "station": col("station").label_encoder(10, 1),
            "upper": col("station").length(),
            "ratio": col("km") / col("n"),
            "overflow": col("n") * 2,
            "late": col("late").if_else("late", "fine"),
        },
        pa.concat_tables([SAMPLE, SAMPLE]),
    )
    found = check_forms(exprs, SCHEMA, SAMPLE)
    assert found.cases == ()
    assert not found
    assert found.rows > 40


def test_a_domain_error_in_both_forms_is_agreement():
    assert check_forms({"one": col("n") / 0}, SCHEMA, SAMPLE).cases == ()


def test_an_error_of_an_operand_that_is_not_needed_is_no_disagreement():
    root = col("km").sqrt().gt(2.0)
    assert check_forms({"never": root & False}, SCHEMA, SAMPLE).cases == ()


@pytest.fixture
def lying(monkeypatch):
    """Give `length` another row form."""

    def lie(source):
        wrong = dataclasses.replace(OPERATIONS["length"], row=lambda arguments, types: source.format(*arguments))
        monkeypatch.setitem(OPERATIONS, "length", wrong)
        return {"length": col("station").length(), "fine": col("n")}

    return lie


@pytest.mark.parametrize(
    ("source", "value"),
    [("(len({0}) + 1)", 12), ("float(len({0}))", 11.0), ("bool({0})", True), ("(1 // 0)", Raised)],
)
def test_another_value_type_or_error_is_a_disagreement(lying, source, value):
    found = check_forms(lying(source), SCHEMA, SAMPLE)
    assert found.features == ("length",)
    case = found.cases[0]
    assert (case.row["station"], case.sql_value) == ("Kings Cross", 11)
    assert isinstance(case.row_value, Raised) if value is Raised else same_bits(case.row_value, value)
    assert len(found.cases) == 3


def test_an_error_of_the_sql_form_alone_is_pinned_to_its_rows(monkeypatch):
    wrong = dataclasses.replace(
        OPERATIONS["length"],
        sql=lambda arguments, types: (
            f"CASE WHEN {arguments[0]} = 'a' THEN error('odd') ELSE length({arguments[0]}) END"
        ),
    )
    monkeypatch.setitem(OPERATIONS, "length", wrong)
    found = check_forms({"length": col("station").length(), "fine": col("n")}, SCHEMA, SAMPLE)
    assert [(case.feature, case.row["station"], case.row_value) for case in found.cases] == [("length", "a", 1)]
    assert isinstance(found.cases[0].sql_value, Raised)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (1, True, False),
        (0.0, -0.0, False),
        (math.nan, -math.nan, True),
        (None, None, True),
        (None, 0, False),
        ([1.0, None], [1.0, None], True),
        ([0.0], [-0.0], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"b": 1}, False),
        (datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=UTC), False),
        (Raised("x"), Raised("y"), True),
        (Raised("x"), None, False),
    ],
)
def test_bits_are_compared_and_not_values(one, other, same):
    assert same_bits(one, other) is same
