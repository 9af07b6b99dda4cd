"""Forms of queries that BigQuery has and SQL at large has not, or has otherwise: each gives what BigQuery gives."""

from __future__ import annotations

import datetime
from typing import Any

import pyarrow as pa
import pytest

from penstock.errors import PenstockError, SqlError
from penstock.sql import MemoryCatalog, run

DAY = datetime.date(2024, 5, 1)


@pytest.fixture
def catalog() -> MemoryCatalog:
    """Rows in groups, sales of the documentation's examples for PIVOT, and arrays."""
    sales = {
        "product": ["Kale", "Kale", "Apple", "Apple"],
        "sales": [51, 23, 77, 0],
        "quarter": ["Q1", "Q2", "Q1", "Q2"],
    }
    return MemoryCatalog(
        {
            "t": pa.table({"g": ["a", "a", "b", None], "n": [1, 2, 3, 4], "day": [DAY] * 4}),
            "produce": pa.table(sales),
            "wide": pa.table({"product": ["Kale", "Apple"], "Q1": [51, 77], "Q2": [23, None]}),
            "lists": pa.table({"id": [1, 2], "items": [[3, 1], []]}),
        }
    )


def rows(text: str, catalog: MemoryCatalog) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in run(text, catalog).to_pylist()]


def refused(text: str, catalog: MemoryCatalog) -> str:
    with pytest.raises(PenstockError) as caught:
        run(text, catalog)
    return str(caught.value)


def test_a_recursive_table_reads_what_it_gave_last(catalog: MemoryCatalog) -> None:
    text = (
        "WITH RECURSIVE r AS (SELECT 1 AS n, CAST(NULL AS STRING) AS g UNION ALL "
        "SELECT r.n + 1, t.g FROM r JOIN t ON t.n = r.n WHERE r.n < 3), most AS (SELECT MAX(n) AS m FROM r) "
        "SELECT r.n, r.g, most.m FROM r, most ORDER BY n"
    )
    assert rows(text, catalog) == [(1, None, 3), (2, "a", 3), (3, "a", 3)]


def test_rows_of_a_recursive_table_can_be_learned_from(catalog: MemoryCatalog) -> None:
    text = (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) "
        "SELECT ML.MIN_MAX_SCALER(n) OVER () AS z FROM r ORDER BY z"
    )
    assert rows(text, catalog) == [(0.0,), (0.5,), (1.0,)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 1 AS n UNION ALL SELECT n + 0.5 FROM r WHERE n < 5", "give int64 and float64; CAST the columns"),
        ("SELECT 1 AS n UNION DISTINCT SELECT n + 1 FROM r WHERE n < 5", "made of: a query UNION ALL another"),
        ("SELECT n FROM r", "made of: a query UNION ALL another"),
    ],
)
def test_a_recursive_table_that_has_no_meaning_says_so(query: str, message: str, catalog: MemoryCatalog) -> None:
    assert message in refused(f"WITH RECURSIVE r AS ({query}) SELECT * FROM r", catalog)


def test_pivot_makes_a_column_of_each_value_in_groups_of_the_others(catalog: MemoryCatalog) -> None:
    text = "SELECT * FROM produce PIVOT(SUM(sales) FOR quarter IN ('Q1', 'Q2', 'Q3')) ORDER BY product"
    assert run(text, catalog).column_names == ["product", "Q1", "Q2", "Q3"]
    assert rows(text, catalog) == [("Apple", 77, 0, None), ("Kale", 51, 23, None)]


def test_pivot_names_columns_by_aliases_of_aggregates_and_values(catalog: MemoryCatalog) -> None:
    text = (
        "SELECT p.* FROM (SELECT sales, quarter FROM produce) "
        "PIVOT(SUM(sales) AS total, COUNT(*) AS num FOR quarter IN ('Q1' AS first, 'Q2')) AS p"
    )
    assert run(text, catalog).to_pylist() == [{"total_first": 128, "num_first": 2, "total_Q2": 23, "num_Q2": 2}]


def test_pivot_names_numbers_truths_and_null_as_bigquery_does(catalog: MemoryCatalog) -> None:
    text = "SELECT * FROM (SELECT n, g IS NULL AS none FROM t) PIVOT(SUM(n) FOR none IN (TRUE, FALSE))"
    assert run(text, catalog).to_pylist() == [{"TRUE": 4, "FALSE": 6}]
    text = "SELECT * FROM (SELECT g, n FROM t) PIVOT(COUNT(*) FOR n IN (1, 9)) ORDER BY g"
    assert run(text, catalog).column_names == ["g", "_1", "_9"]
    text = "SELECT * FROM (SELECT g, n FROM t) PIVOT(SUM(n) FOR g IN ('a', NULL))"
    assert run(text, catalog).to_pylist() == [{"a": 3, "NULL": 4}]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("produce PIVOT(SUM(sales) FOR quarter IN ('Q1', 'q1'))", "makes two columns 'q1'; name them apart with AS"),
        ("produce PIVOT(SUM(sales) FOR quarter IN (CONCAT('Q', '1')))", "needs a name: CONCAT('Q', '1') AS name"),
        ("produce PIVOT(ROW_NUMBER() FOR quarter IN ('Q1'))", "ROW_NUMBER() at 1:29 is no aggregate"),
        ("produce PIVOT(SUM(sales) FOR quarter IN (1))", "string and int64"),
        (
            "wide UNPIVOT(v FOR q IN (Q1, product))",
            "values of one type, named alike; here are Q1 int64, product string",
        ),
        ("wide UNPIVOT(v FOR q IN (Q1, Q7))", "no column named 'Q7' in UNPIVOT"),
        ("wide UNPIVOT((a, b) FOR q IN ((Q1, Q2), Q1))", "takes 2 columns at a time, not Q1"),
    ],
)
def test_a_pivot_that_has_no_meaning_says_so(item: str, message: str, catalog: MemoryCatalog) -> None:
    assert message in refused(f"SELECT * FROM {item}", catalog)


def test_unpivot_makes_a_row_of_each_column_that_has_a_value(catalog: MemoryCatalog) -> None:
    text = "SELECT * FROM wide UNPIVOT(sales FOR quarter IN (Q1, Q2)) ORDER BY 1, 3"
    assert run(text, catalog).column_names == ["product", "sales", "quarter"]
    assert rows(text, catalog) == [("Apple", 77, "Q1"), ("Kale", 51, "Q1"), ("Kale", 23, "Q2")]


def test_unpivot_keeps_nulls_and_takes_names_and_pairs(catalog: MemoryCatalog) -> None:
    text = "SELECT * FROM wide UNPIVOT INCLUDE NULLS (sales FOR q IN (Q1 AS 1, Q2 AS 2)) AS u ORDER BY 1, 3"
    assert rows(text, catalog) == [("Apple", 77, 1), ("Apple", None, 2), ("Kale", 51, 1), ("Kale", 23, 2)]
    text = "SELECT * FROM wide UNPIVOT((a, b) FOR q IN ((Q1, Q2), (Q2, Q1) AS 'turned')) ORDER BY 1, 4"
    assert rows(text, catalog)[2:] == [("Kale", 51, 23, "Q1_Q2"), ("Kale", 23, 51, "turned")]


def test_groups_of_several_sets_tell_which_keys_they_leave_out(catalog: MemoryCatalog) -> None:
    text = "SELECT g, GROUPING(g) AS left_out, SUM(n) AS n FROM t GROUP BY ROLLUP(g) ORDER BY left_out, g"
    assert rows(text, catalog) == [(None, 0, 4), ("a", 0, 3), ("b", 0, 3), (None, 1, 10)]
    text = "SELECT g, n > 2 AS big, COUNT(*) AS c FROM t GROUP BY GROUPING SETS (g, (2), ()) ORDER BY c, g, big"
    assert rows(text, catalog)[-3:] == [(None, True, 2), ("a", None, 2), (None, None, 4)]
    assert len(rows("SELECT g, n, COUNT(*) AS c FROM t GROUP BY CUBE(g, n)", catalog)) == 4 + 4 + 3 + 1


def test_a_struct_of_columns_stands_where_a_value_does(catalog: MemoryCatalog) -> None:
    text = "SELECT ARRAY(SELECT AS STRUCT n, g FROM t WHERE n < 3 ORDER BY n DESC) AS l"
    assert rows(text, catalog) == [([{"n": 2, "g": "a"}, {"n": 1, "g": "a"}],)]
    text = "SELECT (SELECT AS STRUCT MAX(u.n) AS m, MIN(u.n) AS k FROM t AS u WHERE u.g = t.g).m AS m FROM t ORDER BY n"
    assert rows(text, catalog) == [(2,), (2,), (3,), (None,)]
    assert rows(
        "SELECT id, ARRAY(SELECT AS STRUCT x, x + 1 AS y FROM UNNEST(items) AS x) AS l FROM lists", catalog
    ) == [
        (1, [{"x": 3, "y": 4}, {"x": 1, "y": 2}]),
        (2, []),
    ]
    assert run("SELECT AS STRUCT n, g FROM t ORDER BY n LIMIT 1", catalog).to_pylist() == [{"n": 1, "g": "a"}]
    assert "gives one column; this one gives 2: choose one, or write SELECT AS STRUCT" in refused(
        "SELECT (SELECT n, g FROM t LIMIT 1) AS x", catalog
    )


def test_select_as_value_makes_rows_of_structs(catalog: MemoryCatalog) -> None:
    latest = "SELECT AS VALUE ARRAY_AGG(STRUCT(n, g) ORDER BY n DESC LIMIT 1)[OFFSET(0)] FROM t GROUP BY g"
    assert rows(f"SELECT n, g FROM ({latest}) ORDER BY n", catalog) == [(2, "a"), (3, "b"), (4, None)]
    assert "takes one column; here are 2" in refused("SELECT AS VALUE n, g FROM t", catalog)


def test_the_alias_of_a_table_is_its_row(catalog: MemoryCatalog) -> None:
    text = "SELECT g, ARRAY_AGG(t ORDER BY n DESC LIMIT 1)[OFFSET(0)].n AS last FROM t GROUP BY g ORDER BY g"
    assert rows(text, catalog) == [(None, 4), ("a", 2), ("b", 3)]
    assert rows("SELECT w FROM wide AS w WHERE w.Q2 = 23", catalog) == [({"product": "Kale", "Q1": 51, "Q2": 23},)]


def test_the_row_of_a_table_that_an_outer_join_may_leave_out_is_none(catalog: MemoryCatalog) -> None:
    for text in ("t LEFT JOIN wide ON FALSE", "wide RIGHT JOIN t ON FALSE", "t FULL JOIN wide ON FALSE"):
        assert "no column named 'wide'" in refused(f"SELECT COUNT(wide) AS c FROM {text}", catalog)
    assert rows("SELECT COUNT(x) AS c FROM lists LEFT JOIN UNNEST(items) AS x", catalog) == [(2,)]


def test_a_sample_holds_each_row_with_its_probability() -> None:
    many = MemoryCatalog({"many": pa.table({"n": list(range(10_000))})})
    [(some,)] = rows("SELECT COUNT(*) AS c FROM many AS m TABLESAMPLE SYSTEM (20 PERCENT) WHERE m.n >= 0", many)
    assert 1_600 < some < 2_400
    assert rows("SELECT COUNT(*) AS c FROM many TABLESAMPLE SYSTEM (0 PERCENT)", many) == [(0,)]
    assert rows("SELECT COUNT(*) AS c FROM many TABLESAMPLE SYSTEM (100 PERCENT)", many) == [(10_000,)]
    assert "makes anew each time" in refused(
        "SELECT ML.STANDARD_SCALER(n) OVER () AS z FROM many TABLESAMPLE SYSTEM (50 PERCENT)", many
    )
    assert "with 0 to 100" in refused("SELECT * FROM many TABLESAMPLE SYSTEM (500 PERCENT)", many)


def test_names_of_columns_after_an_alias_are_refused_and_not_left_out(catalog: MemoryCatalog) -> None:
    for text in ("SELECT * FROM (SELECT n FROM t) AS q (m)", "WITH q (m) AS (SELECT n FROM t) SELECT * FROM q"):
        with pytest.raises(SqlError, match=r"q \(m\) at 1:\d+: name columns in the query, with AS"):
            run(text, catalog)
