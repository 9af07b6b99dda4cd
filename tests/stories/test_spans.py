"""Days that come one after the other: the newest are learned from, and each is predicted once, when it is there."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli import main
from penstock.errors import DataError

DAYS = "in/day={date}/*.parquet"
late = ps.model("late", type="linear_reg", label="minutes", features={"km": ps.col("km")})


@ps.pipeline
def daily():
    recent = ps.read.configured(name="recent")(DAYS, span="last 2")
    graph = ps.fit(late, recent)
    ps.push(graph, name="late")
    days = ps.read.map(ps.spans(DAYS))
    ps.predict.map(graph, days)


def arrive(root: Path, day: int) -> None:
    folder = root / "in" / f"day=2024-05-{day:02}"
    folder.mkdir(parents=True)
    km = [float(1 + n * day % 9) for n in range(20)]
    pyarrow.parquet.write_table(pa.table({"km": km, "minutes": [2 * each + day for each in km]}), folder / "a.parquet")


def ran(run: ps.Run) -> set[str]:
    return {name for name, step in run.steps.items() if step.state == "succeeded"}


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    for day in (1, 2, 3):
        arrive(tmp_path, day)
    return ps.open(tmp_path)


def test_only_the_day_that_is_new_is_read_and_predicted(project: ps.Project) -> None:
    assert project.run(daily, engine="inline").state == "succeeded"
    first = project.run(daily, mode="infer", engine="inline")
    assert len(first.artifact("predict").load()) == 3

    arrive(project.root, 4)
    plan = project.plan(daily, mode="infer")
    assert [plan.step(f"read[{day}]").state for day in range(4)] == ["up_to_date"] * 3 + ["stale"]
    assert plan.step("read").reason == "1 of 4 would run"
    second = project.run(daily, mode="infer", engine="inline")
    assert {name for name in ran(second) if "[" in name} == {"read[3]", "predict[3]"}
    assert len(second.artifact("predict").load()) == 4
    assert project.plan(daily, mode="infer").up_to_date

    third = project.run(daily, mode="infer", engine="inline")
    assert not {name for name in ran(third) if "[" in name}


def test_a_day_that_is_written_anew_is_predicted_again(project: ps.Project) -> None:
    project.run(daily, engine="inline")
    project.run(daily, mode="infer", engine="inline")
    file = project.root / "in" / "day=2024-05-02" / "a.parquet"
    pyarrow.parquet.write_table(pa.table({"km": [7.0], "minutes": [1.0]}), file)
    run = project.run(daily, mode="infer", engine="inline")
    assert {name for name in ran(run) if "[" in name} == {"read[1]", "predict[1]"}


def test_what_learns_from_the_newest_days_learns_again_when_one_comes(project: ps.Project) -> None:
    project.run(daily, engine="inline")
    assert project.plan(daily).up_to_date
    arrive(project.root, 4)
    assert project.plan(daily).step("recent").state == "stale"
    run = project.run(daily, engine="inline")
    assert {"recent", "fit", "push"} <= ran(run)
    assert run.artifact("recent").load().num_rows == 40


def test_days_are_predicted_in_worker_processes_too_and_one_can_be_replayed(project: ps.Project) -> None:
    run = project.run(daily)
    assert run.state == "succeeded"
    assert run.steps["read[1]"].replay().num_rows == 20


@ps.pipeline
def drifting(over: float):
    days = ps.read.map(ps.spans(DAYS, "last 2"))
    told = ps.statistics.map(days)
    ps.validate(days[1], ps.schema(told[0]), previous=told[0], drift=over, severity={"out_of_range": "ignore"})


def test_a_day_is_held_against_the_one_before(project: ps.Project) -> None:
    assert project.run(drifting, over=1.0, engine="inline").state == "succeeded"
    arrive(project.root, 9)  # all its km are 1
    run = project.run(drifting, over=0.3, engine="inline")
    assert run.state == "failed"
    assert "column 'km' has other values than before" in run.steps["validate"].log()
    assert {name for name in ran(run) if "[" in name} == {"read[1]", "statistics[1]"}


def test_without_any_day_the_plan_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file is of any span"):
        ps.open(tmp_path).plan(daily)


@ps.pipeline
def nightly(source: str, learn_from: str = "in/day=2024-05-01/*.parquet"):
    graph = ps.fit(late, ps.read.configured(name="learned_from")(learn_from))
    ps.push(graph, name="late")
    ps.predict.map(graph, ps.read.map(ps.spans(source)))


def test_each_night_the_same_command_predicts_the_day_that_has_come(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "penstock.toml").write_text('[project]\nmodules = ["test_spans"]\n[engine]\ndefault = "inline"\n')
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    assert ps.open(project.root).run("nightly", source=DAYS).state == "succeeded"

    def night() -> tuple[set[str], ps.Run]:
        words = ["-C", str(project.root), "run", "nightly", "--mode", "infer", "-p", f"source={DAYS}", "--json"]
        said = CliRunner().invoke(main, words)
        assert said.exit_code == 0, said.output
        ended = [json.loads(line) for line in said.stdout.splitlines()]
        done = {each["step"] for each in ended if each["event"] == "step_ended" and each["state"] == "succeeded"}
        return {name for name in done if "[" in name}, project.get_run(ended[0]["id"])

    first = night()[0]  # the same rows as in training, so only what the mode is part of
    assert first == {"predict[0]", "predict[1]", "predict[2]"}
    assert night()[0] == set()
    arrive(project.root, 4)
    new, run = night()
    assert new == {"read[3]", "predict[3]"}
    assert [run.artifact(f"predict[{day}]").load().num_rows for day in range(4)] == [20] * 4
