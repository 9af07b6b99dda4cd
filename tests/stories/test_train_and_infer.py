"""One definition, two pipelines: training learns, inference uses what the promoted run learned and cannot learn."""

from __future__ import annotations

from pathlib import Path

import pytest

import penstock as ps
from penstock.errors import DeclarationError, RunError

rides = ps.model("rides", type="linear_reg", label="minutes", features={"km": ps.col("km"), "far": ps.col("far")})


@ps.component
class relative:
    """Put beside each distance how far that is for the rows that were learned from."""

    @staticmethod
    def fit(rows: ps.Table) -> dict:
        distances = rows["km"].to_pylist()
        return {"mean": sum(distances) / len(distances)}

    @staticmethod
    def apply(learned: dict, rows: ps.Table) -> ps.Table:
        return rows.append_column("far", [[km / learned["mean"] for km in rows["km"].to_pylist()]])


@ps.pipeline
def riding(source: str, worst: float = 1e9):
    rows = relative(ps.read(source))
    train, test = ps.split(rows, by="km")
    graph = ps.fit(rides, train)
    report = ps.evaluate(graph, test)
    ps.push(graph, name="rides", when=report["mean_absolute_error"] < worst)
    ps.predict(graph, rows)


def write(path: Path, distances: range, label: bool = True) -> str:
    text = "km,minutes\n" if label else "km\n"
    path.write_text(text + "".join(f"{km},{km * 3 + km % 5}\n" if label else f"{km}\n" for km in distances))
    return path.name


def means(run: ps.Run) -> set[float]:
    """Return by which mean the rows of a run were divided."""
    rows = run.artifact("relative.apply").load().to_pylist()
    return {round(row["km"] / row["far"], 6) for row in rows if row["km"]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    root = tmp_path_factory.mktemp("rides")
    project = ps.open(root)
    with pytest.raises(RunError, match="infers with what was promoted as 'rides@champion'; there is none"):
        project.run(riding, source=write(root / "first.csv", range(1, 100)), mode="infer", engine="inline")
    assert project.run(riding, source="first.csv", engine="inline").state == "succeeded"
    return project


def test_the_states_are_those_of_the_run_that_was_promoted_not_of_the_newest(project: ps.Project) -> None:
    first = project.runs(pipeline="riding", state="succeeded")[-1]
    newer = project.run(riding, source=write(project.root / "newer.csv", range(50, 350)), worst=-1.0, engine="inline")
    assert newer.steps["push"].state == "skipped"
    assert (means(first), means(newer)) == ({50.0}, {199.5})
    unlabelled = write(project.root / "new.csv", range(1000, 1010), label=False)

    planned = project.plan(riding, source=unlabelled, mode="infer")
    assert planned.step("relative.fit").reason.endswith(f"its outputs are those of run {first.id}")
    assert planned.step("fit").reason.endswith(f"its outputs are those of run {first.id}")

    run = project.run(riding, source=unlabelled, mode="infer", engine="inline")
    assert means(run) == {50.0}
    assert {name for name, step in run.steps.items() if step.state == "succeeded"} == {
        "read",
        "relative.apply",
        "predict",
    }
    predicted = run.artifact("predict").load()
    assert predicted.column_names == ["predicted_minutes", "km", "far"]

    by_newest = project.run(riding, source=unlabelled, mode="infer", states_from="newest", engine="inline")
    assert means(by_newest) == {199.5}
    by_name = project.run(riding, source=unlabelled, mode="infer", states_from=newer.id, engine="inline")
    assert means(by_name) == {199.5}


def test_a_rollback_of_the_alias_is_one_of_the_states(project: ps.Project) -> None:
    first = project.models["rides"].alias("champion").version
    pushed = project.run(riding, source=write(project.root / "last.csv", range(100, 200)), engine="inline")
    new = write(project.root / "rolled.csv", range(7, 12), label=False)
    assert means(project.run(riding, source=new, mode="infer", engine="inline")) == means(pushed) == {149.5}
    change = project.models["rides"].rollback(reason="too slow", by="alice")
    assert (change.version, change.reason) == (first, f"rolled back from version {first + 1} by alice: too slow")
    assert means(project.run(riding, source=new, mode="infer", engine="inline")) == {50.0}
    assert project.repository.gc(keep_runs=1, grace=0.001, dry_run=False).garbage
    assert project.plan(riding, source=new, mode="infer").step("relative.fit").state == "skipped"
    late = write(project.root / "late.csv", range(17, 22), label=False)
    assert means(project.run(riding, source=late, mode="infer", engine="inline")) == {50.0}


def test_states_of_another_pipeline_or_in_training_are_refused(project: ps.Project) -> None:
    other = project.run(other_pipeline, engine="inline")
    with pytest.raises(DeclarationError, match="is one of pipeline 'other_pipeline'; name one of 'riding'"):
        project.run(riding, source="first.csv", mode="infer", states_from=other.id)
    with pytest.raises(DeclarationError, match="states_from is for runs in mode infer"):
        project.run(riding, source="first.csv", states_from="newest")


@ps.step
def nothing() -> int:
    return 1


@ps.pipeline
def other_pipeline():
    nothing()
