"""Lineage both ways: artifacts, runs, steps, names, models; through lists, values inside, conditions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest

import penstock as ps
from penstock.artifacts import Lineage, openlineage_events
from penstock.core.artifact import Artifact
from penstock.core.run import ModelVersion, Run, StepRun
from penstock.errors import DeclarationError, UnknownNameError


def edges(found: Lineage) -> set[tuple[str, str, str]]:
    """What a person would draw: ("prices", "table", "result"), ... with kinds in place of digests."""
    name = {
        id: node.facts.get("kind", "artifact") if node.kind == "artifact" else f"{node.kind} {node.label}"
        for id, node in found.nodes.items()
    }
    return {(name[edge.tail], name[edge.head], edge.label) for edge in found.edges}


def test_an_artifact_leads_up_to_all_it_comes_from(project: ps.Project) -> None:
    project.run("making")
    found = project.repository.lineage("latest/report.result", down=False)
    assert edges(found) == {
        ("step report", "json", "result"),
        ("table", "step report", "low"),
        ("table", "step report", "high"),
        ("step halves", "table", "low"),
        ("step halves", "table", "high"),
        ("table", "step halves", "rows"),
        ("step prices", "table", "result"),
    }


def test_a_step_of_a_lineage_tells_its_parameters_and_its_code(project: ps.Project) -> None:
    run = project.run("making", n=12)
    (prices,) = [n for n in project.repository.lineage("latest/report").of_kind("step") if n.label == "prices"]
    assert prices.facts["parameters"] == {"n": "12"}
    assert prices.facts["pipeline"] == "making"
    assert prices.facts["run"] == run.id
    assert any("prices" in name for name in prices.facts["code"])


def test_a_value_inside_what_a_step_gave_is_lineage_too(project: ps.Project) -> None:
    project.run("making")
    assert ("json", "step say", "count from ['low']") in edges(project.repository.lineage("latest/say.result"))


def test_what_decided_whether_a_step_runs_is_lineage_too(project: ps.Project) -> None:
    report = project.run("making").steps["report"].record

    @ps.pipeline
    def deciding() -> None:
        counted = kept(project).report(*kept(project).halves(kept(project).prices(10)))
        kept(project).say(3, when=counted["low"] > 2)

    run = project.run(deciding)
    assert run.steps["say"].record.inputs == {"when from ['low']": report.artifacts["result"]}


def kept(project: ps.Project):
    import sys

    assert project.pipelines
    return sys.modules["kept"]


def test_an_artifact_leads_down_through_other_pipelines_and_names(project: ps.Project) -> None:
    project.run("making")
    project.run("reading")
    found = edges(project.repository.lineage("latest/named.result", up=False))
    assert {
        ("table", "step mean", "rows"),
        ("step mean", "json", "result"),
        ("table", "name prices/1", "version"),
        ("table", "step halves", "rows"),
        ("step halves", "table", "low"),
    } <= found


def test_a_named_input_leads_up_to_the_pipeline_that_made_it(project: ps.Project) -> None:
    made, read = project.run("making"), project.run("reading")
    found = project.repository.lineage(f"{read.id}/mean", down=False)
    steps = {(node.label, node.facts["run"]) for node in found.of_kind("step")}
    assert steps == {("mean", read.id), ("named", read.id), ("prices", made.id)}


def test_a_run_leads_to_everything_that_its_steps_read_and_gave(project: ps.Project) -> None:
    run = project.run("making")
    found = project.repository.lineage(run.id[:17])
    assert {node.label for node in found.of_kind("step")} == set(run.steps)
    assert len(found.start) == len(run.steps)


def test_a_run_that_was_up_to_date_leads_to_its_own_steps(project: ps.Project) -> None:
    project.run("making")
    again = project.run("making")
    found = project.repository.lineage("latest/say", down=False)
    assert {node.facts["run"] for node in found.of_kind("step")} == {again.id}
    readers = [
        node for node in project.repository.lineage("prices", up=False).of_kind("step") if node.label == "halves"
    ]
    assert len(readers) == 1


def test_sources_end_the_way_up_with_their_digest(project: ps.Project) -> None:
    (project.root / "rows.csv").write_text("a\n1\n")

    @ps.pipeline
    def from_file() -> None:
        kept(project).mean(ps.read("rows.csv"))

    project.run(from_file, only="read")
    found = project.repository.lineage("latest/read", down=False)
    (source,) = found.of_kind("source")
    assert (source.label, len(source.facts["digest"])) == ("rows.csv", 64)
    assert ("source rows.csv", "step read", "source") in edges(found)


def test_lists_and_dicts_of_references_are_followed(project: ps.Project) -> None:
    @ps.pipeline
    def gathering() -> None:
        low, high = kept(project).halves(kept(project).prices(10))
        gather([low, high], {"whole": kept(project).prices(20)})

    run = project.run(gathering)
    assert set(run.steps["gather"].record.inputs) == {"parts[0]", "parts[1]", "others['whole']"}
    names = {label for _, head, label in edges(project.repository.lineage("latest/gather")) if head == "step gather"}
    assert names == {"parts[0]", "parts[1]", "others['whole']"}


@ps.step
def gather(parts: list, others: dict) -> int:
    return sum(part.num_rows for part in parts) + others["whole"].num_rows


def test_a_model_version_leads_to_the_rows_it_learned_from_and_to_what_used_it(project: ps.Project) -> None:
    rows = [{"x": float(x), "y": 2.0 * x} for x in range(40)]
    line = ps.model("line", type="linear_reg", label="y", features={"x": ps.col("x")})
    project.fit(line, rows)
    up = project.repository.lineage("line", down=False)
    assert up.start == ("model:line/1",)
    assert ("model", "model line/1", "version") in edges(up)
    assert ("table", "step fit", "rows") in edges(up)
    down = project.repository.lineage("line/1", up=False)
    assert ("model", "step push", "graph") in edges(down)
    assert project.repository.lineage("model:line").start == up.start


def test_a_name_that_a_model_and_an_artifact_have_asks_which(project: ps.Project) -> None:
    project.run("making")
    digest = project.repository["prices"].digest
    project.metadata.write(ModelVersion(model="prices", version=1, digest=digest))
    with pytest.raises(
        DeclarationError, match="'prices' is a model and an artifact; write model:prices or name:prices"
    ):
        project.repository.lineage("prices")
    assert project.repository.lineage("name:prices").start == ("name:prices/1",)


def test_lineage_goes_on_where_records_are_gone(project: ps.Project) -> None:
    run = project.run("making")
    report = run.steps["report"].record
    project.metadata.delete(Artifact, digest=report.inputs["low"])
    project.metadata.delete(Run, id=run.id)
    found = project.repository.lineage(report.artifacts["result"], down=False)
    lost = found.nodes[f"artifact:{report.inputs['low']}"]
    assert lost.facts == {"recorded": False}
    assert ("step prices", "table", "result") in edges(found)
    project.metadata.delete(StepRun, run=run.id, step="report")
    assert project.repository.lineage(report.artifacts["result"], down=False).edges == ()


def test_a_lineage_is_told_as_openlineage_events(project: ps.Project) -> None:
    run = project.run("making")
    found = project.repository.lineage("latest/report.result", down=False)
    events = {event["job"]["name"]: event for event in openlineage_events(found, namespace="shop")}
    assert set(events) == {"making.prices", "making.halves", "making.report"}
    report = events["making.report"]
    assert report["eventType"] == "COMPLETE"
    assert [each["name"] for each in report["outputs"]] == [run.artifact("report").digest]
    assert {each["name"] for each in report["inputs"]} == {each["name"] for each in events["making.halves"]["outputs"]}
    assert datetime.fromisoformat(report["eventTime"]).timestamp() == pytest.approx(run.steps["report"].record.ended)
    assert len({UUID(event["run"]["runId"]) for event in events.values()}) == 3
    again = project.repository.lineage("latest/report.result", down=False)
    assert openlineage_events(again, namespace="shop") == list(events.values())


def test_what_is_nothing_says_what_there_is(project: ps.Project) -> None:
    project.run("making")
    with pytest.raises(UnknownNameError, match=r"no artifact, model or run named 'price'.*Did you mean 'prices'"):
        project.repository.lineage("price")


@ps.step
def sizes() -> list:
    return [2, 3]


@ps.step
def rows_of(n: int) -> ps.Table:
    import pyarrow as pa

    return pa.table({"x": list(range(n))})


@ps.step
def doubled(rows: ps.Table) -> ps.Table:
    import pyarrow as pa

    return pa.table({"x": [2 * x for x in rows["x"].to_pylist()]})


@ps.step
def joined(parts: list[ps.Table]) -> int:
    return sum(part.num_rows for part in parts)


@ps.pipeline
def mapping() -> None:
    joined(doubled.map(rows_of.map(sizes())))


def test_mapped_steps_are_followed_item_by_item(project: ps.Project) -> None:
    run = project.run(mapping)
    assert run.result("joined") == 5
    up = project.repository.lineage("latest/joined.result", down=False)
    steps = {node.label for node in up.of_kind("step")}
    assert {"joined", "doubled[0]", "doubled[1]", "rows_of[0]", "rows_of[1]", "sizes"} <= steps
    (item,) = [node.id for node in up.of_kind("step") if node.label == "doubled[1]"]
    came_from = {maker.label for _, artifact in up.above(item) for _, maker in up.above(artifact.id)}
    assert "rows_of[1]" in came_from
    down = project.repository.lineage("latest/rows_of[1].result", up=False)
    assert {"doubled[1]", "joined"} <= {node.label for node in down.of_kind("step")}
    assert "doubled[0]" not in {node.label for node in down.of_kind("step")}
