"""INSERT, UPDATE, DELETE and TRUNCATE of tables that SQL made, temporary ones, and what CREATE TABLE takes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import ConflictError, PenstockError, SqlError, UnknownNameError
from penstock.project import Project
from penstock.sql import MemoryCatalog, only_reads, parse, run

MADE = "CREATE TABLE d.t AS SELECT 1 AS n, 'a' AS s, DATE '2024-05-05' AS day, 0.5 AS x"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "declared.csv").write_text("n\n1\n")
    (tmp_path / "penstock.toml").write_text("[tables]\ndeclared = 'declared.csv'\n")
    return ps.open(tmp_path)


@pytest.fixture(params=["memory", "project"])
def sql(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Run statements, in one kind of catalog and in the other."""
    if request.param == "project":
        yield request.getfixturevalue("project").sql
    else:
        catalog = MemoryCatalog({"declared": pa.table({"n": [1]})})
        yield lambda text: run(text, catalog)


def numbers(sql: Any, table: str = "d.t") -> list[int]:
    return sql(f"SELECT n FROM {table} ORDER BY n")["n"].to_pylist()


def test_insert_adds_rows_written_out_and_reads_texts_as_dates(sql: Any) -> None:
    sql(MADE)
    said = sql("INSERT INTO d.t VALUES (2, 'b', '2024-05-06', 1), (3, NULL, DATE '2024-05-07', DEFAULT)")
    assert said.to_pylist() == [{"table": "d.t", "rows": 3}]
    assert sql("SELECT * FROM d.t WHERE n > 1 ORDER BY n").to_pylist() == [
        {"n": 2, "s": "b", "day": datetime.date(2024, 5, 6), "x": 1.0},
        {"n": 3, "s": None, "day": datetime.date(2024, 5, 7), "x": None},
    ]


def test_insert_takes_columns_by_name_and_leaves_the_others_null(sql: Any) -> None:
    sql(MADE)
    sql("INSERT d.t (s, N) SELECT CONCAT(s, '!'), n + 1 FROM d.t")
    assert sql("SELECT * FROM d.t WHERE n = 2").to_pylist() == [{"n": 2, "s": "a!", "day": None, "x": None}]
    sql("INSERT INTO d.t (n) WITH more AS (SELECT 7 AS n) SELECT n FROM more UNION ALL SELECT 8")
    assert numbers(sql) == [1, 2, 7, 8]


def test_delete_takes_out_rows_for_which_the_condition_holds_and_no_others(sql: Any) -> None:
    sql("CREATE TABLE d.t AS SELECT * FROM UNNEST([1, 2, NULL, 4]) AS n")
    sql("DELETE FROM d.t AS u WHERE u.n IN (SELECT n FROM declared) OR n = 4")
    assert numbers(sql) == [None, 2]
    sql("DELETE d.t WHERE TRUE")
    assert numbers(sql) == []


def test_update_changes_rows_for_which_the_condition_holds(sql: Any) -> None:
    sql("CREATE TABLE d.t AS SELECT n, n * 10 AS m, DATE '2024-05-05' AS day FROM UNNEST([1, 2, NULL]) AS n")
    sql("UPDATE d.t SET n = m, m = n, day = '2025-01-01' WHERE n = 2")  # all read the row as it was
    assert [tuple(row.values()) for row in sql("SELECT * FROM d.t ORDER BY n").to_pylist()] == [
        (None, None, datetime.date(2024, 5, 5)),
        (1, 10, datetime.date(2024, 5, 5)),
        (20, 2, datetime.date(2025, 1, 1)),
    ]


def test_truncate_leaves_the_columns(sql: Any) -> None:
    sql(f"{MADE}; TRUNCATE TABLE d.t")
    assert sql("SELECT * FROM d.t").num_rows == 0
    assert sql("DESCRIBE TABLE d.t")["type"].to_pylist() == ["INT64", "STRING", "DATE", "FLOAT64"]


@pytest.mark.parametrize(
    ("statement", "error", "message"),
    [
        ("INSERT INTO declared VALUES (1)", ConflictError, "is declared: its rows are not SQL's to change"),
        ("DELETE FROM d.v WHERE TRUE", ConflictError, "'d.v' is a view; change the tables that it reads"),
        ("INSERT INTO nowhere VALUES (1)", UnknownNameError, "no table named 'nowhere'"),
        ("INSERT INTO d.t (n, z) VALUES (1, 2)", UnknownNameError, "no column named 'z' in INSERT"),
        ("INSERT INTO d.t (n, N) VALUES (1, 2)", SqlError, "names column 'n' twice"),
        ("INSERT INTO d.t (n) VALUES (1, 2)", SqlError, "(1, 2) at 1:29 has 2 values; here stand 1"),
        ("INSERT INTO d.t (n) SELECT 1, 2", SqlError, "names 1 columns and gives 2 values"),
        ("INSERT INTO d.t (n) VALUES (1.5)", SqlError, "column 'n', which is int64, a value that is float64; CAST it"),
        ("INSERT INTO d.t (n) VALUES (1), ('x')", SqlError, "value 1 of VALUES at 1:29 is int64 and string"),
        ("UPDATE d.t SET n = 1.5 WHERE TRUE", SqlError, "column 'n' of 'd.t' is int64, and would become float64"),
        ("UPDATE d.t SET n = 1, n = 2 WHERE TRUE", SqlError, "sets column 'n' twice"),
        ("UPDATE d.t SET z = 1 WHERE TRUE", UnknownNameError, "no column named 'z' in UPDATE"),
        ("UPDATE d.t SET n = 1", SqlError, "UPDATE at 1:8 has no WHERE"),
        ("DELETE FROM d.t", SqlError, "DELETE at 1:13 has no WHERE"),
        (
            "UPDATE d.t SET n = o.n FROM declared AS o WHERE TRUE",
            SqlError,
            "with a LEFT JOIN that finds the new values",
        ),
    ],
)
def test_a_change_that_cannot_be_says_why_and_changes_nothing(
    sql: Any, statement: str, error: type[Exception], message: str
) -> None:
    sql(f"{MADE}; CREATE VIEW d.v AS SELECT 1 AS n")
    with pytest.raises(error) as caught:
        sql(statement)
    assert message in str(caught.value)
    assert numbers(sql) == [1]


def test_a_change_writes() -> None:
    for text in (
        "INSERT INTO t VALUES (1)",
        "DELETE FROM t WHERE TRUE",
        "UPDATE t SET a = 1 WHERE TRUE",
        "TRUNCATE TABLE t",
    ):
        assert not only_reads(parse(text)[0])


def test_a_change_is_a_version_whose_lineage_goes_to_the_table_before(project: Project) -> None:
    project.sql("CREATE TABLE d.t AS SELECT 1 AS n")
    before = project.repository["d.t"].digest
    project.sql("INSERT INTO d.t SELECT n + 1 FROM declared")
    above = project.repository.lineage("d.t", down=False)
    assert f"artifact:{before}" in above.nodes
    assert "declared" in [node.label for node in above.nodes.values() if node.kind == "source"]
    assert (
        project.runs(pipeline="table d.t")[0].steps["query"].log().strip()
        == "INSERT INTO d.t SELECT n + 1 FROM declared"
    )


def test_a_temporary_table_is_there_for_the_statements_after_it_alone(sql: Any) -> None:
    text = (
        "CREATE TEMP TABLE few AS SELECT n FROM declared; INSERT INTO few VALUES (2); CREATE TABLE kept AS "
        "SELECT few.n FROM few FULL JOIN ML.DESCRIBE_DATA(TABLE few) AS d ON FALSE WHERE few.n IS NOT NULL; "
    )
    assert sql(f"{text}SELECT COUNT(*) AS n FROM few")["n"].to_pylist() == [2]
    assert numbers(sql, "kept") == [1, 2]
    with pytest.raises(UnknownNameError, match="no table named 'few'"):
        sql("SELECT * FROM few")
    assert "few" not in sql("SHOW TABLES")["table"].to_pylist()


def test_a_temporary_table_hides_one_that_is_kept_and_views_do_not_see_it(sql: Any) -> None:
    sql("CREATE TABLE one AS SELECT 1 AS n; CREATE VIEW v AS SELECT n FROM one")
    text = "CREATE TEMPORARY TABLE one AS SELECT 9 AS n; SELECT one.n, v.n AS m FROM one, v"
    assert sql(text).to_pylist() == [{"n": 9, "m": 1}]
    assert sql("CREATE TEMP TABLE one AS SELECT 9 AS n; DROP TABLE one; SELECT n FROM one")["n"].to_pylist() == [1]
    with pytest.raises(ConflictError, match="a temporary table 'a' exists; write CREATE OR REPLACE TEMP TABLE"):
        sql("CREATE TEMP TABLE a AS SELECT 1 AS n; CREATE TEMP TABLE a AS SELECT 2 AS n")
    again = "CREATE OR REPLACE TEMP TABLE a AS SELECT n + 1 AS n FROM a; SELECT n FROM a"
    assert sql(f"CREATE TEMP TABLE a AS SELECT 1 AS n; {again}")["n"].to_pylist() == [2]


def test_what_a_temporary_table_was_read_from_is_in_the_lineage_of_what_is_made_of_it(project: Project) -> None:
    project.sql("CREATE TEMP TABLE few AS SELECT n FROM declared; CREATE TABLE kept AS SELECT n FROM few")
    above = project.repository.lineage("kept", down=False)
    assert "declared" in [node.label for node in above.nodes.values() if node.kind == "source"]


def test_a_table_may_be_made_empty_of_columns_or_as_another_is(sql: Any) -> None:
    sql("CREATE TABLE d.t (n INT64, s STRING, at TIMESTAMP)")
    assert sql("DESCRIBE TABLE d.t")["type"].to_pylist() == ["INT64", "STRING", "TIMESTAMP"]
    sql("INSERT INTO d.t (n) VALUES (4); CREATE TABLE copied COPY d.t; CREATE TABLE empty LIKE d.t")
    assert (numbers(sql, "copied"), numbers(sql, "empty")) == ([4], [])


def test_how_bigquery_would_keep_a_table_changes_nothing(sql: Any) -> None:
    sql("CREATE TABLE d.t PARTITION BY day CLUSTER BY n AS SELECT 1 AS n, CURRENT_DATE() AS day")
    assert numbers(sql) == [1]


@pytest.mark.parametrize(
    "columns", ["(n INT64 NOT NULL)", "(n INT64 OPTIONS(description = 'x'))", "(n INT64) AS SELECT 1 AS n"]
)
def test_what_create_table_does_not_keep_is_refused(columns: str) -> None:
    with pytest.raises(SqlError, match="CREATE TABLE t"):
        parse(f"CREATE TABLE t {columns}")


def test_variables_hold_values_for_the_statements_after_them(sql: Any) -> None:
    text = (
        "DECLARE least, most INT64 DEFAULT 2; DECLARE names ARRAY<STRING> DEFAULT ['a']; DECLARE day DATE; "
        "SET most = (SELECT MAX(n) + 10 FROM declared); SET (day, least) = (DATE '2024-05-05', LEAST + 1); "
        "SELECT least, most, names, day, n FROM (SELECT n FROM declared WHERE n < most) WHERE least IN (SELECT 3)"
    )
    [row] = sql(text.replace("LEAST + 1", "least + 1")).to_pylist()
    assert row == {"least": 3, "most": 11, "names": ["a"], "day": datetime.date(2024, 5, 5), "n": 1}


def test_a_column_goes_before_a_variable_and_models_see_variables(sql: Any) -> None:
    assert sql("DECLARE n INT64 DEFAULT 7; SELECT n FROM declared")["n"].to_pylist() == [1]
    text = (
        "DECLARE k INT64 DEFAULT 5; CREATE MODEL m OPTIONS(model_type='linear_reg', input_label_cols=['y']) AS "
        "SELECT k * x AS y, x FROM UNNEST([1, 2, 3]) AS x; "
        "SELECT COUNT(*) AS n FROM ML.PREDICT(MODEL m, (SELECT k AS x))"
    )
    assert sql(text)["n"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SET threads = 1", "no variable named 'threads' in SET; DECLARE declares one"),
        ("DECLARE a INT64; DECLARE A STRING", "the variable A is declared twice"),
        ("DECLARE a INT64 DEFAULT 'x'", "the variable a is int64, and cannot be string; CAST the value"),
        ("DECLARE a INT64; SET a = 1.5", "the variable a is int64, and cannot be float64"),
        ("DECLARE a, b INT64; SET (a, b) = (1, 2, 3)", "write SET a = value, or SET (a, b) = (value, value)"),
        ("DECLARE a DEFAULT STRUCT(1 AS x)", "the variable a cannot hold struct<x int64>"),
        ("DECLARE a INT64; CREATE VIEW v AS SELECT a AS n", "no column named 'a'"),
    ],
)
def test_a_variable_that_cannot_be_says_why(sql: Any, text: str, message: str) -> None:
    with pytest.raises(PenstockError) as caught:
        sql(text)
    assert message in str(caught.value)


def test_variables_change_nothing_that_is_kept() -> None:
    assert all(map(only_reads, parse("DECLARE a INT64; SET a = 1; SELECT a")))
