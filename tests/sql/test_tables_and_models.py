"""Statements that make, change and take away tables and models, in a catalog in memory and in a project."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as ps
from penstock.errors import ConflictError, PenstockError, SqlError, UnknownNameError
from penstock.project import Project
from penstock.sql import MemoryCatalog, only_reads, parse, run

HIRES = "`bigquery-public-data.london_bicycles.cycle_hire`"
MODEL = (
    "CREATE OR REPLACE MODEL d.minutes OPTIONS(model_type='linear_reg', input_label_cols=['duration']) AS"
    f" SELECT duration, start_station_name FROM {HIRES}"
)


@pytest.fixture
def project(tmp_path: Path, hires: pa.Table) -> Project:
    pq.write_table(hires, tmp_path / "hires.parquet")
    (tmp_path / "penstock.toml").write_text(f"[tables]\n{HIRES.replace('`', chr(34))} = 'hires.parquet'\n")
    return ps.open(tmp_path)


@pytest.fixture(params=["memory", "project"])
def sql(request: pytest.FixtureRequest, hires: pa.Table) -> Iterator[Any]:
    """Run statements, in one kind of catalog and in the other."""
    if request.param == "project":
        yield request.getfixturevalue("project").sql
    else:
        catalog = MemoryCatalog({HIRES.strip("`"): hires})
        yield lambda text: run(text, catalog)


def test_a_table_that_was_made_is_read_by_later_statements(sql: Any) -> None:
    made = sql(f"CREATE TABLE d.few AS SELECT duration, start_station_name FROM {HIRES} LIMIT 10")
    assert made.to_pylist() == [{"table": "d.few", "rows": 10}]
    assert sql("SELECT COUNT(*) AS n FROM d.few").to_pylist() == [{"n": 10}]
    assert "d.few" in sql("SHOW TABLES")["table"].to_pylist()
    assert sql("DESCRIBE TABLE d.few").to_pylist()[0] == {"column": "duration", "type": "INT64"}


def test_a_table_is_made_anew_only_where_the_statement_says_so(sql: Any) -> None:
    sql("CREATE TABLE d.one AS SELECT 1 AS x")
    with pytest.raises(ConflictError, match=r"'d.one' exists; write CREATE OR REPLACE TABLE"):
        sql("CREATE TABLE d.one AS SELECT 2 AS x")
    [again] = sql("CREATE TABLE IF NOT EXISTS d.one AS SELECT 2 AS x").to_pylist()
    assert again["done"] == "exists already, nothing was made"
    assert sql("SELECT x FROM d.one").to_pylist() == [{"x": 1}]
    sql("CREATE OR REPLACE TABLE d.one AS SELECT x + 1 AS x FROM d.one")
    assert sql("SELECT x FROM d.one").to_pylist() == [{"x": 2}]
    sql("CREATE OR REPLACE TABLE d.one AS SELECT 1 AS x")  # as it was at first
    assert sql("SELECT x FROM d.one").to_pylist() == [{"x": 1}]


def test_a_dropped_table_is_gone_and_may_be_made_again(sql: Any) -> None:
    sql("CREATE TABLE d.one AS SELECT 1 AS x; DROP TABLE d.one")
    with pytest.raises(UnknownNameError, match=r"no table named 'd.one'"):
        sql("SELECT * FROM d.one")
    with pytest.raises(UnknownNameError, match=r"no table named 'd.one'"):
        sql("DROP TABLE d.one")
    assert sql("DROP TABLE IF EXISTS d.one")["done"][0].as_py() == "no table of that name to drop"
    sql("CREATE TABLE d.one AS SELECT 1 AS x")
    assert sql("SELECT x FROM d.one").to_pylist() == [{"x": 1}]


@pytest.mark.parametrize("statement", ["CREATE OR REPLACE TABLE {} AS SELECT 1 AS x", "DROP TABLE {}"])
def test_a_declared_table_is_neither_overwritten_nor_dropped(sql: Any, statement: str) -> None:
    with pytest.raises(ConflictError, match=r"is declared"):
        sql(statement.format(HIRES))
    assert sql(f"SELECT COUNT(*) AS n FROM {HIRES}").to_pylist() == [{"n": 600}]


def test_what_is_said_of_a_model_is_shown_and_taken_back(sql: Any) -> None:
    sql(MODEL)
    sql("ALTER MODEL d.minutes SET OPTIONS(description='how long', labels=[('team', 'bikes'), ('stage', 'try')])")
    sql("ALTER MODEL d.minutes SET OPTIONS(friendly_name='Minutes')")
    rows = {row["name"]: row["value"] for row in sql("DESCRIBE MODEL d.minutes").to_pylist() if row["part"] == "said"}
    assert rows == {
        "description": "how long",
        "friendly_name": "Minutes",
        "labels": "{'team': 'bikes', 'stage': 'try'}",
    }
    sql("ALTER MODEL d.minutes SET OPTIONS(description=NULL)")
    assert "how long" not in sql("DESCRIBE MODEL d.minutes")["value"].to_pylist()
    assert sql("ALTER MODEL IF EXISTS d.other SET OPTIONS(description='x')")["done"][0].as_py() == (
        "no model of that name to alter"
    )


@pytest.mark.parametrize(
    ("statement", "error", "said"),
    [
        ("ALTER MODEL d.other SET OPTIONS(description='x')", UnknownNameError, "no model named 'd.other'"),
        (
            "ALTER MODEL d.minutes SET OPTIONS(expiration_timestamp=NULL)",
            UnknownNameError,
            "no option named 'expiration_timestamp' in ALTER MODEL; there are: description, friendly_name, labels",
        ),
        ("ALTER MODEL d.minutes SET OPTIONS(labels=['a'])", SqlError, "takes pairs of texts"),
        ("ALTER MODEL d.minutes SET OPTIONS(description=3)", SqlError, "description takes a text, or NULL; not 3"),
        ("ALTER MODEL d.minutes OPTIONS(description='x')", SqlError, "ALTER MODEL goes on with SET OPTIONS(...)"),
        ("EXPORT MODEL d.minutes OPTIONS(format='onnx')", UnknownNameError, "no option named 'format'"),
        ("EXPORT MODEL d.minutes OPTIONS(URI='gs://bucket/m')", SqlError, "'gs://bucket/m' is an address"),
        ("CREATE TABLE d.t", SqlError, "CREATE TABLE d.t is made of a query"),
        (
            "CREATE TABLE d.t OPTIONS(description='x') AS SELECT 1 AS a",
            SqlError,
            "has description='x' at 1:38; it takes AS SELECT alone",
        ),
        ("CREATE SCHEMA d", SqlError, "CREATE SCHEMA at 1:1 is not a statement that penstock runs"),
        ("CREATE TEMP VIEW t AS SELECT 1 AS a", SqlError, "CREATE TEMP at 1:1 is not a statement"),
        (MODEL.replace(" AS SELECT", " AS (holidays AS (SELECT").replace("hire`", "hire`))"), SqlError, "not holidays"),
    ],
)
def test_a_statement_that_cannot_be_says_why(sql: Any, statement: str, error: type[Exception], said: str) -> None:
    sql(MODEL)
    with pytest.raises(error) as caught:
        sql(statement)
    assert said in str(caught.value)


def test_training_data_may_have_a_name(sql: Any) -> None:
    named = MODEL.replace(" AS SELECT", " AS (training_data AS (SELECT").replace("hire`", "hire`))")
    assert sql(named)["rows"].to_pylist() == [600]


def test_only_queries_read_and_everything_else_writes() -> None:
    texts = (
        "SELECT 1 AS x",
        "SHOW MODELS",
        MODEL,
        "CREATE TABLE t AS SELECT 1 AS x",
        "DROP TABLE t",
        "ALTER MODEL m SET OPTIONS(description='x')",
        "EXPORT MODEL m OPTIONS(URI='x')",
    )
    assert [only_reads(statement) for text in texts for statement in parse(text)] == [True, True] + [False] * 5


def test_an_exported_model_predicts_the_same(project: Project) -> None:
    project.sql(MODEL)
    project.sql("EXPORT MODEL d.minutes OPTIONS(URI='out/minutes')")
    rows = project.sql(f"SELECT * FROM {HIRES}")
    assert ps.load_model(project.root / "out/minutes").predict(rows) == project.predict("d.minutes", rows)


@pytest.mark.parametrize("path", ["/tmp/outside", "../outside", "~/outside/../../../outside", ".penstock/artifacts/m"])
def test_a_statement_reaches_no_file_outside_the_project(project: Project, path: str) -> None:
    project.sql(MODEL)
    with pytest.raises(SqlError, match="lies outside the project's folder, or where penstock keeps its state"):
        project.sql(f"EXPORT MODEL d.minutes OPTIONS(URI='{path}')")
    with pytest.raises(SqlError, match="lies outside the project's folder, or where penstock keeps its state"):
        project.sql(f"CREATE MODEL came OPTIONS(model_type='onnx', model_path='file://{path}')")


def test_python_reads_what_sql_made_and_sql_what_python_named(project: Project) -> None:
    project.sql(f"CREATE TABLE d.few AS SELECT duration, start_station_name FROM {HIRES} LIMIT 10")
    assert project.repository["d.few"].load().num_rows == 10
    model = ps.model("m", type="linear_reg", label="duration", features={"s": ps.col("start_station_name")})
    assert project.fit(model, "d.few").facts["rows"]["train"] == 10
    project.repository.name(project.repository["d.few"], "copied", alias="latest")
    assert project.sql("SELECT COUNT(*) AS n FROM copied").to_pylist() == [{"n": 10}]
    with pytest.raises(ConflictError, match=r"'copied' was not made by CREATE TABLE"):
        project.sql("DROP TABLE copied")


def test_lineage_goes_from_a_made_table_to_the_tables_and_models_that_it_comes_from(project: Project) -> None:
    project.sql(MODEL)
    project.sql(
        "CREATE TABLE d.told AS SELECT predicted_duration AS told, start_station_name, duration FROM"
        f" ML.PREDICT(MODEL d.minutes, TABLE {HIRES})"
    )
    project.sql(
        "CREATE MODEL d.second OPTIONS(model_type='linear_reg', input_label_cols=['duration']) AS"
        " SELECT duration, told FROM d.told"
    )
    above = project.repository.lineage("d.second@champion", down=False)
    assert HIRES.strip("`") in [node.label for node in above.nodes.values() if node.kind == "source"]
    graph = project.models["d.minutes"].alias("champion").digest
    told = project.repository["d.told"].digest
    assert {f"artifact:{graph}", f"artifact:{told}"} <= set(above.nodes)
    below = project.repository.lineage("d.minutes@champion", up=False)
    assert f"artifact:{told}" in below.nodes


def test_lineage_of_a_model_fitted_on_a_query_goes_to_the_tables_and_models_that_it_read(project: Project) -> None:
    project.sql(MODEL)
    project.sql(f"CREATE TABLE d.few AS SELECT duration, start_station_name FROM {HIRES} LIMIT 10")
    project.fit(
        ps.model("again", type="linear_reg", label="duration", features={"told": ps.col("told")}),
        "SELECT p.duration, p.predicted_duration AS told FROM ML.PREDICT(MODEL d.minutes, TABLE d.few) AS p"
        f" UNION ALL SELECT duration, 1.0 FROM {HIRES}",
    )
    above = project.repository.lineage("again/1", down=False)
    assert HIRES.strip("`") in [node.label for node in above.nodes.values() if node.kind == "source"]
    read = {project.repository["d.few"].digest, project.models["d.minutes"].alias("champion").digest}
    assert {f"artifact:{digest}" for digest in read} <= set(above.nodes)
    below = project.repository.lineage("d.few@latest", up=False)
    assert f"artifact:{project.models['again'].standing(1).digest}" in below.nodes


def test_lineage_of_a_model_fitted_on_a_table_that_was_made_goes_on_to_what_it_was_made_of(project: Project) -> None:
    project.sql(f"CREATE TABLE d.few AS SELECT duration, start_station_name FROM {HIRES} LIMIT 10")
    project.fit(ps.model("m", type="linear_reg", label="duration"), "d.few")
    above = project.repository.lineage("m/1", down=False)
    assert f"artifact:{project.repository['d.few'].digest}" in above.nodes
    assert HIRES.strip("`") in [node.label for node in above.nodes.values() if node.kind == "source"]


def test_rows_to_fit_on_are_one_query(project: Project) -> None:
    with pytest.raises(SqlError, match="rows are given by one query"):
        project.fit(ps.model("m", type="linear_reg", label="duration"), f"SELECT 1 AS x; SELECT * FROM {HIRES}")


def test_garbage_collection_leaves_a_made_table_and_takes_what_it_was_before(project: Project) -> None:
    project.sql("CREATE TABLE d.one AS SELECT 1 AS x")
    before = project.repository["d.one"].digest
    project.sql("CREATE OR REPLACE TABLE d.one AS SELECT 2 AS x")
    time.sleep(0.06)  # the times of files lag behind the clock by a tick of the kernel's; see `LocalSweeper`
    project.repository.gc(dry_run=False, keep_runs=1, grace=0)
    assert project.sql("SELECT x FROM d.one").to_pylist() == [{"x": 2}]
    with pytest.raises(PenstockError, match=before[:12]):
        project.repository[before[:12]].load()
