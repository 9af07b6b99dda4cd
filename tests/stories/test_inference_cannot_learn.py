"""The canary: whatever a pipeline does, a run in mode infer learns nothing of the rows that it is given. New rows have
another mean than those that were learned from, so learning would be seen in every value."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import DeclarationError

rides = ps.model("rides", type="linear_reg", label="minutes", features={"km": ps.col("km").standard_scaler()})


@ps.component
class center:
    @staticmethod
    def fit(rows: ps.Table) -> float:
        distances = rows["km"].to_pylist()
        return sum(distances) / len(distances)

    @staticmethod
    def apply(mean: float, rows: ps.Table) -> list[float]:
        return [km - mean for km in rows["km"].to_pylist()]


@ps.step
def rows_of(distances: list[int]) -> ps.Table:
    return pa.table({"km": distances, "minutes": [3 * km + 1 for km in distances]})


@ps.step
def halves(rows: ps.Table) -> list[ps.Table]:
    middle = rows.num_rows // 2
    return [rows.slice(0, middle), rows.slice(middle)]


@ps.pipeline
def prepare(rows: ps.Table):
    return center.configured(name="inner")(rows)


@ps.pipeline
def honest(distances: list[int], learn_from: list[int]):
    rows = rows_of(distances)
    center(rows)
    center.configured(name="elsewhere")(rows, fit_on=rows_of(learn_from))
    prepare(rows)
    parts = halves(rows)
    each = center.configured(name="each")
    each.apply.map(each.fit.map(parts), parts)


def run(project: ps.Project, pipeline: Any, mode: str, **how: Any) -> ps.Run:
    return project.run(pipeline, mode=mode, **{"engine": "inline", **how})


def test_states_are_those_of_training_in_components_of_every_form(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    assert run(project, honest, "train", distances=[1, 3, 5, 7], learn_from=[10]).state == "succeeded"
    inferred = run(project, honest, "infer", distances=[100, 200, 300, 400], learn_from=[500])
    assert inferred.artifact("center.apply").load() == [96.0, 196.0, 296.0, 396.0]
    assert inferred.artifact("elsewhere.apply").load() == [90.0, 190.0, 290.0, 390.0]
    assert inferred.artifact("prepare.inner.apply").load() == [96.0, 196.0, 296.0, 396.0]
    each = [item.artifact("result").load() for name, item in inferred.steps.items() if name.startswith("each.apply[")]
    assert each == [[98.0, 198.0], [294.0, 394.0]]
    learning = {name: step.state for name, step in inferred.steps.items() if ".fit" in name}
    assert set(learning.values()) == {"skipped"}


@ps.step
def by_hand(rows: ps.Table) -> float:
    return center.fit(rows)


@ps.step
def whole_component(rows: ps.Table) -> list[float]:
    return center(rows)


@ps.step
def mapped_by_hand(rows: ps.Table) -> list[float]:
    return center.fit.map([rows])


@ps.step
def by_the_step(rows: ps.Table) -> ps.ModelGraph:
    return ps.fit(rides, rows)


@ps.step
def by_the_function_inside(rows: ps.Table) -> ps.ModelGraph:
    return ps.fit.function(rides, rows)


@ps.step
def in_a_thread(rows: ps.Table) -> float:
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(center.fit, rows).result()


@ps.step
def by_tuning(rows: ps.Table) -> dict:
    return ps.tune(rides, rows, {"l2_reg": ps.hparam_range(0.0, 1.0)}, trials=2).options


@ps.step
def by_a_run(rows: ps.Table, context: ps.Context) -> ps.ModelGraph:
    return ps.open(context.root).fit(rides, rows)


@ps.step
def by_sql(rows: ps.Table, context: ps.Context) -> int:
    project = ps.open(context.root)
    project.table("given", rows)
    options = "OPTIONS(model_type='linear_reg', input_label_cols=['minutes'])"
    return project.sql(f"CREATE OR REPLACE MODEL m {options} AS SELECT * FROM given").num_rows


CHEATS = {
    by_hand: "'center.fit' runs only in mode train, and a step of a run in mode infer called it",
    whole_component: "'center.fit' runs only in mode train",
    mapped_by_hand: "'center.fit' runs only in mode train",
    in_a_thread: "'center.fit' runs only in mode train",
    by_the_step: "'fit' runs only in mode train",
    by_the_function_inside: "'fit' runs only in mode train",
    by_tuning: "'tune' runs only in mode train",
    by_a_run: "in mode train, where 'fit' learns; run it by itself, or let a trigger (ps.on) do so",
    by_sql: "in mode train, where 'fit' learns; run it by itself, or let a trigger (ps.on) do so",
}


def cheating(step: Any) -> Any:
    @ps.pipeline(name=f"with_{step.settings.name}")
    def declared(distances: list[int]):
        step(rows_of(distances))

    return declared


@pytest.mark.parametrize("step", CHEATS, ids=lambda step: step.settings.name)
def test_a_step_that_learns_by_itself_is_refused(tmp_path: Path, step: Any) -> None:
    project, pipeline = ps.open(tmp_path), cheating(step)
    assert run(project, pipeline, "train", distances=list(range(40))).state == "succeeded"
    refused = run(project, pipeline, "infer", distances=list(range(100, 140)))
    assert refused.state == "failed"
    assert CHEATS[step] in refused.steps[step.settings.name].record.error


def test_a_worker_of_its_own_is_told_too(tmp_path: Path) -> None:
    refused = run(ps.open(tmp_path), cheating(in_a_thread), "infer", distances=[1, 2], engine="local")
    assert "'center.fit' runs only in mode train" in refused.steps["in_a_thread"].record.error


def test_what_learns_cannot_be_configured_to_do_so_in_inference(tmp_path: Path) -> None:
    for configured in (center.configured, center.fit.configured):
        with pytest.raises(DeclarationError, match=r"'center(\.fit)?'.*leave out modes="):
            configured(modes={"train", "infer"})
    fitting = ps.fit.configured(modes={"train", "infer"})

    @ps.pipeline
    def fits_always(distances: list[int]):
        fitting(rides, rows_of(distances))

    refused = run(ps.open(tmp_path), fits_always, "infer", distances=list(range(40)))
    assert "'fit' runs only in mode train" in refused.steps["fit"].record.error


@ps.step
def mode_of(rows: ps.Table, mode: ps.Mode) -> str:
    return mode


@ps.step
def asking_inside(rows: ps.Table) -> str:
    return f"{mode_of(rows)} {mode_of(rows, 'train')}"


@ps.pipeline
def asks(distances: list[int]):
    asking_inside(rows_of(distances))


def test_a_step_called_inside_another_is_told_the_mode_of_the_run(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    assert run(project, asks, "infer", distances=[1]).artifact("asking_inside").load() == "infer train"
    assert run(project, asks, "train", distances=[2]).artifact("asking_inside").load() == "train train"
    assert mode_of(rows_of([1])) == "train"
