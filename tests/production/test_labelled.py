"""Logged rows with their labels as rows of a pipeline: read again exactly when the log or the labels have changed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from log_worlds import AT, graph, logged, numbered, rows_of

import penstock as ps
from penstock.errors import DataError
from penstock.production import add_labels, label_rows
from penstock.production.labelled import labelled_source, read_labelled
from penstock.production.records import RecordForm, utc

FORM = RecordForm(graph(), 2, "d2")


def told(folder: Path, **labels: float | None) -> None:
    rows = pa.table({"id": list(labels), "y": pa.array(labels.values(), pa.float64())})
    add_labels(folder, "km", label_rows(graph(), rows, now=AT), now=AT)


def source(folder: Path):
    return labelled_source("labelled:km", folder / "requests", folder / "labels")


def test_rows_have_their_inputs_their_label_and_what_was_predicted(tmp_path: Path) -> None:
    logged(tmp_path / "requests", numbered(FORM, range(4)), numbered(RecordForm(graph(), 3, "d3"), [9]))
    told(tmp_path / "labels", r1=10.0, r3=30.0, r9=90.0, r2=None)
    found = read_labelled(source(tmp_path))
    assert found.to_pylist() == [
        {"id": f"r{n}", "time": utc(AT + n), "version": version, "y": 10.0 * n, "predicted_y": 2.0 * n, "km": float(n),
         "city": "x"}
        for n, version in ((1, 2), (3, 2), (9, 3))
    ]  # fmt: skip
    later = read_labelled(source(tmp_path), since="2026-11-18T11:06:43Z", until=AT + 9)
    assert later["id"].to_pylist() == ["r3"]
    assert read_labelled(source(tmp_path), since="", until="").num_rows == 3


def test_an_input_that_is_called_as_a_column_of_the_log_is_told_apart(tmp_path: Path) -> None:
    odd = graph(inputs={"id": "int64", "y": "string"})
    logged(
        tmp_path / "requests", rows_of(RecordForm(odd, 1, "d"), [("r", AT, {"id": 7, "y": "a"}, {"predicted_y": 1})])
    )
    told(tmp_path / "labels", r=5.0)
    [row] = read_labelled(source(tmp_path)).to_pylist()
    assert (row["id"], row["y"], row["input_id"], row["input_y"]) == ("r", 5.0, 7, "a")


def test_a_row_that_two_versions_have_answered_is_learned_from_once(tmp_path: Path) -> None:
    again = rows_of(RecordForm(graph(), 3, "d3"), [("r1", AT + 50, {"km": 7.0}, {"predicted_y": 70})])
    logged(tmp_path / "requests", numbered(FORM, range(3)), again)
    told(tmp_path / "labels", r1=10.0, r2=20.0)
    found = read_labelled(source(tmp_path)).to_pylist()
    assert [(row["id"], row["version"], row["km"]) for row in found] == [("r2", 2, 2.0), ("r1", 3, 7.0)]


def test_versions_whose_rows_do_not_go_together_are_named(tmp_path: Path) -> None:
    other = RecordForm(graph(inputs={"km": "string"}), 3, "d3")
    far = rows_of(other, [("r9", AT + 50, {"km": "far"}, {"predicted_y": 70})])
    logged(tmp_path / "requests", numbered(FORM, range(3)), far)
    told(tmp_path / "labels", r1=10.0, r9=20.0)
    with pytest.raises(DataError, match=r"versions 2, 3 of model 'km' .*km.*; say since="):
        read_labelled(source(tmp_path))
    assert read_labelled(source(tmp_path), since=AT + 40)["km"].to_pylist() == ["far"]


def test_a_time_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="until is 'yesterday'; give a time as"):
        read_labelled(source(tmp_path), until="yesterday")


def test_without_labels_it_is_said_how_many_rows_and_labels_there_are(tmp_path: Path) -> None:
    logged(tmp_path / "requests", numbered(FORM, range(4)))
    with pytest.raises(DataError, match="4 rows are logged in that time, and 0 labels"):
        read_labelled(source(tmp_path))
    told(tmp_path / "labels", other=1.0)
    with pytest.raises(DataError, match=r"no logged row of model 'km' has a label: 4 rows .* and 1 labels"):
        read_labelled(source(tmp_path))


def test_a_step_reads_them_and_runs_again_when_labels_have_come(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    logged(project.config.requests, numbered(FORM, range(4)))
    told(project.config.labels, r1=10.0)

    @ps.pipeline
    def learn(after: str = ""):
        ps.labelled_rows("km", since=after)

    def run() -> tuple[str, int]:
        found = project.run(learn, engine="inline")
        assert found.state == "succeeded", found.error
        return found.steps["labelled_rows"].state, found.artifact("labelled_rows").load().num_rows

    assert [run(), run()] == [("succeeded", 1), ("up_to_date", 1)]
    told(project.config.labels, r2=20.0)
    assert run() == ("succeeded", 2)
    logged(project.config.requests, numbered(FORM, [7]))
    assert run() == ("succeeded", 2)
