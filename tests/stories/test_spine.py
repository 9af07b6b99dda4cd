"""Raw table to served, verified model: the whole way, through the public API, as the README tells it."""

from __future__ import annotations

import datetime
import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from story_projects import AnyProject, served

import penstock as ps
import warm

pytestmark = pytest.mark.usefixtures("warm_workers")

ALL = ["read", "clean", "statistics", "schema", "validate", "split", "fit", "evaluate", "push"]


def _states(run: ps.Run) -> dict[str, str]:
    return {name: step.state for name, step in run.steps.items()}


def test_a_pipeline_runs_once_and_then_is_up_to_date(project: AnyProject) -> None:
    first = project.run("flights")
    assert first.state == "succeeded", first.record.error
    assert _states(first) == dict.fromkeys(ALL, "succeeded")
    assert first.steps["clean"].log() == "cleaning 2000 rows\n"
    assert first.artifact("evaluate").load()["mean_absolute_error"] < 10

    again = project.run("flights")
    assert _states(again) == dict.fromkeys(ALL, "up_to_date")
    assert again.steps["clean"].log() == "cleaning 2000 rows\n"


def test_another_parameter_runs_only_what_needs_it(project: AnyProject) -> None:
    project.run("flights")
    planned = {step.name: step.state for step in project.plan("flights", depth=6).steps}
    assert planned["split"] == "up_to_date"
    assert planned["fit"] == "stale"
    run = project.run("flights", depth=6)
    changed = {name for name, state in _states(run).items() if state == "succeeded"}
    assert changed == {"fit", "evaluate", "push"}
    assert "4" in project.why(run, "fit")
    assert "6" in project.why(run, "fit")
    assert project.models["late"].alias("champion").version == 2


def test_an_edited_helper_is_noticed_in_a_fresh_process(root: Path) -> None:
    command = [warm.python(), "-m", "penstock", "run", "flights", "--json"]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (root / "helpers.py").write_text("def worst_delay():\n    # a comment changes nothing\n    return 200.0\n")
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    project = ps.open(root)
    assert set(_states(project.runs()[0]).values()) == {"up_to_date"}
    (root / "helpers.py").write_text("def worst_delay():\n    return 100.0\n")
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    run = project.runs()[0]
    assert _states(run)["clean"] == "succeeded"
    assert "helpers.py" in project.why(run, "clean")


def test_changed_files_are_read_again(project: AnyProject, root: Path) -> None:
    project.run("flights")
    import pyarrow.parquet

    path = root / "data" / "flights.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).slice(0, 1500), path)
    run = project.run("flights")
    assert _states(run)["read"] == "succeeded"
    assert run.steps["clean"].log() == "cleaning 1500 rows\n"


def test_a_model_that_is_not_good_enough_is_not_pushed(project: AnyProject) -> None:
    run = project.run("flights", good=0.001)
    assert run.state == "succeeded"
    assert _states(run)["push"] == "skipped"
    assert "late" not in project.models


def test_a_push_happens_again_when_the_alias_was_moved_away(project: AnyProject) -> None:
    project.run("flights")
    project.run("flights", depth=6)
    assert project.models["late"].alias("champion").version == 2
    back = project.run("flights")
    assert {name for name, state in _states(back).items() if state == "succeeded"} == {"push"}
    assert project.models["late"].alias("champion").version == 1


def test_steps_in_worker_processes_give_the_same_artifacts(project: AnyProject) -> None:
    run = project.run("flights", engine="local")
    assert run.state == "succeeded", [(s.record.step, s.record.error) for s in run.steps.values()]
    assert run.steps["clean"].log() == "cleaning 2000 rows\n"
    assert set(_states(project.run("flights", engine="inline")).values()) == {"up_to_date"}


@pytest.mark.parametrize(("step", "output"), [("read", "result"), ("fit", "result"), ("split", "train")])
def test_a_stored_byte_that_changed_is_noticed_and_made_anew(root: Path, step: str, output: str) -> None:
    project = ps.open(root)
    digest = project.run("flights").artifact(step, output).digest
    blob = project.artifacts.path(digest)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(content)
    with pytest.raises(ps.errors.CorruptArtifactError, match=r"changed there and removed; run again"):
        project.artifacts.path(digest)
    again = project.run("flights")
    assert {name for name, state in _states(again).items() if state == "succeeded"} == {step}
    assert again.artifact(step, output).digest == digest
    assert project.predict("late", "flights").num_rows == 2000


def test_a_run_need_not_be_waited_for(project: AnyProject) -> None:
    run = project.run("flights", engine="local", experiment="apart", wait=False)
    assert run.wait(timeout_seconds=60).state == "succeeded"
    assert [found.id for found in project.runs(experiment="apart")] == [run.id]
    with pytest.raises(ps.errors.UnknownNameError, match=r"no step named 'fiit'.*Did you mean 'fit'"):
        project.run("flights", since="fiit", wait=False)


def test_sql_does_the_same_job_and_takes_raw_inputs(project: AnyProject) -> None:
    made = project.sql(
        "CREATE OR REPLACE MODEL linear TRANSFORM(arr_delay, dep_delay, carrier, "
        "ML.STANDARD_SCALER(LN(distance)) OVER() AS distance, EXTRACT(DAYOFWEEK FROM at) AS weekday) "
        "OPTIONS(model_type='linear_reg', input_label_cols=['arr_delay']) AS SELECT * FROM flights"
    )
    assert made["model"].to_pylist() == ["linear"]
    judged = project.sql("SELECT mean_absolute_error FROM ML.EVALUATE(MODEL linear)")
    assert judged["mean_absolute_error"][0].as_py() < 10
    predicted = project.sql(
        "SELECT * FROM ML.PREDICT(MODEL linear, (SELECT 30.0 AS dep_delay, 'UA' AS carrier, 500 AS distance, "
        "TIMESTAMP '2026-01-04 12:00:00+00' AS at))"
    )
    assert predicted.column_names == ["predicted_arr_delay", "dep_delay", "carrier", "distance", "at"]
    assert 20 < predicted["predicted_arr_delay"][0].as_py() < 40
    assert project.runs(pipeline="fit linear")[0].state == "succeeded"


def test_fit_predict_evaluate_and_verify_by_name(project: AnyProject) -> None:
    model = ps.model("quick", type="linear_reg", label="arr_delay", features={"late": ps.col("dep_delay")})
    graph = project.fit(model, "flights")
    again = project.fit(model, "SELECT * FROM flights")
    assert project.models["quick"].versions[0].digest
    rows = [{"dep_delay": 10.0}, {"dep_delay": None}]
    assert project.predict("quick", rows).equals(graph.predict(rows))
    assert again.predict(rows).equals(graph.predict(rows))
    assert project.evaluate("quick", "flights")["mean_absolute_error"] < 10
    found = project.verify("quick")
    assert found.equal
    assert found.rows == 1000


def _call(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as response:
        content = response.read()
    return json.loads(content) if response.headers["content-type"].startswith("application/json") else content.decode()


def test_the_server_predicts_raw_rows_and_starts_runs_and_equals_batch(root: Path) -> None:
    project = ps.open(root)
    project.run("flights")
    row = {"carrier": "UA", "dep_delay": 30.0, "distance": 500, "at": "2026-01-04T12:00:00Z"}
    with served(root) as url:
        (answer,) = _call(f"{url}/v1/models/late:predict", {"instances": [row]})["predictions"]
        batch = project.predict("late", [{**row, "at": datetime.datetime.fromisoformat(row["at"])}])
        assert answer["predicted_arr_delay"] == pytest.approx(batch["predicted_arr_delay"][0].as_py(), rel=1e-12)

        started = _call(f"{url}/v1/pipelines/flights/runs", {"params": {"depth": 3}, "experiment": "by-rest"})
        run = project.get_run(started["id"]).wait(timeout_seconds=120)
        assert run.state == "succeeded"
        assert run.cause["kind"] == "rest"
        assert "mean_absolute_error" in _call(f"{url}/v1/runs/{run.id}/steps/fit/log")

        found = project.verify("late", url=url)
        assert found.equal, found.differing[:2]
        verified = subprocess.run(
            [warm.python(), "-m", "penstock", "verify", "late", "--url", url], cwd=root, capture_output=True
        )
        assert verified.returncode == 0, verified.stderr
