"""The public API of the design, called exactly as it is written there, as far as it is built."""

from __future__ import annotations

import datetime
import inspect
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet
import pytest

import penstock as ps
from penstock.pipelines.pipeline_function import RUN_OPTIONS

pytestmark = pytest.mark.usefixtures("warm_workers")

rentals = ps.model("bicycle", type="linear_reg", label="duration", options={"l2_reg": 0.1}, features={
    "station": ps.col("start_station_name"), "day": ps.col("start_date").day_of_week().cast("string"),
    "hour": "EXTRACT(HOUR FROM start_date)",
    "km": ps.col("km").log1p().standard_scaler()})  # fmt: skip


@ps.step
def clean(rows: ps.Table, max_hours: float = 24) -> ps.Table:
    """Leave out rentals of more than a day."""
    return rows.filter(pa.compute.less(rows["duration"], max_hours * 3600))


@ps.step(retries=2, timeout="10m", cpus=2, memory="2GiB", modes={"train"}, version="1", depends_on=[clean], cache="1h")
def count(rows: ps.Table) -> int:
    """Count rows."""
    return rows.num_rows


@ps.pipeline
def bikes(source: str = "hire/*.parquet", l2: float = 0.1) -> None:
    """From the design."""
    rows = clean(ps.read(source))
    count(rows)
    train, test = ps.split(rows, by="start_date", test=0.2)
    graph = ps.fit(rentals, train, options={"l2_reg": l2})
    report = ps.evaluate(graph, test)
    ps.push(graph, name="bicycle", when=report["mean_absolute_error"] < 600)


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    random, rows = np.random.default_rng(1), 1000
    km = random.exponential(3, rows)
    (tmp_path / "hire").mkdir()
    table = pa.table(
        {
            "duration": 200 + 250 * km + random.normal(0, 30, rows),
            "start_station_name": np.array(["Kings Cross", "Hyde Park"])[random.integers(0, 2, rows)],
            "start_date": pa.array(1_720_000_000_000_000 + np.arange(rows) * 600_000_000, pa.timestamp("us", "UTC")),
            "km": km,
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "hire" / "july.parquet")
    return ps.open(tmp_path)


def test_the_workflow_pipeline_of_the_design(project: ps.Project) -> None:
    run = project.run(bikes, l2=0.2, experiment="strength", engine="inline")
    assert (run.state, run.params, run.mode, run.cause["kind"]) == (
        "succeeded",
        {"source": "hire/*.parquet", "l2": 0.2},
        "train",
        "manual",
    )
    assert run.id
    assert run.steps["clean"].state == "succeeded"
    assert isinstance(run.steps["clean"].log(), str)
    assert run.artifact("evaluate").load()["mean_absolute_error"] < 300
    assert run.artifact("count").load() == 1000
    assert [found.id for found in project.runs(experiment="strength")] == [run.id]
    assert project.why(run, "fit")
    assert {step.state for step in project.plan(bikes, l2=0.3).steps} >= {"up_to_date", "stale"}

    parts = project.run(bikes, l2=0.3, since="fit", until="evaluate", mode="train", engine="local", wait=True)
    assert {name for name, step in parts.steps.items() if step.state == "succeeded"} == {"fit", "evaluate"}
    only = project.run(bikes, only=["clean"], engine="inline")
    assert only.steps["clean"].state == "up_to_date"


def test_the_model_of_the_design(project: ps.Project, tmp_path: Path) -> None:
    graph = project.fit(rentals, "hire/*.parquet")
    sunday = datetime.datetime(2024, 5, 5, 18, tzinfo=datetime.UTC)
    rows = [{"start_station_name": "Kings Cross", "start_date": sunday, "km": 2}]
    predicted = graph.predict(rows)
    assert isinstance(predicted, pa.Table)
    assert predicted.column_names == ["predicted_duration", "start_station_name", "start_date", "km"]
    assert set(graph.signature.inputs.names) == {"start_station_name", "start_date", "km"}
    assert graph.signature.outputs.names == ("predicted_duration",)
    assert {"station", "day", "hour", "km"} <= {node.name.partition("__")[0] for node in graph.nodes}
    graph.save(tmp_path / "saved")
    assert ps.load_model(tmp_path / "saved").predict(rows).equals(predicted)
    unrecorded = ps.fit(rentals, ps.read(str(tmp_path / "hire/*.parquet")))
    assert unrecorded.predict(rows).equals(predicted)
    assert len(project.models["bicycle"].versions) == 1
    assert project.predict("bicycle", rows).equals(predicted)
    assert project.evaluate("bicycle", "hire/*.parquet")["r2_score"] > 0.8
    assert project.verify("bicycle").equal


def test_a_classifier_gives_every_label_with_its_probability(project: ps.Project) -> None:
    model = ps.model("long", type="boosted_tree_classifier", label="is_long", features={"km": ps.col("km")})
    graph = project.fit(model, _long(project))
    found = graph.predict([{"km": 9.0}])
    assert found.column_names == ["predicted_is_long", "predicted_is_long_probs", "km"]
    first, second = found["predicted_is_long_probs"][0].as_py()
    assert first["label"] == found["predicted_is_long"][0].as_py() is True
    assert first["prob"] + second["prob"] == pytest.approx(1)


def _long(project: ps.Project) -> pa.Table:
    rows = ps.read(str(project.root / "hire/*.parquet"))
    return rows.append_column("is_long", pa.compute.greater(rows["duration"], 1000))


def test_an_image_that_no_engine_can_give_is_an_error_and_not_ignored(project: ps.Project) -> None:
    @ps.pipeline
    def boxed() -> None:
        ps.read.configured(image="python:3.11")("hire/*.parquet")

    with pytest.raises(ps.errors.DeclarationError, match=r"step 'read' runs in the image 'python:3\.11'"):
        project.run(boxed)


def test_the_options_of_a_run_are_no_names_of_parameters() -> None:
    options = set(inspect.signature(ps.Project.run).parameters) - {"self", "params"}
    assert options == set(RUN_OPTIONS)
