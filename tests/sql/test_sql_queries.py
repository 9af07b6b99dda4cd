"""Ordinary queries: the relational part, with BigQuery's rules for names, NULLs, aliases and order."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest

from penstock.errors import DataError, ExpressionError, SqlError, UnknownNameError
from penstock.sql import MemoryCatalog, run

NAN = float("nan")


def rows(text: str, catalog: MemoryCatalog) -> list[tuple[Any, ...]]:
    """Return the rows of a query, NaN as the word: NaN is not equal to itself."""
    table = run(text, catalog)
    return [
        tuple("NaN" if isinstance(value, float) and math.isnan(value) else value for value in row.values())
        for row in table.to_pylist()
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT k, s FROM p.d.odd WHERE k > 1", [(2, "b"), (2, "c")]),
        ("SELECT `K` + 1 AS n FROM `p.d.odd` AS o WHERE O.s = 'a'", [(2,)]),
        ("SELECT * EXCEPT (items, p, x) REPLACE (k * 10 AS k) FROM p.d.odd LIMIT 2", [(10, "a"), (20, "b")]),
        ("SELECT o.k, n.* EXCEPT (k) FROM p.d.odd AS o JOIN names AS n ON o.k = n.k WHERE s = 'a'", [(1, "one")]),
        ("SELECT k, name FROM names JOIN p.d.odd USING (k) WHERE s = 'a'", [(1, "one")]),
        ("SELECT k, name, s FROM names FULL JOIN p.d.odd USING (k) WHERE s IS NULL ORDER BY k",
         [(None, None, None), (3, "three", None)]),
        ("SELECT a.k FROM names a, names b WHERE a.k = b.k + 1 ORDER BY 1", [(2,), (3,)]),
        ("SELECT COUNT(*) FROM names CROSS JOIN p.d.odd", [(12,)]),
        ("SELECT DISTINCT k FROM p.d.odd ORDER BY k DESC", [(2,), (1,), (None,)]),
        ("SELECT k > 2 OR k < 2 AS o, COUNT(*) FROM names GROUP BY o HAVING o AND FALSE OR NOT o", [(False, 1)]),
        ("SELECT 1 AS a, 2.5 AS b, 'x', TRUE, NULL", [(1, 2.5, "x", True, None)]),
        ("SELECT k FROM p.d.odd ORDER BY k, s DESC LIMIT 2 OFFSET 1", [(1,), (2,)]),
        ("SELECT * FROM (SELECT k FROM names ORDER BY k DESC LIMIT 1)", [(3,)]),
        ("(SELECT k FROM names) UNION ALL (SELECT 1.5) ORDER BY k DESC LIMIT 2", [(3.0,), (2.0,)]),
        ("SELECT k FROM names INTERSECT DISTINCT SELECT k FROM p.d.odd ORDER BY k", [(1,), (2,)]),
        ("SELECT k FROM names EXCEPT DISTINCT SELECT k FROM p.d.odd", [(3,)]),
        ("SELECT 'a' AS s UNION DISTINCT SELECT 'a' UNION DISTINCT SELECT NULL ORDER BY s", [(None,), ("a",)]),
        ("WITH a AS (SELECT k FROM names), b AS (SELECT k FROM a WHERE k > 1) SELECT MAX(k), MIN(k) FROM b", [(3, 2)]),
        ("WITH a AS (SELECT 1 AS x) SELECT * FROM (WITH a AS (SELECT x + 1 AS x FROM a) SELECT * FROM a)", [(2,)]),
        ("SELECT (SELECT MAX(name) FROM names WHERE names.k = o.k) FROM p.d.odd AS o WHERE s = 'b'", [("two",)]),
        ("SELECT k FROM names AS n WHERE EXISTS (SELECT 1 FROM p.d.odd WHERE k = n.k) ORDER BY k", [(1,), (2,)]),
        ("SELECT k FROM names WHERE k NOT IN (SELECT k FROM p.d.odd WHERE k IS NOT NULL)", [(3,)]),
        ("SELECT k IN (SELECT k FROM p.d.odd) FROM names WHERE k = 3", [(None,)]),
        ("SELECT k, v, at FROM p.d.odd, UNNEST(items) AS v WITH OFFSET AS at ORDER BY v",
         [(1, 1, 0), (1, 2, 1), (None, 3, 0)]),
        ("SELECT s, v FROM p.d.odd LEFT JOIN UNNEST(items) AS v ORDER BY s, v",
         [(None, 3), ("a", 1), ("a", 2), ("b", None), ("c", None)]),
        ("SELECT (SELECT prob FROM UNNEST(p) WHERE label = 'b') FROM p.d.odd WHERE s = 'a'", [(0.25,)]),
        ("SELECT v.label, prob FROM p.d.odd, UNNEST(p) AS v WHERE s = 'a' ORDER BY 1", [("a", 0.5), ("b", 0.25)]),
        ("SELECT p[OFFSET(1)].prob, p[ORDINAL(1)].label, items[SAFE_OFFSET(0)] FROM p.d.odd WHERE s = 'a'",
         [(0.25, "a", 1)]),
        ("SELECT 2 IN UNNEST([1, 2]), 3 IN UNNEST([1, NULL])", [(True, None)]),
        ("SELECT STRUCT(1 AS a, 'x' AS b).b", [("x",)]),
        ("SELECT ARRAY(SELECT k FROM names WHERE k > 1 ORDER BY k)", [([2, 3],)]),
        ("SELECT n FROM (SELECT COUNT(*) AS n, k FROM p.d.odd GROUP BY k) WHERE n > 1", [(2,)]),
    ],
)  # fmt: skip
def test_query_gives(text: str, expected: list[tuple[Any, ...]], catalog: MemoryCatalog) -> None:
    assert rows(text, catalog) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT k + 1 AS k, COUNT(*) AS n FROM p.d.odd GROUP BY k HAVING n > 1", [(3, 2)]),
        ("SELECT s AS k, COUNT(*) FROM p.d.odd WHERE k = 2 GROUP BY k ORDER BY k", [("b", 1), ("c", 1)]),
        ("SELECT -k AS k FROM names ORDER BY k", [(-3,), (-2,), (-1,)]),
        ("SELECT k, ROW_NUMBER() OVER (ORDER BY k DESC) AS r FROM names QUALIFY r = 1", [(3, 1)]),
    ],
)
def test_an_alias_comes_before_a_column_of_its_name_but_not_in_where(
    text: str, expected: list[tuple[Any, ...]], catalog: MemoryCatalog
) -> None:
    assert rows(text, catalog) == expected


def test_columns_without_a_name_are_numbered_as_in_bigquery(catalog: MemoryCatalog) -> None:
    assert run("SELECT 1 + 1, k, 'x', names.name AS n FROM names", catalog).column_names == ["f0_", "k", "f1_", "n"]


def test_nan_is_less_than_every_number_in_an_order(catalog: MemoryCatalog) -> None:
    assert rows("SELECT x FROM p.d.odd ORDER BY x", catalog) == [(None,), ("NaN",), (1.0,), (2.0,)]
    assert rows("SELECT DISTINCT x FROM p.d.odd ORDER BY 1 DESC", catalog) == [(2.0,), (1.0,), ("NaN",), (None,)]
    assert rows("SELECT k, x AS y FROM p.d.odd ORDER BY y DESC, k LIMIT 1", catalog) == [(2, 2.0)]


def test_nulls_come_first_when_ascending_and_last_when_descending(catalog: MemoryCatalog) -> None:
    assert rows("SELECT x FROM p.d.odd ORDER BY x", catalog)[0] == (None,)
    assert rows("SELECT x FROM p.d.odd ORDER BY x DESC", catalog)[-1] == (None,)
    assert rows("SELECT x FROM p.d.odd ORDER BY x NULLS LAST", catalog)[-1] == (None,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT EXTRACT(DAYOFWEEK FROM DATE '2024-05-05')", 1),  # a Sunday
        ("SELECT EXTRACT(dayofweek FROM TIMESTAMP '2024-05-11 23:00:00+00')", 7),
        ("SELECT CAST(2.5 AS INT64)", 3),
        ("SELECT CAST(-2.5 AS INT64)", -3),
        ("SELECT CAST(1.0 AS STRING)", "1"),
        ("SELECT SAFE_DIVIDE(1, 0)", None),
        ("SELECT 7 / 2", 3.5),
        ("SELECT CAST(SUM(k) AS STRING) || '!' FROM names", "6!"),
        ("SELECT IF(MAX(k) > 2, 'big', 'small') FROM names", "big"),
    ],
)
def test_a_function_means_in_a_query_what_it_means_in_a_model(text: str, expected: Any, catalog: MemoryCatalog) -> None:
    assert rows(text, catalog) == [(expected,)]


def test_dividing_by_zero_is_an_error_and_no_infinity(catalog: MemoryCatalog) -> None:
    with pytest.raises(DataError):
        run("SELECT 1 / (k - 1) FROM names", catalog)


def test_one_instant_holds_for_a_whole_text(catalog: MemoryCatalog) -> None:
    now = datetime.datetime(2024, 5, 5, 23, 30, tzinfo=datetime.UTC)
    text = "SELECT CURRENT_TIMESTAMP(), CURRENT_DATE(), CURRENT_DATE('Asia/Tokyo'), CURRENT_DATETIME('Asia/Tokyo')"
    [row] = run(text, catalog, now=now).to_pylist()
    assert list(row.values()) == [
        now,
        datetime.date(2024, 5, 5),
        datetime.date(2024, 5, 6),
        datetime.datetime(2024, 5, 6, 8, 30),
    ]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("SELECT nome FROM names", UnknownNameError, "no column named 'nome' in the query at 1:8; there are: k, name"),
        ("SELECT n.k FROM names", UnknownNameError, "no column named 'n.k'"),
        (
            "SELECT * FROM\n name",
            UnknownNameError,
            "no table named 'name' in the query at 2:2; there are: p.d.odd, names",
        ),
        ("SELECT k FROM names, p.d.odd", SqlError, "column 'k' at 1:8 is in names and odd; write names.k"),
        ("SELECT k, k FROM names", SqlError, "column 'k' is in the select list twice"),
        ("SELECT * FROM names JOIN p.d.odd ON TRUE", SqlError, "column 'k' is in the select list twice"),
        ("SELECT * EXCEPT (z) FROM names", UnknownNameError, "no column named 'z'"),
        ("SELECT k FROM names WHERE name", SqlError, "WHERE takes a bool, but name at 1:27 is string"),
        ("SELECT 1 + FROBNICATE(k, 2) FROM names", SqlError, "FROBNICATE(k, 2) at 1:"),
        ("SELECT CURRENT_DATE('Nowhere')", SqlError, "takes the name of a time zone"),
        ("SELECT name IN (SELECT k FROM names) FROM names", ExpressionError, "at 1:8"),
        ("SELECT name + 1 FROM names", ExpressionError, "name + 1"),
        ("SELECT name UNION ALL SELECT 1", UnknownNameError, "no column named 'name'"),
        ("SELECT 'a' AS c UNION ALL SELECT 1", SqlError, "column 'c' is string on one side and int64 on the other"),
        ("SELECT 1, 2 UNION ALL SELECT 1", SqlError, "they give 2 and 1"),
        ("SELECT (SELECT k, name FROM names)", SqlError, "gives one column; this one gives 2"),
        ("SELECT k FROM names ORDER BY 2", SqlError, "position 2 at 1:30 is outside the select list"),
        ("SELECT k FROM names NATURAL JOIN p.d.odd", SqlError, "NATURAL JOIN"),
        ("SELECT k FROM names LEFT JOIN p.d.odd", SqlError, "needs a condition"),
        ("SELECT *", SqlError, "add a FROM clause"),
        ("SELECT @who", SqlError, "parameter @who has no value here"),
        ("SELECT ML.STANDARD_SCALER(SUM(k)) OVER() FROM names GROUP BY name", SqlError, "without GROUP BY"),
        (
            "SELECT k FROM names WHERE ML.STANDARD_SCALER(k) OVER() > 0",
            SqlError,
            "ML.STANDARD_SCALER learns from the rows",
        ),
        ("SELECT k FROM names QUALIFY ML.STANDARD_SCALER(k) OVER() > 0", SqlError, "it stands in the select list"),
        ("SELECT ML.STANDARD_SCALER(k) FROM names", SqlError, "write ML.STANDARD_SCALER(k) OVER ()"),
        ("SELECT ML.STANDARD_SCALER(k) OVER(ORDER BY k) FROM names", SqlError, "with an empty OVER ()"),
        ("SELECT ML.STANDARD_SCALER(RAND()) OVER() FROM names", SqlError, "RAND() or GENERATE_UUID() makes anew"),
        (
            "SELECT (SELECT MAX(ML.STANDARD_SCALER(s.k) OVER()) FROM names AS s WHERE s.name = n.name) FROM names AS n",
            SqlError,
            "cannot learn in a subquery that depends on the row around it",
        ),
        ("SELECT items[OFFSET(5)] FROM p.d.odd", DataError, "no item at that offset"),
        ("SELECT k, SUM(k) FROM names", SqlError, "must appear in the GROUP BY clause"),
        ("SELECT p.label FROM p.d.odd", SqlError, ".label reads a field of a struct"),
        ("SELECT k FROM names USING (k)", SqlError, "cannot read the SQL text"),
    ],
)
def test_a_query_that_cannot_be_says_why(text: str, error: type[Exception], said: str, catalog: MemoryCatalog) -> None:
    with pytest.raises(error) as caught:
        run(text, catalog)
    assert said in str(caught.value)


def test_all_statements_run_and_the_last_one_answers(catalog: MemoryCatalog) -> None:
    assert rows("SELECT 1; SELECT k FROM names ORDER BY k LIMIT 1;", catalog) == [(1,)]


def test_nothing_runs_before_the_whole_text_has_been_read(catalog: MemoryCatalog) -> None:
    with pytest.raises(SqlError, match="at 1:"):
        run("DROP MODEL m; SELEC 1", catalog)  # an unknown model would be an UnknownNameError


def test_narrow_integers_add_up_as_int64(catalog: MemoryCatalog) -> None:
    assert rows("SELECT k * 2147483647 FROM p.d.odd WHERE s = 'b'", catalog) == [(4294967294,)]
