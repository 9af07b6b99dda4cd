"""The gate before the registry: a model is promoted only if every blessing wired to it is given, and of that graph."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

import penstock as ps
from penstock.core.artifact import Artifact
from penstock.errors import ConflictError
from penstock.models import register, set_alias

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


@ps.pipeline
def approved(source: str = "rides.csv"):
    train, test = ps.split(ps.read(source), by="km", test=0.5)
    graph = ps.fit(rides, train)
    blessing = ps.bless(
        graph, test, thresholds={"mean_absolute_error": ps.bound(better_by=-1e6)}, baseline="rides@champion"
    )
    ps.push(graph, name="rides", blessings=[blessing, ps.approve(graph)])


@ps.pipeline
def careless(judged: bool):
    rows = ps.read("rides.csv")
    graph = ps.fit(rides, rows)
    blessing = ps.bless(
        graph, rows, thresholds={"mean_absolute_error": ps.bound(max=30)}, when=checked(judged)["judged"]
    )
    ps.predict(graph, rows, blessing=ps.optional(blessing), to="predicted.parquet")
    ps.push(graph, name="rides", blessings=ps.optional(blessing))


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


@pytest.mark.parametrize("judged", [True, False])
def test_a_blessing_wired_alone_is_asked_for_too_also_where_its_step_was_skipped(project: ps.Project, judged: bool):
    run = project.run(careless, judged=judged, engine="inline")
    assert {run.steps[name].state for name in ("predict", "push")} == {"succeeded" if judged else "skipped"}
    assert (project.root / "predicted.parquet").exists() == judged
    if not judged:
        assert run.steps["predict"].reason.startswith("not used: blessing 1 of 1 is missing")


def test_what_was_compared_with_another_champion_than_stands_now_is_not_pushed(project: ps.Project):
    project.run(gated, engine="inline")
    write(project.root / "two.csv", 3.1)
    waits = project.run(approved, source="two.csv", engine="inline")
    write(project.root / "three.csv", 3.2)
    project.run(gated, source="three.csv", better_by=-1e6, engine="inline")
    waits.steps["approve"].approve(by="ann")
    assert (waits.state, waits.steps["push"].state) == ("succeeded", "skipped")
    assert waits.steps["push"].reason.startswith(
        "not pushed: it was compared with what 'rides@champion' stood for then, which is version 2 by now"
    )
    assert [each.version for each in project.models["rides"].history] == [1, 2]
    again = project.run(approved, source="two.csv", engine="inline")
    assert (again.steps["bless"].state, again.steps["push"].state) == ("succeeded", "succeeded")
    assert [each.version for each in project.models["rides"].history] == [1, 2, 3]


def test_what_a_person_took_back_no_run_pushes_again_and_another_graph_it_does(project: ps.Project):
    project.run(gated, engine="inline")
    write(project.root / "two.csv", 3.1)
    project.run(gated, source="two.csv", better_by=-1e6, engine="inline")
    project.models["rides"].rollback(reason="riders complain", by="ann")
    again = project.run(gated, source="two.csv", better_by=-1e6, engine="inline")
    assert again.steps["push"].state == "skipped"
    said = "a person has taken 'rides@champion' away from version 2, which is this graph (rolled back from version 2"
    assert f"{said} by ann: riders complain)" in again.steps["push"].reason
    write(project.root / "three.csv", 3.2)
    project.run(gated, source="three.csv", better_by=-1e6, engine="inline")
    assert [each.version for each in project.models["rides"].history] == [1, 2, 1, 3]
    project.models["rides"].promote(2, by="ann")
    write(project.root / "four.csv", 3.3)
    project.run(gated, source="four.csv", better_by=-1e6, engine="inline")
    assert project.run(gated, source="two.csv", better_by=-1e6, engine="inline").steps["push"].state == "succeeded"


def test_the_history_tells_by_what_an_alias_was_moved(project: ps.Project):
    run = project.run(approved, engine="inline")
    run.steps["approve"].approve(by="ann", reason="seen the plots")
    (change,) = project.models["rides"].history
    assert re.fullmatch(
        rf"pushed by run {run.id}; evaluation: 0 checks passed; approved by ann, .* UTC: seen the plots", change.reason
    )


def test_moves_at_once_lose_nothing_and_none_is_made_on_what_stands_no_more(project: ps.Project):
    metadata = project.metadata
    for number in range(1, 5):
        register(metadata, "rides", Artifact(digest=f"{number:064}", kind="model", uri=""))
    set_alias(metadata, "rides", "champion", 1)
    together = Barrier(4)

    def move(version: int) -> object:
        together.wait()
        try:
            return set_alias(metadata, "rides", "champion", version, after=1)
        except ConflictError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(move, (2, 3, 4, 2)))
    refused = [each for each in found if isinstance(each, str)]
    history = project.models["rides"].history
    assert [each.sequence for each in history] == [1, 2]
    assert all(each.startswith("model 'rides@champion' was moved just now") for each in refused)
    assert len(refused) == (2 if history[-1].version == 2 else 3)
