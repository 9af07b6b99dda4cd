"""Rows that a step gave go into a feature set by a step: once, however often it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from stream_worlds import EVENTS, numbers_in

import penstock as ps
from penstock.errors import StepError
from penstock.features import TARGET, ingest_into, target_source
from penstock.tables import to_arrow


@ps.step
def cleaned(source: ps.Source, numbers: int) -> ps.Table:
    return ps.read(source).slice(0, numbers)


@ps.pipeline
def filling(numbers: int = 3) -> Any:
    return ps.ingest(EVENTS, cleaned("rides.jsonl", numbers), on_bad="dead_letter")


@pytest.fixture
def filled(project: ps.Project) -> ps.Project:
    lines = [f'{{"driver": 1, "event": "2026-11-01T0{n}:00:00Z", "fare": 1.5, "number": {n}}}' for n in range(5)]
    (project.root / "rides.jsonl").write_text("\n".join([*lines[:2], lines[2].replace("1,", "null,", 1), *lines[3:]]))
    project.features.apply(EVENTS)
    return project


def test_a_step_stores_rows_once_and_is_up_to_date(filled: ps.Project) -> None:
    run = filled.run(filling, engine="inline")
    made = run.result("ingest")
    assert {name: made[name] for name in ("feature_set", "rows", "dead_letters", "repeated")} == {
        "feature_set": "rides@1", "rows": 2, "dead_letters": 1, "repeated": False,
    }  # fmt: skip
    again = filled.run(filling, engine="inline")
    assert again.steps["ingest"].state == "up_to_date"
    assert sorted(numbers_in(filled)) == [0, 1]
    assert filled.features.dead_letters.count("rides") == 1
    assert filled.features.get_online_features(["rides:number"], {"driver": [1]}).column("number").to_pylist() == [1]


def test_other_rows_are_another_batch(filled: ps.Project) -> None:
    filled.run(filling, engine="inline")
    filled.run(filling, engine="inline", numbers=5)
    assert sorted(numbers_in(filled)) == [0, 0, 1, 1, 3, 4]


def test_the_batch_is_the_content_of_the_rows_however_they_lie_in_memory(filled: ps.Project) -> None:
    places = filled.features.places
    target = target_source(
        filled.metadata, TARGET + "rides", history=places.history.address, index=places.index,
        online="lmdb:.penstock/online", project="p",
    )  # fmt: skip
    rows = to_arrow(filled.root / "rides.jsonl").slice(3)
    pieces = pa.concat_tables([rows.slice(0, 1), rows.slice(1)]).replace_schema_metadata({"a": "b"})
    done = [
        ingest_into(target, each, filled.metadata, root=filled.root, secrets={}, on_bad="fail")
        for each in (rows, pieces, rows.slice(1))
    ]
    assert [made.repeated for made, _ in done] == [False, True, False]
    assert done[0][1] == done[1][1] != done[2][1]


def test_outside_a_pipeline_it_says_what_to_call(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"project\.features\.ingest"):
        ps.ingest("rides", pa.table({"driver": [1]}))


@ps.step
def labels(count: int) -> ps.Table:
    at = pa.array([f"2026-11-01 0{number}:30:00Z" for number in range(count)]).cast(pa.timestamp("us", "UTC"))
    return pa.table({"driver": [1] * count, "event_timestamp": at})


@ps.pipeline
def training(numbers: int = 3, stores: bool = True) -> Any:
    kept = cleaned("rides.jsonl", numbers)
    ps.ingest(EVENTS, kept, on_bad="dead_letter", when=stores)
    return ps.historical_features(labels(5), ["rides:number"])


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_what_a_pipeline_stores_is_there_for_what_it_joins_after(filled: ps.Project, engine: str) -> None:
    def joined(**params: Any) -> list[Any]:
        run = filled.run(training, engine=engine, **params)
        assert run.state == "succeeded", {name: step.record.error for name, step in run.steps.items()}
        numbers: list[Any] = run.result("historical_features").column("number").to_pylist()
        return numbers

    assert joined() == [0, 1, 1, 1, 1]  # the history was empty when the run began
    assert joined(numbers=5) == [0, 1, 1, 3, 4]
    assert joined(numbers=5, stores=False) == [0, 1, 1, 3, 4]  # what is there counts, whoever stored it
    filled.run(training, engine=engine, numbers=5)
    filled.run(training, engine=engine, numbers=5)
    assert {step.state for step in filled.runs(limit=1)[0].steps.values()} == {"up_to_date"}
