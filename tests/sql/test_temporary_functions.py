"""CREATE TEMP FUNCTION: expressions with a name, for the statements after them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.errors import PenstockError
from penstock.sql import MemoryCatalog, run

CLIP = """
CREATE TEMPORARY FUNCTION CLIP_LESS(x FLOAT64, a FLOAT64) AS (
  IF (x < a, a, x)
);
CREATE TEMPORARY FUNCTION CLIP_GT(x FLOAT64, b FLOAT64) AS (
  IF (x > b, b, x)
);
CREATE TEMPORARY FUNCTION CLIP(x FLOAT64, a FLOAT64, b FLOAT64) AS (
  CLIP_GT(CLIP_LESS(x, a), b)
);
"""  # ml-design-patterns, 02_data_representation/simple_data_representation.ipynb


def values(text: str) -> list[Any]:
    return [value for row in run(text, MemoryCatalog({})).to_pylist() for value in row.values()]


def test_functions_of_functions_mean_what_their_expressions_mean() -> None:
    query = "SELECT CLIP((age - 30)/15, -1, 1) AS c FROM UNNEST([10, 30, 37, 60]) AS age"
    assert values(CLIP + query) == [-1.0, 0.0, pytest.approx(7 / 15), 1.0]


def test_arguments_are_taken_as_a_whole_and_in_the_declared_type() -> None:
    assert values("CREATE TEMP FUNCTION twice(x INT64) AS (x * 2); SELECT twice(1 + 2), twice(twice(1))") == [6, 4]
    assert values("CREATE TEMP FUNCTION text(x STRING) AS (CONCAT(x, x)); SELECT text(12)") == ["1212"]
    assert values("CREATE TEMP FUNCTION same(x ANY TYPE) RETURNS STRING AS (x); SELECT same(1.5)") == ["1.5"]


def test_the_columns_of_the_query_and_the_parameters_are_two_things() -> None:
    assert values("CREATE TEMP FUNCTION f(x INT64) AS (x + 1); SELECT f(y) FROM (SELECT 1 AS y, 50 AS x)") == [2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CREATE TEMP FUNCTION f(x INT64) AS (y)", "no parameter named 'y' in the function f"),
        ("CREATE TEMP FUNCTION f(x INT64) AS (x); SELECT f(1, 2)", "f takes x"),
        ("CREATE TEMP FUNCTION f(x INT64) AS (x)", "is for the statements after it"),
        ("CREATE TEMP FUNCTION ABS(x INT64) AS (x); SELECT 1", "has the name of one of BigQuery's"),
        ("CREATE FUNCTION f(x INT64) AS (x); SELECT 1", "CREATE FUNCTION at 1:1 is not a statement"),
        ("CREATE TEMP FUNCTION f(x INT64) RETURNS INT64 LANGUAGE js AS 'return x'; SELECT 1", "functions of SQL"),
    ],
)
def test_a_function_that_cannot_be_says_why(text: str, said: str) -> None:
    with pytest.raises(PenstockError) as caught:
        run(text, MemoryCatalog({}))
    assert said in str(caught.value)
