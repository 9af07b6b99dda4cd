"""Something outside becomes an artifact, of the kind that it is, with a lineage that leads back to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as ps
from penstock.errors import DataError, UnknownNameError

rides = ps.model("rides", type="linear_reg", label="minutes", features={"km": ps.col("km")})


@ps.pipeline
def importing(path: str, kind: str = "auto"):
    ps.import_artifact(path, kind=kind)


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    rows = pa.table({"km": [1.0, 2.0, 3.0], "minutes": [3.0, 6.0, 9.5]})
    pq.write_table(rows, tmp_path / "rows.parquet")
    ps.fit(rides, rows).save(tmp_path / "handed_over")
    (tmp_path / "values.json").write_text('{"a": [1, 2]}')
    (tmp_path / "notes.md").write_text("hello")
    (tmp_path / "net.bin").write_bytes(b"\x00\x01")
    return ps.open(tmp_path)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("rows.parquet", "table"),
        ("handed_over", "model"),
        ("values.json", "json"),
        ("notes.md", "text"),
        ("net.bin", "file"),
    ],
)
def test_what_lies_outside_becomes_an_artifact_of_its_kind(project: ps.Project, path: str, kind: str):
    run = project.run(importing, path=path, engine="inline")
    made = run.artifact("import_artifact")
    assert made.record.kind == kind
    value: Any = made.load()
    match kind:
        case "table":
            assert value.to_pylist() == pq.read_table(project.root / path).to_pylist()
        case "model":
            assert value.predict([{"km": 2.0}]).equals(ps.load_model(project.root / path).predict([{"km": 2.0}]))
        case "file":
            assert value.read_bytes() == b"\x00\x01"
        case _:
            assert value == {"json": {"a": [1, 2]}, "text": "hello"}[kind]
    sources = [node.label for node in project.repository.lineage(f"{run.id}/import_artifact").nodes.values()]
    assert path in sources


def test_a_file_that_changed_is_imported_again(project: ps.Project):
    first = project.run(importing, path="values.json", engine="inline").artifact("import_artifact")
    assert project.run(importing, path="values.json", engine="inline").steps["import_artifact"].state == "up_to_date"
    (project.root / "values.json").write_text('{"a": [3]}')
    run = project.run(importing, path="values.json", engine="inline")
    assert run.artifact("import_artifact").load() == {"a": [3]}
    assert run.artifact("import_artifact").digest != first.digest


def test_what_is_not_there_or_not_what_is_said_is_named(project: ps.Project):
    run = project.run(importing, path="nowhere.csv", engine="inline")
    assert "there is nothing at" in run.record.error
    with pytest.raises(DataError, match=r"notes.md is not JSON: .*; kind='file' takes it as it is"):
        ps.import_artifact(project.root / "notes.md", kind="json")
    assert ps.import_artifact(project.root / "notes.md", kind="file") == project.root / "notes.md"


def test_what_is_not_of_the_kind_that_is_asked_for_is_refused_with_a_way_out(tmp_path: Path):
    (tmp_path / "latin.txt").write_bytes("für".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.txt is no text in UTF-8: .*; kind='file' takes it as it is"):
        ps.import_artifact(tmp_path / "latin.txt")
    with pytest.raises(DataError, match=r"latin\.txt is no folder of a model graph"):
        ps.import_artifact(tmp_path / "latin.txt", "model")
    with pytest.raises(UnknownNameError, match=r"no kind named 'tabel' in import_artifact; .* Did you mean 'table'"):
        ps.import_artifact(tmp_path / "latin.txt", "tabel")  # type: ignore[arg-type]
