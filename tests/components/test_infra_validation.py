"""A packaged model in a real server process: the answers are those of batch prediction, or it is not blessed."""

from __future__ import annotations

import datetime
import os
import re
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as ps
from penstock.components import infra_validation
from penstock.errors import DataError, DeclarationError
from penstock.models.keeping import digest_of

FEATURES = {"km": ps.col("km"), "city": ps.col("city"), "day": ps.col("day")}
rides = ps.model("rides", type="linear_reg", label="minutes", features=FEATURES)
ROWS = pa.Table.from_pylist(
    [{"km": n * 1.5, "city": "abc"[n % 3], "day": f"2026-01-{n % 28 + 1:02}", "minutes": n * 4.0} for n in range(300)]
)


@pytest.fixture(scope="module")
def graph() -> ps.ModelGraph:
    return ps.fit(rides, ROWS)


def servers() -> list[int]:
    """Return the processes of trial servers that this process has started and that live."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            said, status = (each / "cmdline").read_bytes(), (each / "status").read_text()
        except OSError:
            continue
        ours = f"PPid:\t{os.getpid()}\n" in status
        found += [int(each.name)] if ours and b"penstock-trial-" in said and b"serve" in said else []
    return found


def test_a_model_that_serves_what_it_predicts_is_blessed_and_measured(graph: ps.ModelGraph):
    blessing = ps.infra_validate(graph, ROWS, requests=60, p50_ms=2000, p99_ms=5000, memory="8GiB", start="120s")
    assert blessing["blessed"], blessing["checks"]
    assert blessing["graph"] == digest_of(graph)
    assert [each["name"] for each in blessing["checks"]] == ["start", "answers", "p50_ms", "p99_ms", "memory"]
    assert blessing["checks"][1]["why"] == "60 of 60 answers are what batch prediction gives"
    measured = blessing["measured"]
    assert 0 < measured["p50_ms"] <= measured["p99_ms"]
    assert measured["memory"] > 20 * 2**20
    assert not servers()


def test_what_it_is_too_slow_or_too_large_for_is_said_and_other_answers_are_found(
    graph: ps.ModelGraph, monkeypatch: pytest.MonkeyPatch
):
    other = ps.fit(rides, ROWS.slice(0, 40))
    real = infra_validation.models.predict
    monkeypatch.setattr(infra_validation.models, "predict", lambda given, rows: real(other, rows))
    blessing = ps.infra_validate(graph, ROWS, requests=30, p99_ms=0.0001, memory="1MiB")
    failed = {each["name"]: each["why"] for each in blessing["checks"] if not each["passed"]}
    assert not blessing["blessed"]
    assert set(failed) == {"answers", "p99_ms", "memory"}
    assert re.search(r"differing \d+: .*batch .*, served ", failed["answers"])
    assert "it may be 1 MiB" in failed["memory"]


def test_a_server_that_does_not_start_is_no_blessing_and_leaves_no_process(graph: ps.ModelGraph):
    blessing = ps.infra_validate(graph, ROWS, start=0.001)
    assert not blessing["blessed"]
    assert "did not serve in time" in blessing["checks"][0]["why"]
    assert not servers()


def test_a_server_that_dies_when_it_is_asked_is_no_blessing(graph: ps.ModelGraph, monkeypatch: pytest.MonkeyPatch):
    real = infra_validation.requests_of

    def killed(rows: Any) -> Any:
        for pid in servers():
            os.kill(pid, signal.SIGKILL)
        return real(rows)

    monkeypatch.setattr(infra_validation, "requests_of", killed)
    blessing = ps.infra_validate(graph, ROWS, requests=30)
    assert not blessing["blessed"]
    assert [each["name"] for each in blessing["checks"]] == ["answers"]
    assert blessing["checks"][0]["why"].startswith("the server gave no answer: ")
    with pytest.raises(DeclarationError, match="requests=0; give how many are sent"):
        ps.infra_validate(graph, ROWS, requests=0)


START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
taxis = ps.feature_set(
    "taxis", entities={"zone": "string"}, timestamp="at", features={"mean_7d": ps.col("fare").mean().over("7d")},
    columns={"fare": "float64"},
)  # fmt: skip
fare = ps.model(
    "fare", type="linear_reg", label="fare", features={"mean": ps.feature("taxis:mean_7d"), "km": ps.col("km")}
)


@ps.pipeline
def looked():
    rows = ps.historical_features(ps.read("rides.parquet"), fare)
    graph = ps.fit(fare, rows)
    ps.infra_validate(graph, rows, requests=30)


def test_a_model_that_looks_features_up_is_tried_with_them_in_the_requests(tmp_path: Path):
    project = ps.open(tmp_path)
    rows = pa.table(
        {
            "zone": [f"z{n % 5}" for n in range(200)],
            "at": [START + datetime.timedelta(minutes=20 * n) for n in range(200)],
            "fare": [5.0 + n % 11 for n in range(200)],
            "km": [float(n % 11) for n in range(200)],
        }
    )
    project.features.apply(taxis)
    project.features.ingest("taxis", rows)
    pq.write_table(rows.rename_columns(["zone", "event_timestamp", "fare", "km"]), tmp_path / "rides.parquet")
    run = project.run(looked, engine="inline")
    assert run.state == "succeeded", run.record.error
    blessing = run.artifact("infra_validate").load()
    assert blessing["blessed"], blessing["checks"]
    assert blessing["graph"] == run.artifact("fit").digest
    with pytest.raises(DataError, match=r"model 'fare' looks up taxis@1:mean_7d, which the rows lack"):
        ps.infra_validate(run.artifact("fit").load(), rows)
