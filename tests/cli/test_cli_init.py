"""`penstock init`."""

from __future__ import annotations

import tomllib

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
