"""Commands over REST: what a person sees is what the server's project has."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import penstock as ps
import warm
from penstock.cli import main

sys.path.insert(0, str(Path(__file__).parents[1] / "stories"))
from story_projects import served

TOKEN = "the-token-of-this-test"
PIPELINES = """
import penstock as ps

@ps.step
def double(x: int) -> int:
    print("doubling", x)
    if x > 100:
        raise ValueError(f"{x} is too much")
    return 2 * x

@ps.pipeline
def numbers(x: int = 1, name: str = "7"):
    double(x)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("remote")
    (root / "pipelines.py").write_text(PIPELINES)
    (root / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    with served(root, PENSTOCK_SERVER_TOKEN=TOKEN) as url:
        yield url


@pytest.fixture
def call(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PENSTOCK_SERVER_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["-C", server, *arguments])

    return invoke


def test_a_plan_and_a_run_are_drawn_over_rest(call, server: str, tmp_path: Path):
    assert call("plan", "numbers", "-p", "x=7", "--draw", "plan.svg").exit_code == 0
    planned = (tmp_path / "plan.svg").read_text()
    assert ">double</text>" in planned
    assert ">runs</text>" in planned
    asked = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", "accept": "image/svg+xml"}
    request = urllib.request.Request(f"{server}/v1/pipelines/numbers:plan", b'{"params": {"x": 7}}', asked)
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.read().decode() == planned
    assert call("run", "numbers", "-p", "x=7", "--quiet").exit_code == 0
    assert call("show", "latest", "--draw", "run.svg").exit_code == 0
    drawn = (tmp_path / "run.svg").read_text()
    assert ">succeeded, 0." in drawn
    run = ps.open(server).runs(limit=1)[0]
    assert run._repr_svg_() == drawn
    request = urllib.request.Request(f"{server}/v1/runs/{run.id}/graph", headers=asked)
    with urllib.request.urlopen(request) as answer:
        assert answer.read().decode() == drawn


def test_a_run_is_started_shown_and_explained(call):
    planned = call("plan", "numbers", "-p", "x=4", "--json")
    assert [step["state"] for step in json.loads(planned.stdout)["steps"]] == ["stale"]
    ran = call("run", "numbers", "-p", "x=4", "--tag", "team=a", "--experiment", "e", "--json")
    assert ran.exit_code == 0, ran.output
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [event["event"] for event in events] == ["run_started", "step_started", "step_ended", "run_ended"]
    run = events[0]["id"]
    assert run in call("runs", "--tag", "team=a").stdout
    assert "succeeded" in call("show", run).stdout
    assert call("why", "latest", "double").stdout.startswith("double ran")
    again = call("run", "numbers", "-p", "x=4", "--json")
    assert json.loads(again.stdout.splitlines()[-2])["state"] == "up_to_date"
    compared = call("compare", run, json.loads(again.stdout.splitlines()[0])["id"])
    assert compared.exit_code == 0, compared.output


def test_the_log_of_a_run_is_searched_from_afar(call):
    ran = call("run", "numbers", "-p", "x=21", "--json")
    run = json.loads(ran.stdout.splitlines()[0])["id"]
    found = call("logs", run, "--grep", "DOUBLING 2", "-i")
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("double ")
    assert found.stdout.endswith(" | doubling 21\n")
    assert call("logs", run, "--grep", "halving").stdout == ""
    assert call("logs", run, "double", "--grep", "21", "--since", "1h").stdout == "doubling 21\n"
    wrong = call("logs", run, "--grep", "(")
    assert (wrong.exit_code, "grep '(' is no regular expression" in wrong.output) == (2, True)


def test_a_run_that_fails_says_why_and_ends_with_1(call):
    failed = call("run", "numbers", "-p", "x=101")
    assert failed.exit_code == 1
    assert "101 is too much" in failed.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nubmers"], "Did you mean 'numbers'"),
        (["run", "numbers", "-p", "z=1"], "no parameter named 'z'"),
        (["serve"], "is done where the project is"),
    ],
)
def test_wrong_use_ends_with_2(call, arguments, said):
    result = call(*arguments)
    assert (result.exit_code, said in result.output) == (2, True), result.output


def test_without_the_token_or_a_server_the_error_says_so(server, monkeypatch):
    monkeypatch.setenv("PENSTOCK_SERVER_TOKEN", "wrong")
    refused = CliRunner().invoke(main, ["-C", server, "runs"])
    assert (refused.exit_code, "with its token" in refused.output) == (2, True)
    nobody = CliRunner().invoke(main, ["-C", "http://127.0.0.1:1", "runs"])
    assert (nobody.exit_code, "penstock serve" in nobody.output) == (2, True)


def test_the_display_of_a_run_works_from_afar(server, tmp_path):
    command = [warm.python(), "-m", "penstock", "-C", server, "run", "numbers", "-p", "x=5"]
    import os

    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PENSTOCK_SERVER_TOKEN": TOKEN}
    )
    assert ran.returncode == 0, ran.stderr
    assert "double" in ran.stderr
    assert "succeeded" in ran.stderr


def test_feature_sets_are_shown_and_read_over_rest(call, server):
    features = ps.open(server, token=TOKEN).features
    rides = ps.feature_set("rides", entities={"driver": "int64"}, timestamp="at", columns={"fare": "float64"})
    features.apply(rides)
    now = dt.datetime.now(dt.UTC)
    features.ingest(rides, [{"driver": 7, "at": now, "fare": 12.5}, {"driver": 9, "at": now, "fare": 2.5}])
    assert [each["name"] for each in json.loads(call("features", "list", "--json").stdout)] == ["rides"]
    assert json.loads(call("features", "online", "rides", "-k", "driver=7", "--json").stdout)[0]["fare"] == 12.5
    forgotten = call("features", "forget", "rides", "-k", "driver=9", "--yes", "--json")
    assert json.loads(forgotten.stdout) == {"rows": 1, "online": 1, "dead_letters": 0}
    assert len(json.loads(call("features", "versions", "rides", "--json").stdout)) == 1
