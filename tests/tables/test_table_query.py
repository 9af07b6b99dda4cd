"""SQL over tables that are handed in."""

from __future__ import annotations

import pyarrow as pa
import pytest

from penstock.errors import DataError, SqlError
from penstock.tables import bound, query, resolve


def test_tables_have_the_names_they_are_given():
    tables = {"a": [{"x": 1}], "bigquery-public-data.bikes.hire": pa.table({"x": [1], "y": ["u"]}), "at": [{"x": 1}]}
    sql = 'SELECT y FROM a JOIN "bigquery-public-data.bikes.hire" USING (x) JOIN "at" USING (x)'
    assert query(sql, **tables).to_pylist() == [{"y": "u"}]


def test_results_have_our_types():
    made = query("SELECT sum(x) AS total, 1.5 AS d, count(*)::TINYINT AS n FROM t", t=[{"x": 2**62}])
    assert made.to_pylist() == [{"total": 2**62, "d": 1.5, "n": 1}]


def test_sources_are_joined_with_tables(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,u\n2,v\n")
    source = resolve("a.csv", root=tmp_path)
    assert query("SELECT y FROM a JOIN b USING (x)", a=source, b=[{"x": 2}]).to_pylist() == [{"y": "v"}]


def test_a_name_lasts_as_long_as_its_block():
    with bound({"t": [{"x": 1}]}) as cursor:
        assert cursor.sql("SELECT * FROM t").fetchall() == [(1,)]
    with pytest.raises(SqlError, match="t does not exist"):
        query("SELECT * FROM t")


def test_queries_nest():
    with bound({"t": [{"x": 1}]}) as cursor:
        assert query("SELECT * FROM t", t=[{"x": 2}]).to_pylist() == [{"x": 2}]
        assert cursor.sql("SELECT * FROM t").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("sql", "error", "says"),
    [
        ("SELECT y FROM t", SqlError, '"y"'),
        ("SELECT CAST('q' AS BIGINT) FROM t", DataError, "'q'"),
        ("FROM", SqlError, "syntax error"),
    ],
)
def test_errors_are_ours(sql, error, says):
    with pytest.raises(error, match=says):
        query(sql, t=[{"x": 1}])
