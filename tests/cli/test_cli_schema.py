"""`penstock schema`: infer, diff and evolve a file that people review."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.cli import main


def said(root: Path, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["-C", str(root), "schema", *arguments])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.csv").write_text("kind,km\n" + "bus,1.5\ntram,2.5\n" * 3)
    (tmp_path / "second.csv").write_text("kind,km\ntrain,1.5\nbus,9.5\n")
    (tmp_path / "penstock.toml").write_text('[tables]\nrides = "first.csv"\n')
    return tmp_path


def test_a_schema_is_inferred_differs_and_is_widened_on_purpose(root: Path) -> None:
    assert "2 columns" in said(root, "infer", "schemas/rides.json", "rides", "--label", "km")
    assert json.loads((root / "schemas" / "rides.json").read_text())["columns"][1]["modes"] == ["train"]
    assert said(root, "diff", "schemas/rides.json", "rides") == "they fit\n"
    changes = "~ kind domain: + 'train'\n~ km max: 2.5 -> 9.5\n"
    assert said(root, "diff", "schemas/rides.json", "second.csv", code=1) == changes
    assert said(root, "evolve", "schemas/rides.json", "second.csv") == changes
    assert json.loads(said(root, "diff", "schemas/rides.json", "second.csv", "--json")) == []


def test_a_schema_that_is_there_is_not_written_over(root: Path) -> None:
    said(root, "infer", "rides.json", "rides")
    assert "penstock schema evolve rides.json second.csv" in said(root, "infer", "rides.json", "second.csv", code=2)
    assert "make it: penstock schema infer" in said(root, "diff", "missing.json", "rides", code=3)


def test_what_no_widening_mends_is_told_too(root: Path) -> None:
    said(root, "infer", "rides.json", "rides")
    held = json.loads((root / "rides.json").read_text())
    held["rules"] = [{"holds": "km < 9"}, {"column": "kind", "found_in": "rides.kind"}]
    held["columns"][0] |= {"matches": "[a-z]{3,4}"}
    (root / "rides.json").write_text(json.dumps(held))
    told = said(root, "diff", "rides.json", "second.csv", code=1).splitlines()
    assert told[:2] == ["~ kind domain: + 'train'", "~ km max: 2.5 -> 9.5"]
    assert told[2:] == [
        "! column 'kind' has texts that do not match '[a-z]{3,4}': 'train' (1 row)",
        "! rule 'km < 9' does not hold (1 row)",
        "! column 'kind' has values that 'rides.kind' lacks: 'train' (1 row)",
    ]
    assert said(root, "evolve", "rides.json", "second.csv").splitlines() == told
    assert said(root, "diff", "rides.json", "second.csv", code=1).splitlines() == told[2:]


def test_new_rows_without_the_label_fit(root: Path) -> None:
    said(root, "infer", "rides.json", "rides", "--label", "km")
    (root / "new.csv").write_text("kind\nbus\n")
    assert said(root, "diff", "rides.json", "new.csv") == "they fit\n"
