"""`penstock artifacts`, as a person and a script use it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from penstock.cli import main

PIPELINES = """
from pathlib import Path
import pyarrow as pa
import penstock as ps

@ps.step
def prices(n: int) -> ps.Table:
    return pa.table({"day": list(range(n)), "price": [day / 2 for day in range(n)]})

@ps.step
def words(rows: ps.Table) -> str:
    return f"{rows.num_rows} days"

@ps.step
def folder(rows: ps.Table) -> Path:
    Path("out").mkdir(exist_ok=True)
    Path("out/a.txt").write_text("a")
    return Path("out").resolve()

@ps.pipeline
def making(n: int = 10):
    rows = prices(n)
    words(rows)
    folder(rows)
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pipelines.py").write_text(PIPELINES)
    (tmp_path / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    monkeypatch.chdir(tmp_path)
    said(tmp_path, "run", "making")
    return tmp_path


def said(root: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["-C", str(root), *arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_artifacts_are_listed_newest_first_with_what_made_them(root: Path) -> None:
    listed = said(root, "artifacts", "list", "--kind", "table")
    assert "table" in listed
    assert "/prices" in listed
    assert "/words" not in listed
    kinds = [each["kind"] for each in json.loads(said(root, "artifacts", "list", "--json"))]
    assert sorted(kinds) == ["folder", "table", "text"]
    assert said(root, "artifacts").count("\n") == 4


def test_an_artifact_is_shown_with_schema_rows_preview_and_names(root: Path) -> None:
    said(root, "artifacts", "name", "latest/prices", "prices", "--alias", "latest", "--expires", "30d")
    shown = said(root, "artifacts", "show", "prices@latest")
    for expected in ("kind        table", "rows        10", "prices/1 @latest until ", "price   float64", "0.5"):
        assert expected in shown
    as_json = json.loads(said(root, "artifacts", "show", "prices", "--json"))
    assert as_json["stored"] is True
    assert as_json["names"][0] | {"expires": None} == {
        "name": "prices", "version": 1, "aliases": ["latest"], "expires": None,
    }  # fmt: skip
    assert "10 days" in said(root, "artifacts", "show", "latest/words")


def test_an_alias_is_pointed_by_hand(root: Path) -> None:
    said(root, "artifacts", "name", "latest/prices", "prices")
    assert "prices@reviewed points there" in said(
        root, "artifacts", "alias", "prices/1", "reviewed", "--reason", "seen"
    )
    assert json.loads(said(root, "artifacts", "show", "prices@reviewed", "--json"))["names"][0]["aliases"] == [
        "reviewed"
    ]
    assert "no version named '7'" in said(root, "artifacts", "alias", "prices/7", "reviewed", code=2)


def test_an_artifact_is_written_to_a_file_or_a_folder(root: Path, tmp_path: Path) -> None:
    said(root, "artifacts", "export", "latest/prices", "out.parquet")
    assert pq.read_table("out.parquet").num_rows == 10
    said(root, "artifacts", "export", "latest/prices", "out.csv")
    assert Path("out.csv").read_text().startswith('"day","price"\n0,0\n')
    said(root, "artifacts", "export", "latest/words", "words.txt")
    assert Path("words.txt").read_text() == "10 days"
    said(root, "artifacts", "export", "latest/folder", "copied")
    assert Path("copied/a.txt").read_text() == "a"
    assert "copied is there already" in said(root, "artifacts", "export", "latest/folder", "copied", code=2)
    assert "'.xlsx' is not a format to write" in said(root, "artifacts", "export", "latest/prices", "a.xlsx", code=2)
    assert "cannot be written" in said(root, "artifacts", "export", "latest/words", "no/where", code=4)


def test_lineage_is_a_tree_both_ways(root: Path) -> None:
    said(root, "artifacts", "name", "latest/prices", "prices")
    up = said(root, "lineage", "latest/words", "--up").splitlines()
    assert up[0].startswith("step words() of making ")
    assert up[0].endswith(" comes from")
    assert up[1].startswith("└─ rows: table ")
    assert up[2].startswith("   └─ step prices(n=10) of making ")
    down = said(root, "lineage", "prices", "--down")
    assert down.startswith("name prices/1 became\n")
    assert "step words() of making" in down
    assert "step folder() of making" in down
    both = said(root, "lineage", "latest/folder")
    assert "comes from" in both
    assert "nothing became it" not in both
    found = json.loads(said(root, "lineage", "latest", "--json"))
    assert {node["label"] for node in found["nodes"] if node["kind"] == "step"} == {"prices", "words", "folder"}
    events = [
        json.loads(line) for line in said(root, "lineage", "latest/words", "--up", "--openlineage", "shop").splitlines()
    ]
    assert {event["job"]["name"] for event in events} == {"making.prices", "making.words"}
    assert "no artifact, model or run named 'wordz'" in said(root, "lineage", "wordz", code=2)


def test_usage_and_garbage_are_shown_and_taken_away(root: Path) -> None:
    shown = said(root, "artifacts", "usage")
    assert "making/prices" in shown
    assert "the whole store" in shown
    assert json.loads(said(root, "artifacts", "usage", "--json"))["by_kind"]["text"]["count"] == 1
    assert "would free 0 B\n" in said(root, "gc")
    said(root, "run", "making", "-p", "n=30")
    assert "(penstock gc)" not in said(root, "artifacts", "usage")
    dry = said(root, "gc", "--keep-runs", "1", "--grace", "1ms")
    assert "would go" in dry
    assert "nothing was deleted; `penstock gc --delete` with the same options does it" in dry
    plan = json.loads(said(root, "gc", "--keep-runs", "1", "--grace", "1ms", "--json"))
    went = json.loads(said(root, "gc", "--keep-runs", "1", "--grace", "1ms", "--delete", "--json"))
    assert went["blob_bytes"] == plan["blob_bytes"] > 0
    assert "is not recorded any more" in said(root, "artifacts", "show", f"{_oldest(root)}/prices", code=1)
    assert "no project named 'x'" in said(root, "gc", "--forget", "x", code=2)


def _oldest(root: Path) -> str:
    run: str = json.loads(said(root, "runs", "--json"))[-1]["id"]
    return run
