"""`penstock init`."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.cli import main
from penstock.cli.init import rides


def test_init_makes_a_project(tmp_path):
    result = CliRunner().invoke(main, ["init", str(tmp_path / "new")])
    assert result.exit_code == 0
    made = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert made == {"penstock.toml", "pipelines.py", "data/rides.csv", ".gitignore"}
    assert tomllib.loads((tmp_path / "new/penstock.toml").read_text())["project"]["modules"] == ["pipelines"]


def test_init_overwrites_nothing(tmp_path):
    (tmp_path / "pipelines.py").write_text("mine")
    result = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert result.exit_code == 2
    assert "pipelines.py" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pipelines.py"]
    assert (tmp_path / "pipelines.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, ".penstock/\n.secrets.toml\n"),
        ("*.pyc", "*.pyc\n.penstock/\n.secrets.toml\n"),
        ("*.pyc\n.penstock/\n", "*.pyc\n.penstock/\n.secrets.toml\n"),
        (".secrets.toml\n.penstock/", ".secrets.toml\n.penstock/"),
    ],
)
def test_what_must_not_be_committed_is_added_to_gitignore_once(tmp_path, before, after):
    if before is not None:
        (tmp_path / ".gitignore").write_text(before)
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    assert (tmp_path / ".gitignore").read_text() == after


def test_the_rides_are_always_the_same():
    assert rides() == rides()
    assert rides().startswith("started,station,km,minutes\n2026-03-01T06:")


TRIPS = "trip,started,line,km,note,late\n" + "".join(
    f"{n},2026-05-{1 + n // 20:02}T08:{n % 60:02}:00Z,{('bus', 'tram')[n % 2]},{n % 30},,{str(n % 4 == 0).lower()}\n"
    for n in range(200)
)


def penstock(root: Path, *arguments: str):
    return CliRunner().invoke(main, ["-C", str(root), *arguments])


@pytest.mark.parametrize(("label", "learns"), [("km", "regressor"), ("late", "classifier"), ("line", "classifier")])
def test_init_over_rows_of_ones_own_makes_a_pipeline_that_runs(tmp_path, monkeypatch, label, learns):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my trips.csv").write_text(TRIPS)
    made = CliRunner().invoke(main, ["init", "new", "--rows", "my trips.csv", "--label", label])
    assert made.exit_code == 0, made.output
    root = tmp_path / "new"
    pipeline = (root / "pipelines.py").read_text()
    assert f'type="boosted_tree_{learns}"' in pipeline
    assert f'ps.col("{label}")' not in pipeline
    assert "left out: trip (another value in each row), note (always NULL)" in pipeline
    assert 'by="started"' in pipeline

    ran = penstock(root, "run", "my_trips", "--engine", "inline", "--json")
    assert ran.exit_code == 0, ran.output
    assert "penstock run my_trips" in made.output
    assert json.loads(penstock(root, "sql", "SELECT COUNT(*) AS n FROM my_trips", "--json").stdout) == [{"n": 200}]
    assert json.loads(penstock(root, "pipelines", "--json").stdout)[0]["params"] == {"source": {"default": "my_trips"}}
    sys.modules.pop("pipelines")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--label", "km"], "give both"),
        (["--rows", "trips.csv"], "'trips.csv' has: trip, started, line, km, note, late"),
        (["--rows", "trips.csv", "--label", "lin"], "Did you mean 'line'?"),
        (["--rows", "trips.csv", "--label", "note"], "no label"),
        (["--rows", "nothing.csv", "--label", "km"], "nothing.csv"),
    ],
)
def test_init_says_what_is_wrong_with_rows_or_label_and_writes_nothing(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trips.csv").write_text(TRIPS)
    result = CliRunner().invoke(main, ["init", "new", *arguments])
    assert result.exit_code in (2, 3)
    assert said in result.stderr
    assert not (tmp_path / "new").exists()
