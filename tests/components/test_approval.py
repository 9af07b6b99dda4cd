"""A person decides: the run waits without a process, goes on as itself once approved, and has failed once rejected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import penstock as ps
from penstock.cli import main
from penstock.core.run import CacheEntry
from penstock.errors import ConflictError
from penstock.pipelines import reap

PIPELINES = """
import penstock as ps

rides = ps.model("rides", type="linear_reg", label="minutes", features={"km": ps.col("km")})


@ps.step
def note(rows: ps.Table) -> int:
    return rows.num_rows


@ps.step
def broken(rows: ps.Table) -> int:
    raise ValueError("no")


@ps.pipeline
def half_broken():
    rows = ps.read("rides.csv")
    ps.approve(rows, message="may it?")
    broken(rows)


@ps.pipeline
def asking_twice():
    rows = ps.read("rides.csv")
    one = ps.approve(rows, message="one")
    two = ps.approve(note(rows), message="two")
    ps.report({"one": one, "two": two})


@ps.pipeline
def reviewed(source: str = "rides.csv", worst: float = 30.0, timeout: str | None = None):
    rows = ps.read(source)
    graph = ps.fit(rides, rows)
    blessing = ps.bless(graph, rows, thresholds={"mean_absolute_error": {"max": worst}})
    approval = ps.approve(graph, message="the new rides", blessings=[blessing], timeout=timeout)
    ps.push(graph, name="rides", blessings=[blessing, approval])
    note(rows)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[ps.Project]:
    (tmp_path / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    (tmp_path / "pipelines.py").write_text(PIPELINES)
    (tmp_path / "rides.csv").write_text("km,minutes\n" + "".join(f"{km},{3 * km}\n" for km in range(40)))
    return ps.open(tmp_path)


def call(project: ps.Project, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-C", str(project.root), *arguments])


def states(run: ps.Run) -> dict[str, str]:
    return {name: step.state for name, step in run.steps.items()}


def test_a_run_waits_without_a_process_and_what_does_not_need_the_decision_goes_on(project: ps.Project):
    run = project.run("reviewed")
    assert run.state == "waiting"
    assert states(run) == {
        "read": "succeeded", "fit": "succeeded", "bless": "succeeded", "approve": "waiting", "push": "waiting",
        "note": "succeeded",
    }  # fmt: skip
    assert run.steps["approve"].reason == "waits for a person: the new rides"
    reap(project.metadata)
    assert run.wait(1).state == "waiting"
    assert "rides" not in project.models


def test_approved_the_run_goes_on_as_itself_and_keeps_who_when_and_why(project: ps.Project):
    run = project.run("reviewed")
    before = {name: step.record for name, step in run.steps.items()}
    run.steps["approve"].approve(reason="looked at the plots", by="alice")
    assert run.state == "succeeded"
    assert [each.id for each in project.runs()] == [run.id]
    assert {name: run.steps[name].record for name in ("read", "fit", "bless", "note")} == {
        name: before[name] for name in ("read", "fit", "bless", "note")
    }
    approval = run.artifact("approve").load()
    assert (approval["by"], approval["reason"], approval["blessed"]) == ("alice", "looked at the plots", True)
    assert approval["at"] == pytest.approx(time.time(), abs=60)
    assert run.steps["approve"].reason.startswith("approved by alice, 20")
    assert project.models["rides"].alias("champion").lineage["run"] == run.id


def test_what_was_approved_is_not_asked_again_and_another_graph_is(project: ps.Project):
    project.run("reviewed").steps["approve"].approve(by="alice")
    again = project.run("reviewed")
    assert (again.state, set(states(again).values())) == ("succeeded", {"up_to_date"})
    (project.root / "rides.csv").write_text("km,minutes\n" + "".join(f"{km},{4 * km}\n" for km in range(40)))
    assert project.run("reviewed").state == "waiting"


def test_rejected_the_run_has_failed_and_nothing_is_pushed(project: ps.Project):
    run = project.run("reviewed")
    run.steps["approve"].reject(reason="too early", by="bob")
    assert (run.state, states(run)["approve"], states(run)["push"]) == ("failed", "failed", "skipped")
    assert run.record.error.startswith("approve: rejected by bob, ")
    assert run.record.error.endswith(": too early")
    assert "rides" not in project.models
    with pytest.raises(ConflictError, match="does not wait for a person any more: it is failed, rejected by bob"):
        run.steps["approve"].approve(by="alice")
    assert project.run("reviewed").state == "waiting"


def test_nobody_is_asked_about_what_is_not_blessed(project: ps.Project):
    run = project.run("reviewed", worst=-1.0)
    assert (run.state, states(run)["approve"], states(run)["push"]) == ("succeeded", "skipped", "skipped")
    assert run.steps["approve"].reason.startswith("nobody is asked: mean_absolute_error is ")


def test_after_its_time_a_run_that_waits_has_failed(project: ps.Project):
    run = project.run("reviewed", timeout="1h")
    reap(project.metadata, clock=lambda: time.time() + 3599)
    assert run.state == "waiting"
    reap(project.metadata, clock=lambda: time.time() + 3601)
    assert run.state == "failed"
    assert run.record.error.startswith("approve: nobody decided until 20")


def test_a_run_that_waits_may_be_cancelled_and_not_resumed_as_another(project: ps.Project):
    run = project.run("reviewed")
    with pytest.raises(ConflictError, match=f"run {run.id} waits for a person: penstock approve {run.id}"):
        project.run(resume=run)
    run.cancel(reason="not now")
    assert (run.state, run.record.error, states(run)["push"]) == ("cancelled", "not now", "cancelled")


def test_a_garbage_collection_leaves_what_waits(project: ps.Project):
    run = project.run("reviewed")
    project.repository.gc(dry_run=False, older_than=0.001, grace=0.001)
    project.metadata.delete(CacheEntry)
    run.steps["approve"].approve(by="alice")
    assert run.state == "succeeded"


def test_the_commands_say_what_waits_and_decide(project: ps.Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOGNAME", "carol")
    begun = call(project, "run", "reviewed")
    assert begun.exit_code == 5
    (run,) = project.runs()
    assert f"waits for a person: the new rides: penstock approve {run.id} approve, or reject" in begun.output
    done = call(project, "approve", "latest", "--reason", "fine")
    assert done.exit_code == 0, done.output
    assert f"run {run.id} of reviewed succeeded" in done.output
    assert run.steps["approve"].reason.endswith(": fine")
    assert "approved by carol" in call(project, "show", "latest").output
    late = call(project, "reject", "latest")
    assert (late.exit_code, f"no step of run {run.id} waits for a person" in late.output) == (2, True)


def test_where_something_failed_nobody_is_waited_for(project: ps.Project):
    run = project.run("half_broken")
    assert (run.state, states(run)["approve"], states(run)["broken"]) == ("failed", "cancelled", "failed")


def test_of_two_that_wait_each_is_decided_by_name(project: ps.Project):
    run = project.run("asking_twice")
    several = call(project, "approve", "latest")
    assert "several steps of run" in several.output
    first = call(project, "approve", "latest", "approve_2", "--by", "ann")
    assert (first.exit_code, run.state, states(run)["approve"]) == (5, "waiting", "waiting")
    assert call(project, "runs", "--state", "waiting", "--json").output.count(f'"id":"{run.id}"') == 1
    assert call(project, "logs", run.id, "approve", "--follow").output.startswith("waits for a person: one")
    assert call(project, "approve", "latest", "--by", "bea").exit_code == 0
    assert run.state == "succeeded"
    assert [run.artifact(name).load()["by"] for name in ("approve", "approve_2")] == ["bea", "ann"]
