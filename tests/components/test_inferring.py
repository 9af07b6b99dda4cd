"""Bulk prediction: only with a blessed graph where a blessing is wired, without the label, into a file."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

import penstock as ps
from penstock.errors import DeclarationError

rides = ps.model("rides", type="linear_reg", label="minutes", features={"km": ps.col("km")})


@ps.pipeline
def scored(source: str, worst: float = 1e9, to: str = "out/predicted.parquet"):
    rows = ps.read(source)
    graph = ps.fit(rides, rows)
    blessing = ps.bless(graph, rows, thresholds={"mean_absolute_error": {"max": worst}})
    ps.push(graph, name="rides", blessings=[blessing])
    ps.predict(graph, rows, blessing=blessing, to=to)


@ps.pipeline
def kept(source: str = "rides.csv", to: str = "out/all.duckdb", table: str = "rides"):
    rows = ps.read(source)
    graph = ps.fit(rides, ps.read.configured(name="old")("rides.csv"))
    ps.predict(graph, rows, to=to, table=table, by="km")


@ps.pipeline
def mapped():
    graph = ps.fit(rides, ps.read("rides.csv"))
    batches = ps.read.map(["rides.csv", "new.csv"])
    ps.predict.map(ps.unmapped(graph), batches, to="out/all.duckdb", table="rides", by="km")


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    (tmp_path / "rides.csv").write_text("km,minutes\n" + "".join(f"{km},{km * 3}\n" for km in range(50)))
    (tmp_path / "new.csv").write_text("km,minutes\n1000,0\n2000,0\n")
    return ps.open(tmp_path)


def test_a_graph_that_is_not_blessed_is_not_used(project: ps.Project):
    run = project.run(scored, source="rides.csv", worst=-1.0, engine="inline")
    assert (run.steps["predict"].state, run.steps["push"].state) == ("skipped", "skipped")
    assert run.steps["predict"].reason.startswith("not used: mean_absolute_error is ")
    assert not (project.root / "out").exists()


def test_predictions_are_written_and_again_where_the_file_is_gone(project: ps.Project):
    run = project.run(scored, source="rides.csv", engine="inline")
    file = project.root / "out" / "predicted.parquet"
    assert pq.read_table(file).equals(run.artifact("predict").load())
    assert list(file.parent.iterdir()) == [file]
    assert project.run(scored, source="rides.csv", engine="inline").steps["predict"].state == "up_to_date"
    file.unlink()
    assert project.run(scored, source="rides.csv", engine="inline").steps["predict"].state == "succeeded"
    assert file.exists()


def test_inference_takes_the_blessing_of_the_promoted_run_and_leaves_the_label_out(project: ps.Project):
    promoted = project.run(scored, source="rides.csv", engine="inline")
    project.run(scored, source="new.csv", worst=-1.0, engine="inline")  # newer, and not blessed
    run = project.run(scored, source="new.csv", mode="infer", to="out/new.csv", engine="inline")
    assert run.steps["bless"].reason.endswith(f"its outputs are those of run {promoted.id}")
    assert run.artifact("predict").load().column_names == ["predicted_minutes", "km"]
    assert (project.root / "out" / "new.csv").read_text().splitlines()[0] == '"predicted_minutes","km"'


def test_a_step_of_a_run_that_infers_is_run_again_as_one(project: ps.Project):
    project.run(scored, source="rides.csv", engine="inline")
    run = project.run(scored, source="new.csv", mode="infer", to="out/new.csv", engine="inline")
    assert run.steps["predict"].replay().column_names == ["predicted_minutes", "km"]
    verified = run.steps["predict"].verify()
    assert (verified.same, verified.since) == (True, "")


def test_a_format_that_is_not_known_is_refused():
    graph = ps.fit(rides, [{"km": km, "minutes": 3 * km} for km in range(9)])
    with pytest.raises(DeclarationError, match=r"'\.xlsx' is not a format to write"):
        ps.predict(graph, graph.predict([{"km": 1}]).select(["km"]), to="predicted.xlsx")


def held(project: ps.Project) -> list[tuple[int, int]]:
    with duckdb.connect(str(project.root / "out/all.duckdb"), read_only=True) as database:
        return database.sql("SELECT count(*), count(DISTINCT km) FROM rides").fetchall()


def test_predictions_go_into_a_table_of_more_and_no_run_adds_them_twice(project: ps.Project):
    project.run(kept, engine="inline")
    project.run(kept, source="new.csv", engine="inline")
    assert held(project) == [(52, 52)]
    again = project.run(kept, source="new.csv", engine="inline")
    assert again.steps["predict"].state == "up_to_date"
    graph, rows = again.artifact("fit").load(), again.artifact("read").load()
    ps.predict(graph, rows, to=str(project.root / "out/all.duckdb"), table="rides", by="km")
    assert held(project) == [(52, 52)]
    (project.root / "out/all.duckdb").unlink()
    assert project.run(kept, source="new.csv", engine="inline").steps["predict"].state == "succeeded"
    assert held(project) == [(2, 2)]


def test_mapped_predictions_go_into_one_table_side_by_side_and_stay_up_to_date(project: ps.Project):
    run = project.run(mapped, engine="local")
    assert run.state == "succeeded", run.record.error
    assert held(project) == [(52, 52)]
    assert project.run(mapped, engine="local").steps["predict"].state == "up_to_date"


def test_a_file_of_its_own_has_no_table_and_no_parts(project: ps.Project):
    run = project.run(kept, to="out/all.csv", table="", engine="inline")
    assert "out/all.csv is a file of these rows alone" in run.steps["predict"].record.error
