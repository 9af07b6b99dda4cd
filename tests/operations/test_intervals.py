"""INTERVAL as what + and - add to a date: read part by part, in the order in which BigQuery adds them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from penstock.core.schema import Schema
from penstock.errors import ExpressionError, SqlError
from penstock.operations import parse, type_of

_SCHEMA = Schema.of(d="date", t="datetime", at="timestamp", n="int64")
_ROW = {
    "d": datetime.date(2020, 2, 29),
    "t": datetime.datetime(2020, 1, 31, 10),
    "at": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    "n": 3,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("d + INTERVAL 1 DAY", datetime.datetime(2020, 3, 1)),
        ("INTERVAL n DAY + d", datetime.datetime(2020, 3, 3)),
        ("d - INTERVAL n MONTH", datetime.datetime(2019, 11, 29)),
        ("t + INTERVAL 1 MONTH - INTERVAL 90 MINUTE", datetime.datetime(2020, 2, 29, 8, 30)),
        ("at + INTERVAL 25 HOUR", datetime.datetime(2020, 1, 2, 1, tzinfo=datetime.UTC)),
        # A year and a month are 13 months: the day is cut once.
        ("d + MAKE_INTERVAL(1, 1, 2)", datetime.datetime(2021, 3, 31)),
        ("d + MAKE_INTERVAL(second => 5, year => 1, day => n)", datetime.datetime(2021, 3, 3, 0, 0, 5)),
        ("d + MAKE_INTERVAL(n, n)", datetime.datetime(2023, 5, 29)),
        ("d + MAKE_INTERVAL()", datetime.datetime(2020, 2, 29)),
        ("at - INTERVAL 1 WEEK", datetime.datetime(2019, 12, 25, tzinfo=datetime.UTC)),
        ("t + INTERVAL 1 QUARTER", datetime.datetime(2020, 4, 30, 10)),
        ("t + INTERVAL '1-2 3 4:5:6.7' YEAR TO SECOND", datetime.datetime(2021, 4, 3, 14, 5, 6, 700_000)),
        ("t - INTERVAL '1 12' DAY TO HOUR", datetime.datetime(2020, 1, 29, 22)),
        ("t + INTERVAL '-0:30' HOUR TO MINUTE", datetime.datetime(2020, 1, 31, 9, 30)),
    ],
)
def test_an_interval_is_added(text: str, value: datetime.datetime, forms: Any) -> None:
    expr = parse(text)
    assert forms.row(expr, _SCHEMA, [_ROW]) == [forms.exact(value)]
    assert forms.sql(expr, _SCHEMA, [_ROW]) == [forms.exact(value)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("d + INTERVAL '1:2' YEAR TO MONTH", "'1:2' is no INTERVAL YEAR TO MONTH"),
        ("d + INTERVAL '1-2' MONTH TO YEAR", "no INTERVAL MONTH TO YEAR"),
        ("d + MAKE_INTERVAL(1, year => 2)", "takes each of year, month"),
        ("d + MAKE_INTERVAL(years => 2)", "takes each of year, month"),
        ("INTERVAL 1 DAY", r"an INTERVAL is no value here; \+ and - add it"),
        ("MAKE_INTERVAL(1)", "there is no INTERVAL type"),
        ("GENERATE_DATE_ARRAY(d, d, 3)", "takes two dates and INTERVAL n PART"),
        ("GENERATE_TIMESTAMP_ARRAY(at, at)", "takes two dates and INTERVAL n PART"),
    ],
)
def test_what_is_no_interval_says_why(text: str, said: str) -> None:
    with pytest.raises(SqlError, match=said):
        parse(text)


def test_a_timestamp_takes_no_months() -> None:
    with pytest.raises(ExpressionError, match="a timestamp takes no INTERVAL of months"):
        type_of(parse("at + INTERVAL 1 MONTH"), _SCHEMA)
