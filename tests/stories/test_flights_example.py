"""examples/flights: all five patterns in one project, trained, used for a later day, and served by keys alone."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from click.testing import CliRunner
from story_projects import served

import penstock as ps
from penstock.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_workers")]

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
TRAINED = {"first": "2013-03-01T00:00:00Z", "last": "2013-03-11T00:00:00Z"}
INGESTS = {"ingest", "ingest_2", "ingest_3"}
LATER = {"first": "2013-03-20T00:00:00Z", "last": "2013-03-21T00:00:00Z"}
RUN = re.compile(r"run \d{8}-\d{6}-[0-9a-f]{6}")
NEXT_DAY = {"first": "2013-03-11T00:00:00Z", "last": "2013-03-12T00:00:00Z"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    pytest.importorskip("lightgbm", reason="LightGBM is not here: pip install 'penstock[learners]'")
    root = tmp_path_factory.mktemp("flights")
    for file in (*EXAMPLE.glob("flight*.py"), EXAMPLE / "penstock.toml"):
        shutil.copy(file, root)
    project = ps.open(root)
    applied = CliRunner().invoke(main, ["-C", str(root), "features", "apply"])
    assert applied.exit_code == 0, applied.output
    assert project.run("facts").state == "succeeded"
    run = project.run("flights", **TRAINED)
    assert run.state == "succeeded", run.record.error
    return project


def test_the_page_shows_what_a_plan_draws(project: ps.Project) -> None:
    drawn = project.plan("flights", mode="infer", **LATER).svg
    picture = (EXAMPLE.parents[1] / "docs" / "flights-infer.svg").read_text()
    assert RUN.sub("", drawn) == RUN.sub("", picture)


def test_one_definition_learns_and_later_predicts_with_what_was_promoted(project: ps.Project) -> None:
    trained = project.runs(pipeline="flights")[-1]
    assert trained.artifact("bless").load()["blessed"]
    run = project.run("flights", mode="infer", **NEXT_DAY)
    done = {name for name, step in run.steps.items() if step.state == "succeeded"}
    assert done == {"between", "readings", *INGESTS, "validate", "historical_features", "predict"}
    assert run.steps["arrival.fit"].reason.endswith(f"of run {trained.id}")
    predicted = run.artifact("predict").load()
    assert set(predicted["route"].to_pylist()) <= {"late", "usual"}
    assert not {"arr_delay", "is_late"} & set(predicted.column_names)  # inference sees no labels
    arrived = run.artifact("between", "flights").load()["arr_delay"]
    assert predicted.num_rows == len(arrived) > arrived.null_count > 0  # who has not arrived is asked about too
    error = pc.mean(pc.abs(pc.subtract(predicted["predicted_arr_delay"], arrived))).as_py()
    assert error < 30  # minutes


def test_a_request_brings_keys_and_what_the_timetable_says_and_is_answered_as_batch_is(project: ps.Project) -> None:
    asked = {"carrier": "UA", "origin": "EWR", "tailnum": "N14228", "distance": 1400, "time_hour": NEXT_DAY["last"]}
    with served(project.root, PENSTOCK_SERVER_FEATURES_AS_OF=NEXT_DAY["last"]) as url:
        request = urllib.request.Request(
            f"{url}/v1/models/flights:predict", json.dumps({"instances": [asked]}).encode()
        )
        with urllib.request.urlopen(request) as response:
            [answer] = json.load(response)["predictions"]
    moment = pa.scalar(NEXT_DAY["last"]).cast(pa.timestamp("us", "UTC"))
    rows = pa.Table.from_pylist([{**asked, "time_hour": moment.as_py(), "event_timestamp": moment.as_py()}])
    [batch] = project.predict("flights", rows).to_pylist()
    assert (answer["predicted_arr_delay"], answer["route"]) == (batch["predicted_arr_delay"], batch["route"])
