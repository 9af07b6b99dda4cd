"""Aggregates and windows: the closed table, and where DuckDB's answer would not be BigQuery's."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.errors import DataError, ExpressionError, SqlError
from penstock.sql import MemoryCatalog, run


def value(text: str, catalog: MemoryCatalog) -> Any:
    [row] = run(text, catalog).to_pylist()
    return next(iter(row.values()))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("COUNT(*)", 4), ("COUNT(k)", 3), ("COUNT(DISTINCT k)", 2), ("COUNTIF(k > 1)", 2), ("SUM(k)", 5),
        ("SUM(DISTINCT k)", 3), ("AVG(k)", 5 / 3), ("MIN(s)", "a"), ("MAX(k)", 2), ("STDDEV_POP(k)", (2 / 9) ** 0.5),
        ("VARIANCE(k)", pytest.approx(1 / 3)), ("VAR_SAMP(k)", pytest.approx(1 / 3)),
        ("STDDEV(k)", pytest.approx(3**-0.5)),
        ("CORR(k, k * 2)", pytest.approx(1.0)), ("LOGICAL_AND(k > 1)", False), ("LOGICAL_OR(k > 1)", True),
        ("ARRAY_AGG(s IGNORE NULLS ORDER BY s DESC LIMIT 2)", ["c", "b"]), ("STRING_AGG(s, '-' ORDER BY s)", "a-b-c"),
        ("STRING_AGG(DISTINCT s ORDER BY s)", "a,b,c"), ("APPROX_COUNT_DISTINCT(k)", 2), ("MAX_BY(s, k + 0.0)", "b"),
        ("APPROX_QUANTILES(k, 2)", [1, 2, 2]), ("APPROX_QUANTILES(k, 2)[OFFSET(1)]", 2), ("SUM(k) / COUNT(*)", 1.25),
        ("ANY_VALUE(p)[OFFSET(0)].label", "a"), ("ANY_VALUE(k HAVING MAX s)", 2), ("ANY_VALUE(s HAVING MIN k)", "a"),
        ("STRING_AGG(s, '-' ORDER BY s DESC LIMIT 2)", "c-b"), ("STRING_AGG(DISTINCT s LIMIT 0)", ""),
        ("APPROX_TOP_COUNT(k, 2)", [{"value": 2, "count": 2}, {"value": 1, "count": 1}]),
        ("APPROX_TOP_COUNT(s, 9)[OFFSET(3)].value", None), ("BIT_AND(k)", 0), ("BIT_OR(k)", 3), ("BIT_XOR(k)", 1),
        ("ARRAY_CONCAT_AGG(items ORDER BY k DESC)", [1, 2, 3]),
        ("ARRAY_CONCAT_AGG(items ORDER BY k DESC LIMIT 2)", [1, 2]),
    ],
)  # fmt: skip
def test_aggregate_gives(call: str, expected: Any, catalog: MemoryCatalog) -> None:
    assert value(f"SELECT {call} FROM p.d.odd", catalog) == expected


def test_one_nan_makes_the_least_and_the_greatest_nan(catalog: MemoryCatalog) -> None:
    least, greatest = run("SELECT MIN(x), MAX(x) FROM p.d.odd", catalog).to_pylist()[0].values()
    assert (least != least, greatest != greatest) == (True, True)


def test_no_rows_give_null_and_a_count_of_zero(catalog: MemoryCatalog) -> None:
    text = "SELECT COUNT(*), SUM(k), AVG(k), MIN(x), ARRAY_AGG(k), STDDEV(k) FROM p.d.odd WHERE FALSE"
    assert list(run(text, catalog).to_pylist()[0].values()) == [0, None, None, None, None, None]


def test_a_sum_that_does_not_fit_int64_is_an_error(catalog: MemoryCatalog) -> None:
    with pytest.raises(DataError):
        run("SELECT SUM(k + 9223372036854775800) FROM names", catalog)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("ROW_NUMBER() OVER (ORDER BY k)", [1, 2, 3]), ("SUM(k) OVER (ORDER BY k)", [1, 3, 6]),
        ("COUNT(*) OVER ()", [3, 3, 3]),
        ("LAG(name) OVER (ORDER BY k)", [None, "one", "two"]), ("LEAD(k, 1, 0) OVER (ORDER BY k)", [2, 3, 0]),
        ("FIRST_VALUE(name) OVER (ORDER BY k DESC)", ["three", "three", "three"]),
        ("NTILE(2) OVER (ORDER BY k)", [1, 1, 2]),
        ("RANK() OVER (ORDER BY k > 1)", [1, 2, 2]), ("PERCENT_RANK() OVER (ORDER BY k)", [0.0, 0.5, 1.0]),
        ("SUM(k) OVER (ORDER BY k ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)", [1, 3, 5]),
        ("SUM(k) OVER (ORDER BY k ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)", [6, 5, 3]),
        ("MIN(k + 0.5) OVER (PARTITION BY k > 1)", [1.5, 2.5, 2.5]), ("SUM(k) OVER w", [1, 5, 5]),
        ("PERCENTILE_CONT(k, 0.5) OVER ()", [2.0, 2.0, 2.0]), ("NTH_VALUE(name, 2) OVER ()", ["two", "two", "two"]),
        ("SUM(SUM(k)) OVER ()", [6, 6, 6]), ("SUM(k) OVER (w ROWS BETWEEN CURRENT ROW AND CURRENT ROW)", [1, 2, 3]),
    ],
)  # fmt: skip
def test_window_gives(call: str, expected: list[Any], catalog: MemoryCatalog) -> None:
    grouped = " GROUP BY k" if "SUM(SUM" in call else ""
    text = f"SELECT {call} AS v FROM names{grouped} WINDOW w AS (PARTITION BY k > 1) ORDER BY k"
    assert run(text, catalog).column("v").to_pylist() == expected


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            "HLL_COUNT.INIT(k)",
            SqlError,
            "there is no function HLL_COUNT.INIT",
        ),
        ("SUM(name)", ExpressionError, "SUM takes int64 or float64, not string, in SUM(name) at 1:8"),
        ("COUNTIF(k)", ExpressionError, "COUNTIF takes bool, not int64"),
        ("APPROX_QUANTILES(k, k)", ExpressionError, "must be written as a constant"),
        ("RANK()", SqlError, "RANK at 1:8 needs a window"),
        ("UPPER(name) OVER ()", SqlError, "no window function"),
        ("SUM(k) OVER nowhere", Exception, "no window named 'nowhere'"),
        ("ARRAY_AGG(k LIMIT k)", SqlError, "at 1:"),
        ("SUM(k HAVING MAX name)", SqlError, "write MAX_BY"),
        ("SUM(k LIMIT 2)", ExpressionError, "SUM takes no LIMIT"),
    ],
)
def test_an_aggregate_that_cannot_be_says_why(
    call: str, error: type[Exception], said: str, catalog: MemoryCatalog
) -> None:
    with pytest.raises(error) as caught:
        run(f"SELECT {call} FROM names", catalog)
    assert said in str(caught.value)
