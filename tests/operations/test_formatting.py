"""FORMAT prints numbers as C's printf does; what a template does not take, it says. LIKE with several patterns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from penstock.core.schema import Schema
from penstock.errors import ExpressionError, SqlError
from penstock.operations import Expression, col, lit, parse, type_of

_FLAGS = st.lists(st.sampled_from("-+ #0"), max_size=3).map("".join)
_WIDTH = st.sampled_from(["", "1", "7", "25"])
_SCHEMA = Schema.of(i="int64", x="float64", s="string", t="timestamp")
_INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-99, 99)
_SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def _run(expr: Expression, row: dict[str, Any], forms: Any) -> Any:
    """Return what both forms give."""
    row = {"i": None, "x": None, "s": None, "t": None} | row
    by_row, by_sql = forms.row(expr, _SCHEMA, [row]), forms.sql(expr, _SCHEMA, [row])
    assert by_row == by_sql
    return by_row[0][1]


@_SETTINGS
@given(flags=_FLAGS, width=_WIDTH, precision=st.sampled_from(["", ".1", ".12"]), i=_INTEGERS)
def test_integers_are_printed_as_printf_does(flags: str, width: str, precision: str, i: int, forms: Any) -> None:
    template = f"<%{flags}{width}{precision}d>"
    # Python fills a number that has a precision up with zeros, which C does not.
    oracle = f"<%{flags.replace('0', '')}{width}{precision}d>" if precision else template
    assert _run(lit(template).format(col("i")), {"i": i}, forms) == oracle % i
    assert _run(lit(f"%*{precision}d").format(int(width or 0), col("i")), {"i": i}, forms) == f"%*{precision}d" % (
        int(width or 0),
        i,
    )


@_SETTINGS
@given(
    flags=_FLAGS,
    width=_WIDTH,
    precision=st.sampled_from(["", ".0", ".3"]),
    letter=st.sampled_from("feEgG"),
    x=st.floats(),
)
def test_floats_are_printed_as_printf_does(
    flags: str, width: str, precision: str, letter: str, x: float, forms: Any
) -> None:
    flags = flags.replace("0", "") if x - x != 0 else flags  # Python puts zeros before `inf`, which C does not
    template = f"<%{flags}{width}{precision}{letter}>"
    assert _run(lit(template).format(col("x")), {"x": x}, forms) == template % x


@_SETTINGS
@given(i=_INTEGERS, x=st.floats(allow_nan=False, allow_infinity=False), s=st.text(max_size=5))
def test_what_T_prints_reads_back_as_the_value(i: int, x: float, s: str, forms: Any) -> None:
    row = {"i": i, "x": x, "s": s}
    for name, value in row.items():
        printed = _run(lit("%T").format(col(name)), row, forms)
        if name != "s" or not any(sign in printed for sign in ("\\x", "\\t")):  # sqlglot leaves these as they are
            read = parse(printed)
            assert _run(read if read.op == "literal" else lit(value), row, forms) == forms.exact(value)[1]


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        (lit("%d").format(), "needs 1 values, but there are 0"),
        (lit("%d %*d").format(1, 2), "needs 3 values, but there are 2"),
        (lit("abc").format(col("i")), "needs 0 values, but there are 1"),
        (lit("%d").format(col("x")), "%d in '%d' takes int64, but it was given float64; %t prints any type"),
        (lit("%s").format(col("t")), "%s in '%s' takes string, but it was given timestamp"),
        (lit("%*d").format(col("x"), 1), r"\* in '%\*d' takes int64"),
        (lit("%5").format(1), "'%5' is no specifier; there are %d"),
        (lit("%lld").format(1), "'%l' is no specifier"),
        (lit("%").format(), "'%' is no specifier"),
        (lit("%1000000000d").format(1), "a width or precision of 1000000000; it can be 1048576"),
        (col("s").format(1), "template must be a constant"),
    ],
)
def test_a_template_that_does_not_fit_says_why(expr: Expression, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        type_of(expr, _SCHEMA)


def test_a_safe_format_is_null_where_a_number_cannot_be_printed_and_still_prints_null(forms: Any) -> None:
    expr = parse("SAFE.FORMAT('%x|%t', i, s)")
    assert expr.op == "safe_format"
    assert _run(expr, {"i": -1}, forms) is None
    assert _run(expr, {"i": 255}, forms) == "ff|NULL"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("s LIKE ANY ('a', 'c')", True),
        ("s LIKE SOME ('b', 'c')", False),
        ("s LIKE ANY ('a', NULL)", True),
        ("s LIKE ANY ('b', NULL)", None),
        ("s NOT LIKE ANY ('a', 'b')", True),
        ("s NOT LIKE ANY ('a', '%a%')", False),
        ("s NOT LIKE SOME ('a', NULL)", None),
        ("s NOT LIKE ANY ('b', NULL)", True),
        ("s LIKE ALL ('a', '%a%')", True),
        ("s LIKE ALL ('a', 'c')", False),
        ("s LIKE ALL ('a', NULL)", None),
        ("s LIKE ALL ('b', NULL)", False),
        ("s LIKE ALL ('a')", True),
        ("s NOT LIKE ALL ('b', 'c')", True),
        ("s NOT LIKE ALL ('a', 'c')", False),
        ("s NOT LIKE ALL ('a', NULL)", False),
        ("s NOT LIKE ALL ('b', NULL)", None),
        ("s LIKE ANY UNNEST(['%b%', 'a'])", True),
        ("s LIKE ANY UNNEST(CAST([] AS ARRAY<STRING>))", False),
    ],
)
def test_like_with_several_patterns_is_as_documented(text: str, value: bool | None, forms: Any) -> None:
    assert _run(parse(text), {"s": "a"}, forms) == value
    if "[]" not in text:
        assert _run(parse(text), {"s": None}, forms) is None


def test_patterns_out_of_a_column_are_refused() -> None:
    with pytest.raises(SqlError, match="a list, or UNNEST of an array of constants"):
        parse("s LIKE ANY UNNEST(SPLIT(s))")
