"""Decisions that come at any moment: while the run runs, two at once, one of many, from a process that dies then."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli import main
from penstock.core.run import Lease
from penstock.pipelines import reap
from penstock.project.runs import LocalRecords

PIPELINES = """
import time
from pathlib import Path

import penstock as ps


@ps.step
def number(x: int) -> int:
    return x


@ps.step(cache=False)
def held(x: int) -> int:
    while not Path(__file__).with_name("go").exists():
        time.sleep(0.01)
    return x


@ps.step
def numbers(count: int) -> list:
    return list(range(count))


@ps.step
def used(said: list) -> list:
    return [each["by"] for each in said]


@ps.pipeline
def twice(timeout: str | None = None):
    one = ps.approve(number(1), message="one", timeout=timeout)
    two = ps.approve(number.configured(name="other")(2), message="two", timeout=timeout)
    used([one, two])


@ps.pipeline
def beside():
    found = number(1)
    said = ps.approve(found, message="may it?")
    held(number.configured(name="later")(found))
    used([said])


@ps.pipeline
def after():
    used([ps.approve(number(1), message="may it?")])
    held(2, when=ps.approve.configured(name="again")(number(1), message="may it go on?")["blessed"])


@ps.pipeline
def each(count: int = 2):
    used(ps.approve.map(numbers(count), message="may it?"))
"""


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    (tmp_path / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    (tmp_path / "pipelines.py").write_text(PIPELINES)
    return ps.open(tmp_path)


def states(run: ps.Run) -> dict[str, str]:
    return {name: step.state for name, step in run.steps.items()}


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def decide(run: ps.Run, step: str, project: ps.Project) -> None:
    """Record an approval, and die before the run goes on."""
    LocalRecords(project.metadata, project.artifacts, project.root).decide(
        run.steps[step].record, approved=True, reason="", by="ann"
    )


def test_another_decision_does_not_begin_the_time_anew(project: ps.Project):
    run = project.run("twice", timeout="1h")
    asked = run.steps["approve_2"].record
    time.sleep(0.01)
    run.steps["approve"].approve(by="ann")
    assert run.steps["approve_2"].record == asked
    began = asked.started or 0.0
    reap(project.metadata, clock=lambda: began + 3590)
    assert run.state == "waiting"
    reap(project.metadata, clock=lambda: began + 3601)
    assert (run.state, states(run)["approve"]) == ("failed", "succeeded")
    assert run.record.error.startswith("approve_2: nobody decided until 20")


def test_who_is_gone_before_the_run_goes_on_leaves_no_run_that_waits_for_ever(project: ps.Project):
    run = project.run("twice")
    run.steps["approve"].approve(by="ann")
    decide(run, "approve_2", project)
    reap(project.metadata, clock=lambda: time.time() + 55)
    assert run.state == "waiting"  # it may go on yet
    late = CliRunner().invoke(main, ["-C", str(project.root), "approve", run.id])
    assert late.exit_code == 2
    assert f"what was decided counts: penstock run --resume {run.id}" in late.output
    reap(project.metadata, clock=lambda: time.time() + 65)
    assert run.state == "failed"
    assert run.record.error == (
        f"a person decided, and the process that was to go on is gone: penstock run --resume {run.id}"
    )
    resumed = project.run(resume=run)
    assert resumed.state == "succeeded"
    assert resumed.artifact("used").load() == ["ann", "ann"]


def test_a_decision_while_the_run_runs_is_taken_up_by_it(project: ps.Project):
    run = project.run("beside", wait=False)
    until(lambda: states(run).get("approve") == "waiting" and "request" in run.steps["approve"].record.artifacts)
    run.steps["approve"].approve(by="ann", reason="early")
    assert run.state == "running"
    (project.root / "go").touch()
    assert run.wait(60).state == "succeeded"
    assert run.artifact("used").load() == ["ann"]
    assert run.steps["approve"].reason.endswith(": early")
    assert not project.metadata.find(Lease)


def test_rejected_while_it_runs_the_run_has_failed_once_the_rest_has_ended(project: ps.Project):
    run = project.run("beside", wait=False)
    until(lambda: "approve" in run.steps and "request" in run.steps["approve"].record.artifacts)
    run.steps["approve"].reject(by="bob")
    (project.root / "go").touch()
    until(lambda: run.state != "running")
    assert run.wait(60).state == "failed"
    assert run.record.error.startswith("approve: rejected by bob, ")
    assert states(run) == {
        "number": "succeeded", "later": "succeeded", "approve": "failed", "held": "succeeded", "used": "skipped",
    }  # fmt: skip


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_decisions_at_once_none_is_lost_and_the_run_is_driven_once(project: ps.Project, attempt: int):
    run = project.run("twice")
    together = Barrier(2)

    def approve(step: str) -> None:
        view = run.steps[step]
        together.wait()
        view.approve(by=step)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(approve, ("approve", "approve_2")))
    until(lambda: run.state not in ("running", "waiting"))
    assert run.state == "succeeded", run.record.error
    assert run.artifact("used").load() == ["approve", "approve_2"]
    assert run.steps["used"].record.attempts == 1
    assert not project.metadata.find(Lease)


def test_a_run_that_goes_on_is_not_taken_for_one_whose_driver_died(project: ps.Project):
    run = project.run("after")
    project.metadata.write(replace(run.record, created=run.record.created - 86_400))  # it has waited since yesterday
    run.steps["approve"].approve()
    command = [sys.executable, "-m", "penstock", "-C", str(project.root), "approve", run.id, "again"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as driver:
        until(lambda: states(run)["held"] == "running" or driver.poll() is not None)
        reap(project.metadata)
        assert run.state == "running", driver.communicate()
        (project.root / "go").touch()
        said = driver.communicate(timeout=60)
    assert (driver.returncode, run.state) == (0, "succeeded"), said


def test_each_item_of_a_mapped_question_is_decided_by_itself(project: ps.Project):
    run = project.run("each")
    assert states(run) == {
        "numbers": "succeeded", "approve": "waiting", "approve[0]": "waiting", "approve[1]": "waiting",
        "used": "waiting",
    }  # fmt: skip
    said = CliRunner().invoke(main, ["-C", str(project.root), "approve", "latest"]).output
    assert f"several steps of run {run.id} wait: approve[0], approve[1]; name the one" in said
    asked = run.steps["approve[1]"].record
    run.steps["approve[0]"].approve(by="ann")
    assert (run.state, run.steps["approve[1]"].record, states(run)["approve"]) == ("waiting", asked, "waiting")
    run.steps["approve[1]"].approve(by="bea")
    assert (run.state, set(states(run).values())) == ("succeeded", {"succeeded"})
    assert run.artifact("used").load() == ["ann", "bea"]
    more = project.run("each", count=3)
    assert {name for name, state in states(more).items() if state == "waiting"} == {"approve", "approve[2]", "used"}
    more.steps["approve[2]"].reject(by="bob")
    assert (more.state, states(more)["used"]) == ("failed", "skipped")
