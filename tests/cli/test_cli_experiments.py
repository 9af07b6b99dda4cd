"""`penstock tag`, and runs found by their tags."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from penstock.cli import main

STEPS = """
import penstock as ps

@ps.step
def double(n: int) -> int:
    return 2 * n

@ps.pipeline
def doubled(n: int = 1):
    double(n)
"""


@pytest.fixture
def call(tmp_path):
    (tmp_path / "penstock.toml").write_text('[project]\nmodules = ["tagged_steps"]\n[engine]\ndefault = "inline"\n')
    (tmp_path / "tagged_steps.py").write_text(STEPS)

    def invoke(*arguments):
        return CliRunner().invoke(main, ["-C", str(tmp_path), *arguments])

    return invoke


def test_runs_are_tagged_shown_and_found_by_their_tags(call):
    assert call("run", "doubled", "--tag", "team=delays", "--note", "a first try").exit_code == 0
    assert call("run", "doubled", "-p", "n=2").exit_code == 0
    (run,) = json.loads(call("runs", "--tag", "team=delays", "--json").output)
    assert run["notes"] == "a first try"
    assert "team=delays" in call("runs").output
    shown = call("show", run["id"]).output
    assert "team=delays" in shown
    assert "a first try" in shown


def test_tags_are_changed_and_taken_away(call):
    call("run", "doubled", "--tag", "team=delays", "--tag", "old=1")
    assert call("tag", "latest", "old-", "kind=b-", "--note", "better").output == "team=delays\nkind=b-\nbetter\n"
    assert json.loads(call("tag", "latest", "--json").output)["tags"] == {"team": "delays", "kind": "b-"}


@pytest.mark.parametrize(
    "arguments", [("run", "doubled", "--tag", "x"), ("tag", "latest", "x"), ("runs", "--tag", "x")]
)
def test_a_tag_without_a_value_is_wrong_use(call, arguments):
    call("run", "doubled")
    said = call(*arguments)
    assert said.exit_code == 2
    assert "has no '='" in said.output


def test_experiments_are_listed_with_their_metrics_and_shown_run_by_run(call):
    assert "no experiments here yet" in call("experiments").output
    for n in (3, 1):
        call("run", "doubled", "-p", f"n={n}", "--experiment", "tries", "--note", f"n is {n}")
    (listed,) = json.loads(call("experiments", "--json").output)["experiments"]
    assert (listed["name"], listed["runs"]) == ("tries", 2)
    assert (listed["metrics"]["double"]["lowest"], listed["metrics"]["double"]["highest"]) == (2.0, 6.0)
    assert call("experiments").output.split()[-4:] == ["double", "2", "2", "6"]
    lines = call("experiments", "tries", "--sort", "double").output.splitlines()
    assert lines[1].split()[-3:] == ["n", "is", "1"]
    said = call("experiments", "tries", "--sort", "nothing")
    assert said.exit_code == 2
    assert "no metric named 'nothing' in experiment 'tries'" in said.output


def test_runs_are_compared_by_what_differs(call):
    call("run", "doubled")
    call("run", "doubled", "-p", "n=2")
    first = json.loads(call("runs", "--json").output)[1]["id"]
    said = call("compare", first, "latest").output
    assert "double  2  4  +2" in said
    assert "parameter n changed 1 -> 2" in said
    assert json.loads(call("compare", first, "latest", "--json").output)["params"] == [{"name": "n", "values": [1, 2]}]
