"""Tables of a project that lie in no file of it: Delta tables with their versions, and rows that Python hands over."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import deltalake
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import ConflictError, DataError, SqlError, UnknownNameError
from penstock.project import Project

PIPELINES = """
import penstock as ps

@ps.pipeline
def count(source: str = "hires"):
    ps.statistics(ps.read(source))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A Delta table of two versions, declared as it is and as it was at first."""
    deltalake.write_deltalake(tmp_path / "hires", pa.table({"n": [1, 2], "city": ["a", "b"]}), partition_by=["city"])
    (tmp_path / "penstock.toml").write_text(
        "[tables]\nhires = 'hires'\nfirst = { path = 'hires', as_of = 0 }\n"
        "early = { path = 'hires', format = 'delta', as_of = 2000-01-01T00:00:00Z }\nplain = 'plain.csv'\n"
    )
    (tmp_path / "plain.csv").write_text("n\n1\n")
    (tmp_path / "pipelines.py").write_text(PIPELINES)
    return ps.open(tmp_path)


def grow(project: Project) -> None:
    rows = pa.table({"n": [3], "city": ["c"]})
    deltalake.write_deltalake(project.root / "hires", rows, mode="append")


def test_sql_reads_a_delta_table_as_it_is_and_as_it_was(project: Project) -> None:
    between = datetime.datetime.now(datetime.UTC)
    time.sleep(0.02)  # the log counts milliseconds
    grow(project)
    assert project.sql("SELECT SUM(n) AS n FROM hires").to_pylist() == [{"n": 6}]
    assert project.sql("SELECT SUM(n) AS n FROM first").to_pylist() == [{"n": 3}]
    text = f"SELECT SUM(h.n) AS n FROM hires AS h FOR SYSTEM_TIME AS OF TIMESTAMP '{between.isoformat()}'"
    assert project.sql(text).to_pylist() == [{"n": 3}]
    added = (
        "SELECT now.n FROM hires AS now LEFT JOIN hires AS before FOR SYSTEM_TIME AS OF "
        f"TIMESTAMP_SUB(TIMESTAMP '{between.isoformat()}', INTERVAL 0 HOUR) USING (n) WHERE before.city IS NULL"
    )
    assert project.sql(added).to_pylist() == [{"n": 3}]


def test_a_past_that_is_not_there_is_an_error(project: Project) -> None:
    with pytest.raises(DataError, match="'hires' was not there at 2001-01-01"):
        project.sql("SELECT * FROM hires FOR SYSTEM_TIME AS OF '2001-01-01'")
    with pytest.raises(DataError, match="'early' was not there at 2000-01-01"):
        project.sql("SELECT * FROM early")
    with pytest.raises(DataError, match="'plain' is no Delta table"):
        project.sql("SELECT * FROM plain FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()")
    project.sql("CREATE TABLE made AS SELECT 1 AS n")
    with pytest.raises(SqlError, match=r"what 'made' was at .* is not known"):
        project.sql("SELECT * FROM made FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()")
    with pytest.raises(SqlError, match="takes a timestamp, but 3 is int64"):
        project.sql("SELECT * FROM hires FOR SYSTEM_TIME AS OF 3")


def test_a_step_that_reads_a_delta_table_is_stale_when_a_version_has_other_files(project: Project) -> None:
    assert project.run("count").state == "succeeded"
    assert {step.state for step in project.run("count").steps.values()} == {"up_to_date"}
    grow(project)
    assert project.run("count").steps["read"].state == "succeeded"
    assert project.run("count", source="first").steps["read"].state == "up_to_date"  # what hires was before


def test_a_table_made_of_a_version_has_it_in_its_lineage(project: Project) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat()
    project.sql(f"CREATE TABLE made AS SELECT n FROM hires FOR SYSTEM_TIME AS OF TIMESTAMP '{now}'")
    above = project.repository.lineage("made", down=False)
    assert "hires" in [node.label for node in above.nodes.values() if node.kind == "source"]


@pytest.mark.parametrize("form", [pa.table, pl.DataFrame, pd.DataFrame, lambda columns: [{"n": 1}, {"n": 2}]])
def test_statements_read_rows_that_python_hands_over(project: Project, form: object) -> None:
    project.table("rides", form({"n": [1, 2]}))  # type: ignore[operator]  # each makes a table of columns
    assert project.sql("SELECT SUM(n) AS n FROM rides").to_pylist() == [{"n": 3}]
    assert "rides" in project.sql("SHOW TABLES")["table"].to_pylist()
    project.table("rides", [{"n": 7}])
    assert project.sql("SELECT n FROM rides").to_pylist() == [{"n": 7}]


def test_a_model_learns_from_rows_that_python_hands_over(project: Project) -> None:
    project.table("rides", [{"n": number, "m": number * 2} for number in range(50)])
    project.sql("CREATE MODEL d.m OPTIONS(model_type='linear_reg', input_label_cols=['n']) AS SELECT n, m FROM rides")
    model = ps.model("python", type="linear_reg", label="n", features={"m": ps.col("m")})
    project.fit(model, "rides")
    assert project.predict("python", "rides").num_rows == 50
    [rows] = [artifact for artifact in project.repository.find(kind="table") if artifact.record.schema[1:]]
    for name in ("d.m@champion", "python/1"):
        assert f"artifact:{rows.digest}" in project.repository.lineage(name, down=False).nodes


def test_equal_rows_under_a_name_are_one_artifact(project: Project) -> None:
    for _ in range(2):
        project.table("rides", pa.table({"n": [1, 2]}))
        project.sql("CREATE OR REPLACE TABLE made AS SELECT n + 1 AS n FROM rides")
    assert len(project.repository.find(kind="table")) == 2


def test_rows_that_one_project_object_was_given_are_not_there_for_another(project: Project) -> None:
    project.table("rides", [{"n": 1}])
    with pytest.raises(UnknownNameError, match="no table named 'rides'"):
        ps.open(project.root).sql("SELECT * FROM rides")


def test_rows_take_no_name_that_the_project_has(project: Project) -> None:
    project.sql("CREATE TABLE made AS SELECT 1 AS n")
    for name in ("hires", "made"):
        with pytest.raises(ConflictError, match=f"'{name}' is a table of the project already"):
            project.table(name, [{"n": 1}])
    project.table("rides", [{"n": 1}])
    with pytest.raises(ConflictError, match="'rides' is handed over by Python; it cannot be overwritten"):
        project.sql("CREATE OR REPLACE TABLE rides AS SELECT 1 AS n")
