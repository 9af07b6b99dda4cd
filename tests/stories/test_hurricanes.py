"""The hurricane pipeline of the talk, as a list of components: train, infer, a gate before the registry, a person who
decides, a rollback, and somebody who is told. On real storms where they are there, else on generated ones."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import penstock as ps

sys.path.insert(0, str(Path(__file__).parents[1] / "components"))
from mail_server import mail_server

DATA = Path(__file__).parents[3] / "shared" / "data" / "atlantic_storms.parquet"
COLUMNS = ["name", "year", "month", "lat", "long", "status", "pressure", "wind"]

strength = ps.model(
    "hurricanes",
    type="linear_reg",
    label="wind",
    features={"drop": ps.col("drop"), "lat": ps.col("lat"), "status": ps.col("status"), "month": ps.col("month")},
)


@ps.component
class deepen:
    """Put beside each storm how far its pressure is below that of the storms that were learned from."""

    @staticmethod
    def fit(rows: ps.Table) -> dict:
        return {"mean": pc.mean(rows["pressure"]).as_py(), "rows": rows.num_rows}

    @staticmethod
    def apply(learned: dict, rows: ps.Table) -> ps.Table:
        return rows.append_column("drop", pc.subtract(learned["mean"], pc.cast(rows["pressure"], "float64")))


def hurricanes(smtp: str) -> ps.Pipeline:
    """The slide: ExampleGen, StatisticsGen, SchemaGen, ExampleValidator, Transform, Trainer, Evaluator, InfraValidator,
    Pusher, BulkInferrer."""
    gen = ps.node(ps.read, ps.parameter("source", "storms.parquet"))
    statistics = ps.node(ps.statistics, gen)
    schema = ps.node(ps.schema, statistics, label="wind")
    validator = ps.node(ps.validate, gen, schema, rules=["pressure > 800"])
    transform = ps.node(deepen, validator.outputs["rows"])
    split = ps.node(ps.split, transform, by="year", test=0.25)
    trainer = ps.node(ps.fit, strength, split.outputs["train"])
    bound = {"mean_absolute_error": {"max": ps.parameter("worst", 12.0), "better_by": -1.0}}
    evaluator = ps.node(
        ps.bless, trainer, split.outputs["test"], thresholds=bound, slices=["status", "lat > 30"],
        baseline="hurricanes@champion", min_rows=10,
    )  # fmt: skip
    infra = ps.node(ps.infra_validate, trainer, split.outputs["test"], requests=20)
    approval = ps.node(ps.approve, trainer, message="the new hurricanes", blessings=[evaluator, infra])
    pusher = ps.node(ps.push, trainer, name="hurricanes", blessings=[evaluator, infra, approval])
    inferrer = ps.node(ps.predict, trainer, transform, blessing=evaluator, to=ps.parameter("to", "out/all.parquet"))
    tell = ps.notify.configured(modes={"train"}, cache=True)  # of each push once
    teller = ps.node(tell, "hurricanes were pushed", email="crew@example.org", smtp=smtp, about=pusher)
    listed = [teller, pusher, approval, infra, evaluator, trainer, split, transform, validator, schema, statistics]
    return ps.Pipeline(name="hurricanes", components=[inferrer, *listed, gen])


def storms() -> pa.Table:
    if DATA.exists():
        table = pq.read_table(DATA, columns=COLUMNS)
        table = table.filter(pc.and_(pc.greater(table["year"], 2012), pc.greater(table["pressure"], 0)))
        return table.take(list(range(0, table.num_rows, 8)))
    chance, rows = random.Random(1), []
    for number in range(600):
        pressure = chance.randint(920, 1010)
        status = "hurricane" if pressure < 985 else "tropical storm" if pressure < 1003 else "tropical depression"
        wind = round(25 + (1010 - pressure) * 1.2 + chance.gauss(0, 6))
        place = {"lat": chance.uniform(10, 45), "long": -chance.uniform(20, 90), "month": 6 + number % 6}
        rows.append({"name": f"S{number}", "year": 2013 + number // 60, "status": status, "pressure": pressure,
                     "wind": wind, **place})  # fmt: skip
    return pa.Table.from_pylist(rows).select(COLUMNS)


def heard(run: ps.Run) -> dict[str, str]:
    return {name: step.state for name, step in run.steps.items() if name not in ("read", "statistics")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("hurricanes")
    rows = storms()
    pq.write_table(rows.slice(0, rows.num_rows // 2), root / "storms.parquet")
    pq.write_table(rows, root / "more.parquet")
    pq.write_table(rows.slice(rows.num_rows - 9).drop_columns(["wind"]), root / "today.parquet")
    with mail_server() as mail:
        yield ps.open(root), hurricanes(mail.address), mail


def test_the_slide_is_run_decided_about_inferred_with_and_rolled_back(world: Any):
    project, pipeline, mail = world

    unblessed = project.run(pipeline, worst=0.01, engine="inline")
    assert unblessed.state == "succeeded"
    assert {name for name, state in heard(unblessed).items() if state == "skipped"} == {
        "approve", "push", "predict", "notify",
    }  # fmt: skip
    assert "it has to be at most 0.01" in unblessed.steps["approve"].reason
    assert unblessed.steps["push"].reason == "needs approve, which was skipped"
    assert "hurricanes" not in project.models
    assert not (project.root / "out").exists()

    first = project.run(pipeline, engine="inline")
    assert (first.state, heard(first)["push"], heard(first)["predict"]) == ("waiting", "waiting", "succeeded")
    assert "hurricanes" not in project.models
    first.steps["approve"].approve(by="captain", reason="seen the slices")
    assert first.state == "succeeded", first.record.error
    assert project.models["hurricanes"].alias("champion").version == 1
    assert mail.letters[-1]["Subject"] == "hurricanes were pushed"
    kinds = [each["kind"] for each in project.models["hurricanes"].alias("champion").lineage["blessings"]]
    assert kinds == ["evaluation", "infrastructure", "approval"]
    again = [project.run(pipeline, engine="inline") for _ in range(2)][
        -1
    ]  # the first sees that there is a champion now
    assert {step.state for step in again.steps.values()} == {"up_to_date"}
    assert len(mail.letters) == 1

    second = project.run(pipeline, source="more.parquet", engine="inline")
    second.steps["approve"].approve(by="captain")
    assert project.models["hurricanes"].alias("champion").version == 2

    learned = {run.id: run.artifact("deepen.fit").load() for run in (first, second)}
    assert learned[first.id] != learned[second.id]
    assert canary(project, pipeline, "out/newer.parquet") == pytest.approx(learned[second.id]["mean"])
    project.models["hurricanes"].rollback(reason="too timid", by="captain")
    assert canary(project, pipeline, "out/older.parquet") == pytest.approx(learned[first.id]["mean"])


def canary(project: ps.Project, pipeline: ps.Pipeline, to: str) -> float:
    """Infer for today's storms; return by which mean they were judged: a `fit` on them would have found another."""
    run = project.run(pipeline, source="today.parquet", mode="infer", to=to, engine="inline")
    assert run.state == "succeeded", run.record.error
    ran = {name for name, step in run.steps.items() if step.state in ("succeeded", "up_to_date")}
    assert ran == {"read", "validate", "deepen.apply", "predict"}
    predicted = pq.read_table(project.root / to)
    assert predicted.column_names[0] == "predicted_wind"
    assert predicted.num_rows == 9
    row = predicted.to_pylist()[0]
    return row["drop"] + row["pressure"]


def test_from_a_broken_batch_nothing_is_learned_pushed_or_told(world: Any):
    project, pipeline, mail = world
    broken, letters = storms(), len(mail.letters)
    place = broken.column_names.index("pressure")
    pq.write_table(
        broken.set_column(place, "pressure", pa.array([60] * broken.num_rows)), project.root / "broken.parquet"
    )
    failed = project.run(pipeline, source="broken.parquet", engine="inline")
    assert (failed.state, failed.steps["validate"].state) == ("failed", "failed")
    assert {failed.steps[name].state for name in ("fit", "approve", "push", "predict", "notify")} == {"skipped"}
    assert len(mail.letters) == letters
