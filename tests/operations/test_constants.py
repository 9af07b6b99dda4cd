"""A pattern or a format that cannot be is refused before any row is read; a safe form keeps its arguments' errors."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.operations import Expression, col, type_of

_SCHEMA = Schema.of(x="string", d="date", km="float64", n="int64")


@pytest.mark.parametrize(
    ("expr", "reason"),
    [
        (col("x").regexp_contains("("), r"pattern cannot be '\('.*missing \)"),
        (col("x").regexp_contains(r"(?<=a)b"), "invalid perl operator"),
        (col("x").regexp_contains(r"\B"), "inside a character"),
        (col("x").regexp_extract("(a)(b)"), "it has 2 groups"),
        (col("x").regexp_replace("a", r"\1"), "names group 1; the pattern has 0"),
        (col("x").regexp_replace("a", "\\q"), "a backslash stands before a digit"),
        (col("d").format_date("%Y %H"), "the code %H is not there"),
        (col("d").format_date("100%"), "the code % is not there"),
        (col("x").parse_date("%Y-%j"), "the code %j is not there; there are %Y"),
        (col("d").last_day("day"), "is one of week, isoweek, week.tuesday.,"),
    ],
)  # fmt: skip
def test_a_constant_that_cannot_be_is_refused_with_the_reason(expr: Expression, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        type_of(expr, _SCHEMA)


def test_a_safe_form_is_null_for_its_own_error_and_raises_that_of_its_argument(forms: Any) -> None:
    rows = [{"x": "", "d": None, "km": -1.0, "n": 2**63 - 1}]
    for safe, unsafe in [
        (col("km").safe_ln(), col("km").sqrt().safe_ln()),
        (col("n").safe_add(1), (col("n") + 1).safe_add(-5)),
        (col("x").safe_parse_date("%F"), col("x").substr(1, -1).safe_parse_date("%F")),
    ]:
        assert forms.row(safe, _SCHEMA, rows) == forms.sql(safe, _SCHEMA, rows) == [forms.exact(None)]
        assert forms.row(unsafe, _SCHEMA, rows) == forms.sql(unsafe, _SCHEMA, rows) == [forms.raised]
