"""The gate before the registry: a model is promoted only if every blessing wired to it is given, and of that graph."""

from __future__ import annotations

from pathlib import Path

import pytest

import penstock as ps

rides = ps.model("rides", type="linear_reg", label="minutes", features={"km": ps.col("km")})


@ps.pipeline
def gated(source: str = "rides.csv", worst: float = 30.0, better_by: float = -1.0, judged: bool = True):
    train, test = ps.split(ps.read(source), by="km", test=0.5)
    graph = ps.fit(rides, train)
    sure = ps.bound(max=1e9)
    blessing = ps.bless(
        graph, test, thresholds={"mean_absolute_error": {"max": worst, "better_by": better_by}}, baseline="rides"
    )
    other = ps.bless.configured(name="other")(graph, test, thresholds={"r2": sure}, when=checked(judged)["judged"])
    ps.push(graph, name="rides", blessings=[blessing, ps.optional(other)])


@ps.step
def checked(judged: bool) -> dict:
    return {"judged": judged}


@ps.pipeline
def crossed():
    rows = ps.read("rides.csv")
    graph = ps.fit(rides, rows)
    other = ps.fit.configured(name="other")(rides, rows, options={"l2_reg": 5.0})
    blessing = ps.bless(other, rows, thresholds={"r2": ps.bound(min=-1e9)})
    ps.push(graph, name="crossed", blessings=[blessing])


def write(path: Path, slope: float) -> None:
    path.write_text("km,minutes\n" + "".join(f"{km},{km * slope + km % 5}\n" for km in range(200)))


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    write(tmp_path / "rides.csv", 3.0)
    return ps.open(tmp_path)


def test_a_model_that_is_not_blessed_is_not_pushed_and_the_step_says_why(project: ps.Project):
    run = project.run(gated, worst=0.001, engine="inline")
    assert (run.state, run.steps["push"].state) == ("succeeded", "skipped")
    assert run.steps["push"].reason.startswith("not pushed: mean_absolute_error is ")
    assert run.steps["push"].reason.endswith("on 100 rows; it has to be at most 0.001")
    assert "rides" not in project.models


def test_a_missing_blessing_is_none(project: ps.Project):
    run = project.run(gated, judged=False, engine="inline")
    assert run.steps["push"].state == "skipped"
    assert "blessing 2 of 2 is missing: the step that gives it was skipped" in run.steps["push"].reason


def test_a_blessed_model_is_pushed_and_its_version_keeps_why(project: ps.Project):
    first = project.run(gated, engine="inline")
    version = project.models["rides"].alias("champion")
    assert version.lineage["run"] == first.id
    assert version.metrics["mean_absolute_error"] < 30
    assert [each["kind"] for each in version.lineage["blessings"]] == ["evaluation", "evaluation"]
    project.run(gated, engine="inline")
    assert {step.state for step in project.run(gated, engine="inline").steps.values()} == {"up_to_date"}


def test_a_challenger_that_is_no_better_than_the_champion_is_not_pushed(project: ps.Project):
    assert project.run(gated, engine="inline").steps["push"].state == "succeeded"
    write(project.root / "other.csv", 3.1)
    refused = project.run(gated, source="other.csv", better_by=1e6, engine="inline")
    assert refused.steps["push"].state == "skipped"
    assert "the gain of mean_absolute_error over the baseline is" in refused.steps["push"].reason
    assert project.run(gated, source="other.csv", better_by=-1e6, engine="inline").steps["push"].state == "succeeded"
    assert [each.version for each in project.models["rides"].history] == [1, 2]


def test_the_blessing_of_another_graph_is_an_error(project: ps.Project):
    run = project.run(crossed, engine="inline")
    assert run.steps["push"].state == "failed"
    assert "is of another graph" in run.steps["push"].record.error
