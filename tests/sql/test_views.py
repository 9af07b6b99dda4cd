"""Views: queries under a name, in a catalog in memory and in a project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import ConflictError, PenstockError, SqlError, UnknownNameError
from penstock.project import Project
from penstock.sql import MemoryCatalog, only_reads, parse, run

ROWS = pa.table({"n": [1, 2, 3], "s": ["a", "b", "c"]})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "t.csv").write_text("n,s\n1,a\n2,b\n3,c\n")
    (tmp_path / "penstock.toml").write_text("[tables]\nt = 't.csv'\n")
    return ps.open(tmp_path)


@pytest.fixture(params=["memory", "project"])
def sql(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Run statements, in one kind of catalog and in the other."""
    if request.param == "project":
        yield request.getfixturevalue("project").sql
    else:
        catalog = MemoryCatalog({"t": ROWS})
        yield lambda text: run(text, catalog)


def test_a_view_is_read_as_a_table_is_and_with_the_rows_of_now(sql: Any) -> None:
    sql("CREATE TABLE made AS SELECT 1 AS n")
    assert sql("CREATE VIEW d.v AS SELECT n * 2 AS twice FROM made ORDER BY n").to_pylist() == [
        {"view": "d.v", "done": "made"}
    ]
    assert sql("SELECT v.twice FROM d.v JOIN d.v AS other USING (twice)").to_pylist() == [{"twice": 2}]
    sql("CREATE OR REPLACE TABLE made AS SELECT 5 AS n")
    assert sql("SELECT * FROM d.v").to_pylist() == [{"twice": 10}]
    assert sql("DESCRIBE TABLE d.v").to_pylist() == [{"column": "twice", "type": "INT64"}]
    assert "d.v" in sql("SHOW TABLES")["table"].to_pylist()


def test_a_view_sees_nothing_of_the_query_that_reads_it(sql: Any) -> None:
    sql("CREATE VIEW v AS SELECT COUNT(*) AS n FROM t")
    assert sql("WITH t AS (SELECT 1 AS n LIMIT 0) SELECT n FROM v").to_pylist() == [{"n": 3}]


def test_a_view_is_made_anew_only_where_the_statement_says_so(sql: Any) -> None:
    sql("CREATE VIEW v AS SELECT 1 AS x")
    with pytest.raises(ConflictError, match="a view named 'v' exists; write CREATE OR REPLACE VIEW"):
        sql("CREATE VIEW v AS SELECT 2 AS x")
    [again] = sql("CREATE VIEW IF NOT EXISTS v AS SELECT 2 AS x").to_pylist()
    assert again["done"] == "exists already, nothing was made"
    assert sql("SELECT x FROM v").to_pylist() == [{"x": 1}]
    sql("CREATE OR REPLACE VIEW v AS SELECT 3 AS x")
    assert sql("SELECT x FROM v").to_pylist() == [{"x": 3}]


def test_a_dropped_view_is_gone_and_may_be_made_again(sql: Any) -> None:
    sql("CREATE VIEW v AS SELECT 1 AS x; DROP VIEW v")
    with pytest.raises(UnknownNameError, match="no table named 'v'"):
        sql("SELECT * FROM v")
    assert sql("DROP VIEW IF EXISTS v")["done"][0].as_py() == "no view of that name to drop"
    sql("CREATE VIEW v AS SELECT 1 AS x")
    assert sql("SELECT x FROM v").to_pylist() == [{"x": 1}]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DROP TABLE v", "'v' is a view; write DROP VIEW v"),
        ("DROP VIEW made", "'made' is a table; write DROP TABLE made"),
        ("DROP VIEW t", "'t' is a table"),
        ("CREATE OR REPLACE TABLE v AS SELECT 1 AS x", "'v' is a view; DROP VIEW v before"),
        ("CREATE OR REPLACE VIEW made AS SELECT 1 AS x", "'made' is a table; DROP TABLE made before"),
        ("CREATE OR REPLACE VIEW t AS SELECT 1 AS x", "'t' is declared"),
    ],
)
def test_a_view_is_no_table_and_a_table_no_view(sql: Any, statement: str, message: str) -> None:
    sql("CREATE VIEW v AS SELECT 1 AS x; CREATE TABLE made AS SELECT 1 AS x")
    with pytest.raises(ConflictError, match=message):
        sql(statement)
    assert sql("SELECT x FROM v UNION ALL SELECT x FROM made").to_pylist() == [{"x": 1}, {"x": 1}]


def test_a_view_that_would_read_itself_is_not_made(sql: Any) -> None:
    sql("CREATE VIEW a AS SELECT 1 AS x; CREATE VIEW b AS SELECT * FROM a; CREATE VIEW c AS SELECT * FROM b")
    with pytest.raises(SqlError, match="the view 'a' reads itself: a -> c -> b -> a"):
        sql("CREATE OR REPLACE VIEW a AS SELECT * FROM c")
    assert sql("SELECT * FROM c").to_pylist() == [{"x": 1}]


def test_a_view_whose_query_is_wrong_is_not_made(sql: Any) -> None:
    for query in (
        "SELECT nothing FROM t",
        "SELECT * FROM nowhere",
        "SELECT n + 'a' AS x FROM t",
        "SELECT f(n) AS x FROM t",
    ):
        with pytest.raises(PenstockError):
            sql(f"CREATE TEMP FUNCTION f(x INT64) AS (x); CREATE VIEW v AS {query}")
    with pytest.raises(UnknownNameError):
        sql("SELECT * FROM v")


def test_a_view_that_reads_what_is_no_more_says_which_view(sql: Any) -> None:
    sql("CREATE TABLE made AS SELECT 1 AS n; CREATE VIEW v AS SELECT n + 1 AS more FROM made")
    sql("CREATE OR REPLACE TABLE made AS SELECT 'x' AS n")
    with pytest.raises(PenstockError, match=r"the view 'v': .*string"):
        sql("SELECT * FROM v")


def test_the_text_of_a_view_is_kept_as_it_was_written(sql: Any) -> None:
    sql("CREATE VIEW v AS\n-- the first ones\nSELECT n AS `a b` -- n\nFROM t;")
    [view] = sql("SELECT view_definition AS text FROM INFORMATION_SCHEMA.VIEWS").to_pylist()
    assert view["text"].splitlines()[-2:] == ["SELECT n AS `a b` -- n", "FROM t"]


def test_a_view_of_predictions_predicts_when_it_is_read(sql: Any) -> None:
    sql("CREATE MODEL m OPTIONS(model_type='linear_reg', input_label_cols=['n']) AS SELECT n, s FROM t")
    sql("CREATE VIEW v AS SELECT s, predicted_n > 0 AS some FROM ML.PREDICT(MODEL m, TABLE t)")
    assert sql("SELECT COUNTIF(some) AS n FROM v").to_pylist() == [{"n": 3}]


def test_a_view_writes_and_changes_what_others_see() -> None:
    assert not only_reads(parse("CREATE VIEW v AS SELECT 1 AS x")[0])
    assert not only_reads(parse("DROP VIEW v")[0])


@pytest.mark.parametrize(
    "text", ["CREATE VIEW v (a) AS SELECT 1 AS x", "CREATE VIEW v OPTIONS(description='x') AS SELECT 1 AS x"]
)
def test_what_a_view_does_not_take_is_refused(text: str) -> None:
    with pytest.raises(SqlError, match="CREATE VIEW v"):
        parse(text)


def test_python_reads_a_view_by_its_name_and_its_tables_are_in_the_lineage(project: Project) -> None:
    project.sql("CREATE VIEW v AS SELECT n, s FROM t WHERE n < 3")
    model = ps.model("m", type="linear_reg", label="n", features={"s": ps.col("s")})
    project.fit(model, "v")
    assert project.predict("m", "v").num_rows == 2
    above = project.repository.lineage("m/1", down=False)
    assert "t" in [node.label for node in above.nodes.values() if node.kind == "source"]


def test_a_view_outlives_the_project_object(project: Project) -> None:
    project.sql("CREATE VIEW v AS SELECT COUNT(*) AS n FROM t")
    assert ps.open(project.root).sql("SELECT n FROM v").to_pylist() == [{"n": 3}]
