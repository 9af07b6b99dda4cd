"""Whose States a run that infers has, and what is said where those of the promoted run are not to be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import penstock as ps
from penstock.core.run import Run
from penstock.errors import RunError

rides = ps.model("rides", type="linear_reg", label="minutes", features={"far": ps.col("far")})
hires = ps.model("hires", type="linear_reg", label="minutes", features={"far": ps.col("far")})


def mean(rows: ps.Table) -> dict:
    distances = rows["km"].to_pylist()
    return {"mean": sum(distances) / len(distances)}


def middle(rows: ps.Table) -> dict:
    distances = sorted(rows["km"].to_pylist())
    return {"mean": distances[len(distances) // 2]}


def relate(learned: dict, rows: ps.Table) -> ps.Table:
    return rows.append_column("far", [[km / learned["mean"] for km in rows["km"].to_pylist()]])


@ps.step(modes={"train"})
def longest(rows: ps.Table) -> float:
    return max(rows["km"].to_pylist())


@ps.step
def beyond(rows: ps.Table, limit: float, stop: bool = False) -> int:
    if stop:
        raise ValueError("told to")
    return sum(km > limit for km in rows["km"].to_pylist())


def riding(name: str = "relative", fit: Callable[..., Any] = mean) -> Any:
    """Return the pipeline as it is on some day: what its component is called, and how that learns."""
    relative = ps.component(fit=fit, apply=relate, name=name)

    @ps.pipeline(name="riding")
    def declared(source: str, push: bool = True, stop: bool = False):
        rows = ps.read(source)
        far = relative(rows)
        graph = ps.fit(rides, far)
        ps.push(graph, name="rides", when=push)
        beyond(far, longest(rows), stop)  # nothing of it is pushed

    return declared


@ps.pipeline
def two_models(source: str):
    far = ps.component(fit=mean, apply=relate, name="relative")(ps.read(source))
    ps.push(ps.fit(rides, far), name="rides")
    ps.push(ps.fit.configured(name="fit_hires")(hires, far), name="hires")


def write(root: Path, name: str, distances: range) -> str:
    (root / name).write_text("km,minutes\n" + "".join(f"{km},{km * 3 + km % 5}\n" for km in distances))
    return name


def mean_of(run: ps.Run) -> float:
    """Return by which mean the rows of a run were divided."""
    row = run.artifact("relative.apply").load().to_pylist()[0]
    return round(row["km"] / row["far"], 6)


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    """Return a project in which a run was promoted (mean 50, longest 99) and a newer one was not (mean 199.5, 349)."""
    project = ps.open(tmp_path)
    write(tmp_path, "new.csv", range(90, 110))
    for name, distances, push in (("first.csv", range(1, 100), True), ("newer.csv", range(50, 350), False)):
        run = project.run(riding(), source=write(tmp_path, name, distances), push=push, engine="inline")
        assert run.state == "succeeded"
    return project


def infer(project: ps.Project, pipeline: Any = None, **how: Any) -> ps.Run:
    return project.run(pipeline or riding(), mode="infer", engine="inline", **{"source": "new.csv", **how})


def promoted(project: ps.Project) -> ps.Run:
    return project.runs(pipeline="riding")[-1]


def test_what_is_learned_beside_the_model_is_of_the_promoted_run_too(project: ps.Project) -> None:
    run = infer(project)
    assert (mean_of(run), run.artifact("beyond").load()) == (50.0, 10)
    assert run.steps["longest"].reason.endswith(f"its outputs are those of run {promoted(project).id}")


def test_a_promoted_run_whose_record_was_deleted_is_named(project: ps.Project) -> None:
    gone = promoted(project).id
    project.metadata.delete(Run, id=gone)
    with pytest.raises(RunError, match=f"version 1, made by run {gone}, which is not recorded any more: let a run"):
        infer(project)
    assert mean_of(infer(project, states_from="newest")) == 199.5


def test_a_state_that_was_pruned_is_never_replaced_by_a_newer_one_and_can_be_made_again(project: ps.Project) -> None:
    run = promoted(project)
    project.artifacts.path(run.steps["relative.fit"].record.artifacts["result"]).unlink()
    with pytest.raises(RunError, match=f"gave in run {run.id} is not in the store any more; penstock run --resume"):
        infer(project)
    assert project.run(resume=run.id, engine="inline").state == "succeeded"
    assert mean_of(infer(project)) == 50.0


def test_a_renamed_component_says_what_the_promoted_run_has(project: ps.Project) -> None:
    with pytest.raises(RunError) as caught:
        infer(project, riding(name="relatives"))
    said = str(caught.value)
    assert f"no step named 'relatives.fit' in run {promoted(project).id}" in said
    assert "Did you mean 'relative.fit'" in said
    assert "call it as it was called there, train and promote anew" in said


def test_a_fit_that_was_changed_since_is_told_and_its_state_is_the_promoted_one(project: ps.Project) -> None:
    changed = riding(fit=middle)
    planned = project.plan(changed, source="new.csv", mode="infer").step("relative.fit")
    assert (
        f"its outputs are those of run {promoted(project).id}; since then relative.fit now uses middle"
        in planned.reason
    )
    run = infer(project, changed)
    assert mean_of(run) == 50.0
    assert "; since then relative.fit now uses middle" in run.steps["relative.fit"].reason
    assert "since then" not in run.steps["fit"].reason


def test_models_of_several_runs_cannot_share_a_state_that_differs(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    write(tmp_path, "new.csv", range(90, 110))
    for name, distances in (("first.csv", range(1, 100)), ("second.csv", range(50, 350))):
        project.run(two_models, source=write(tmp_path, name, distances), engine="inline")
    second, first = project.runs(pipeline="two_models")
    assert mean_of(infer(project, two_models)) == 199.5
    project.models["rides"].rollback(reason="too slow")
    with pytest.raises(RunError) as caught:
        infer(project, two_models)
    assert f"'rides@champion' was made by run {first.id}, 'hires@champion' by run {second.id}" in str(caught.value)
    assert "'relative.fit', of which both were made, gave another thing in each" in str(caught.value)
    assert mean_of(infer(project, two_models, states_from=first.id)) == 50.0
    project.models["hires"].rollback()
    assert mean_of(infer(project, two_models)) == 50.0


def test_states_that_are_handed_in_need_no_promoted_run(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    write(tmp_path, "new.csv", range(90, 110))
    with pytest.raises(RunError, match="there is none"):
        infer(project)
    given = {"relative.fit": {"mean": 10.0}, "longest": 100.0}
    assert mean_of(infer(project, override=given, only=["relative", "beyond", "read"])) == 10.0


def test_a_run_that_is_resumed_has_the_states_that_it_began_with(project: ps.Project) -> None:
    failed = infer(project, stop=True, states_from="newest")
    assert failed.state == "failed"
    project.run(riding(), source=write(project.root, "last.csv", range(1, 10)), push=False, engine="inline")
    resumed = project.run(resume=failed.id, stop=False, engine="inline")
    assert (resumed.state, mean_of(resumed), resumed.artifact("beyond").load()) == ("succeeded", 199.5, 0)


def test_a_run_of_a_part_that_pushes_a_model_has_the_states_that_it_was_made_of(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    write(tmp_path, "new.csv", range(90, 110))
    project.run(riding(), source=write(tmp_path, "first.csv", range(1, 100)), push=False, engine="inline")
    part = project.run(riding(), source="first.csv", only="push", engine="inline")
    assert (part.steps["push"].state, part.steps["relative.fit"].state) == ("succeeded", "skipped")
    project.run(riding(), source=write(tmp_path, "newer.csv", range(50, 350)), push=False, engine="inline")
    run = infer(project, only=["read", "relative"])
    assert (mean_of(run), run.record.options["states_from"]["relative.fit"]) == (50.0, part.id)


@ps.step(modes={"infer"})
def counted(rows: ps.Table) -> int:
    return rows.num_rows


@ps.step(modes={"train"})
def judged(count: int, least: int) -> int:
    if count < least:
        raise ValueError(f"{count} are too few")
    return count


@ps.pipeline
def judging(source: str, least: int = 1):
    judged(counted(ps.read(source)), least)


def test_a_run_that_trains_on_what_one_that_infers_gave_can_be_resumed(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    write(tmp_path, "new.csv", range(90, 110))
    infer(project, judging)
    failed = project.run(judging, source="new.csv", least=30, engine="inline")
    assert (failed.state, failed.steps["counted"].state) == ("failed", "skipped")
    resumed = project.run(resume=failed.id, least=3, engine="inline")
    assert (resumed.state, resumed.result("judged")) == ("succeeded", 20)
