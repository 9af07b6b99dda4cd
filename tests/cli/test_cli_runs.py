"""`penstock runs`, `show`, `logs`, `why` and the ways to name a run."""

from __future__ import annotations

import json
import os
import threading
import time
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import penstock
from penstock.cli import main
from penstock.core.run import Run, StepRun
from penstock.stores import SqlMetadata


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A project with three runs; the newest has a failed step with a log."""
    metadata = SqlMetadata(f"sqlite:///{tmp_path}/metadata.db")
    log = tmp_path / "fit.log"
    log.write_text("one\ntwo\n")
    metadata.write(
        Run(id="a1", pipeline="rides", state="succeeded", created=1.0, ended=3.0),
        Run(id="a2", pipeline="other", state="succeeded", experiment="depth", created=2.0, ended=3.0),
        Run(id="b1", pipeline="rides", state="failed", params={"depth": 8}, created=3.0, ended=4.5),
        StepRun(run="b1", step="read", position=0, state="succeeded", reason="never ran", started=3.0, ended=3.5),
        StepRun(run="b1", step="fit", position=1, state="failed", error="ValueError: no", log=str(log)),
    )
    project = SimpleNamespace(metadata=metadata, root=tmp_path, why=lambda run, step: f"{step} of {run}: because")
    monkeypatch.setitem(vars(penstock), "open", lambda root: project)
    yield project
    metadata.close()


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


def test_runs_are_listed_newest_first(recorded):
    lines = invoke("runs").output.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "b1", "a2", "a1"]
    assert "failed" in lines[1]
    assert "1.5 s" in lines[1]


@pytest.mark.parametrize(
    ("option", "ids"), [(("--pipeline", "rides"), ["b1", "a1"]), (("--experiment", "depth"), ["a2"])]
)
def test_runs_are_filtered_and_given_to_machines(recorded, option, ids):
    assert [run["id"] for run in json.loads(invoke("runs", *option, "--json").output)] == ids


@pytest.mark.parametrize("name", ["latest", "b1", "b"])
def test_a_run_is_shown_with_its_steps_and_errors(recorded, name):
    output = invoke("show", name).output
    assert "run         b1" in output
    assert '{"depth":8}' in output
    assert "never ran" in output
    assert output.rstrip().endswith("fit:\nValueError: no")


def test_a_run_is_given_to_machines(recorded):
    run = json.loads(invoke("show", "latest", "--json").output)
    assert (run["id"], [step["step"] for step in run["steps"]]) == ("b1", ["read", "fit"])


def test_the_beginning_of_several_ids_is_not_enough(recorded):
    result = invoke("show", "a")
    assert result.exit_code == 2
    assert "a2, a1" in result.stderr


def test_an_unknown_run_is_named(recorded):
    result = invoke("show", "c")
    assert result.exit_code == 2
    assert "no run named 'c'" in result.stderr


def test_a_log_is_printed_as_it_is(recorded):
    assert invoke("logs", "latest", "fit").output == "one\ntwo\n"


def test_a_step_without_a_log_prints_nothing(recorded):
    assert invoke("logs", "latest", "read").output == ""


def test_an_unknown_step_names_the_near_one(recorded):
    result = invoke("logs", "latest", "fitt")
    assert result.exit_code == 2
    assert "Did you mean 'fit'?" in result.stderr


def test_a_log_is_followed_until_the_step_ends(recorded, tmp_path):
    log = tmp_path / "live.log"
    log.write_text("begin\n")
    step = StepRun(run="c1", step="fit", state="running", log=str(log))
    recorded.metadata.write(
        Run(id="c1", pipeline="rides", state="running", created=time.time(), pid=os.getppid()), step
    )

    def end():
        log.write_text("begin\nend\n")
        recorded.metadata.write(StepRun(run="c1", step="fit", state="succeeded", log=str(log)))

    threading.Timer(0.3, end).start()
    assert invoke("logs", "c1", "fit", "-f").output == "begin\nend\n"


def test_why_is_answered_by_the_project(recorded):
    assert invoke("why", "latest", "fit").output == "fit of b1: because\n"
    assert json.loads(invoke("why", "b", "fit", "--json").output) == {
        "run": "b1",
        "step": "fit",
        "why": "fit of b1: because",
    }
    assert invoke("why", "latest", "fitt").exit_code == 2
