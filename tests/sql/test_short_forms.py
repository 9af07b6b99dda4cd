"""Short forms of expressions that users of BigQuery type daily, and what each of them gives."""

from __future__ import annotations

import datetime
from typing import Any

import pyarrow as pa
import pytest

from penstock.errors import PenstockError
from penstock.sql import MemoryCatalog, run

CATALOG = MemoryCatalog(
    {
        "t": pa.table({"g": ["a", "a", "b", None], "n": [1, 2, 3, 4]}),
        "lists": pa.table({"id": [1, 2], "nums": [[3, 1], []], "pair": [{"x": 1, "y": 2}, None]}),
    }
)


def day(month: int, day: int) -> datetime.date:
    return datetime.date(2024, month, day)


def instant(hour: int) -> datetime.datetime:
    return datetime.datetime(2024, 1, 1, hour, tzinfo=datetime.UTC)


def rows(text: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in run(text, CATALOG).to_pylist()]


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ("(g, n) IN (('a', 1), ('b', 3))", [1, 3]),
        ("(g, n) NOT IN (('a', 1), ('b', 3))", [2, 4]),
        ("g LIKE ANY ('a%', '%c')", [1, 2]),
        ("g LIKE ALL ('a%', '%a')", [1, 2]),
        ("NOT g LIKE ANY ('a%')", [3]),
        ("g IS DISTINCT FROM 'a'", [3, 4]),
        ("g IS NOT DISTINCT FROM NULL", [4]),
        ("(g IS NOT DISTINCT FROM 'a') IS NOT NULL", [1, 2, 3, 4]),
    ],
)
def test_conditions(condition: str, numbers: list[int]) -> None:
    assert rows(f"SELECT n FROM t WHERE {condition} ORDER BY n") == [(number,) for number in numbers]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("STRUCT<a INT64, b STRING>(1, 'x')", {"a": 1, "b": "x"}),
        ("ARRAY<STRUCT<a FLOAT64, b ARRAY<INT64>>>[(1, [2])]", [{"a": 1.0, "b": [2]}]),
        ("[STRUCT(1 AS a, NULL AS b), (NULL, 'y')]", [{"a": 1, "b": None}, {"a": None, "b": "y"}]),
        ("ARRAY(SELECT AS STRUCT * FROM UNNEST([STRUCT(1 AS a), STRUCT(2)]))", [{"a": 1}, {"a": 2}]),
        ("GENERATE_DATE_ARRAY('2024-01-01', '2024-01-03')", [day(1, 1), day(1, 2), day(1, 3)]),
        ("GENERATE_DATE_ARRAY('2024-01-31', '2024-04-01', INTERVAL 1 MONTH)", [day(1, 31), day(2, 29), day(3, 31)]),
        ("GENERATE_DATE_ARRAY('2024-01-31', '2024-03-30', INTERVAL 1 MONTH)", [day(1, 31), day(2, 29)]),
        ("GENERATE_DATE_ARRAY('2024-01-01', '2024-01-16', INTERVAL 1 WEEK)", [day(1, 1), day(1, 8), day(1, 15)]),
        ("GENERATE_DATE_ARRAY('2024-01-05', '2024-01-02', INTERVAL -2 DAY)", [day(1, 5), day(1, 3)]),
        ("GENERATE_DATE_ARRAY('2024-01-05', '2024-01-01')", []),
        ("GENERATE_DATE_ARRAY('2024-01-05', NULL)", None),
        ("GENERATE_TIMESTAMP_ARRAY('2024-01-01 00:00:00', '2024-01-01 03:00:00', INTERVAL 2 HOUR)",
         [instant(0), instant(2)]),
        ("(SELECT APPROX_TOP_SUM(g, n, 2) FROM t)", [{"value": None, "sum": 4}, {"value": "a", "sum": 3}]),
        ("(SELECT APPROX_TOP_SUM(g, n + 0.5, 1) FROM t WHERE g = 'a')", [{"value": "a", "sum": 4.0}]),
        ("(SELECT APPROX_TOP_COUNT(g, 1) FROM t)", [{"value": "a", "count": 2}]),
    ],
)  # fmt: skip
def test_values(value: str, expected: object) -> None:
    assert rows(f"SELECT {value} AS value") == [(expected,)]


def test_a_weight_that_is_null_sums_to_nothing_and_comes_last() -> None:
    """The documentation's example of APPROX_TOP_SUM over NULLs."""
    pairs = "[STRUCT('apple' AS x, NULL AS weight), ('pear', 0), ('pear', NULL)]"
    assert rows(f"SELECT APPROX_TOP_SUM(x, weight, 2) AS top FROM UNNEST({pairs})") == [
        ([{"value": "pear", "sum": 0}, {"value": "apple", "sum": None}],)
    ]


def test_days_without_rows_are_filled_in_from_the_first_on() -> None:
    text = (
        "WITH s AS (SELECT DATE '2024-05-01' AS d, 2 AS n UNION ALL SELECT DATE '2024-05-03', 5) "
        "SELECT d, IFNULL(s.n, 0) AS n FROM"
        " UNNEST(GENERATE_DATE_ARRAY((SELECT MIN(d) FROM s), (SELECT MAX(d) FROM s))) AS d"
        " LEFT JOIN s USING (d) ORDER BY d"
    )
    assert rows(text) == [(day(5, 1), 2), (day(5, 2), 0), (day(5, 3), 5)]


def test_the_elements_of_an_array_come_with_their_positions() -> None:
    assert rows("SELECT id, x, at FROM lists, lists.nums AS x WITH OFFSET AS at ORDER BY at") == [(1, 3, 0), (1, 1, 1)]
    text = "SELECT id, x, at FROM lists AS l LEFT JOIN l.nums AS x WITH OFFSET at WHERE IFNULL(at, 0) = 0 ORDER BY id"
    assert rows(text) == [(1, 3, 0), (2, None, None)]


def test_the_star_of_a_struct_stands_for_its_fields() -> None:
    assert run("SELECT id, l.pair.* EXCEPT (y) FROM lists AS l WHERE id = 1", CATALOG).to_pylist() == [
        {"id": 1, "x": 1}
    ]
    assert rows("SELECT pair.* FROM lists WHERE id = 1") == [(1, 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT n.* FROM t", "n.* at 1:8 is of int64; .* stands for the fields of a struct"),
        ("SELECT z.* FROM t", "no table named 'z' in the FROM clause; there are: t"),
        (
            "SELECT GENERATE_DATE_ARRAY('2024-01-01', '2024-01-02', INTERVAL 1 HOUR)",
            "day, week, month, quarter, year, not 'hour'",
        ),
        ("SELECT GENERATE_DATE_ARRAY('2024-01-01', '2024-01-02', INTERVAL 0 DAY)", "a step of 0"),
        ("SELECT (g, n) IN (SELECT (g, n) FROM t) FROM t", "at 1:9 looks for a row; write EXISTS (SELECT 1 FROM"),
        ("SELECT [STRUCT(1 AS a), ('x')]", "here are struct<a int64> and"),
        ("SELECT APPROX_TOP_SUM(g, g, 1) FROM t", "APPROX_TOP_SUM takes int64 or float64, not string"),
    ],
)
def test_what_has_no_meaning_says_so(text: str, message: str) -> None:
    with pytest.raises(PenstockError) as caught:
        run(text, CATALOG)
    assert message in str(caught.value)
