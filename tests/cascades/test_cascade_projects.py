"""A cascade in a project: SQL at a terminal, fitted on a server, retrained by triggers, and never a part of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cascade_worlds import distance, rentals
from click.testing import CliRunner
from test_training import MODULE

import penstock as ps
from penstock.cli import main
from penstock.core.mapping import FrozenMap
from penstock.errors import ConflictError, DeclarationError, RequestError, RunError, UnknownNameError

sys.path.append(str(Path(__file__).parents[1] / "remote"))
from served_projects import serving
from test_remote_verification import NOW, bought, shops

SQL = """CREATE OR REPLACE MODEL distance
OPTIONS(model_type='cascade', router='is_long', routes=[(TRUE, 'rare')], otherwise='typical', min_rows=20,
        metric='mean_absolute_error', input_label_cols=['km'])
AS SELECT * FROM trips"""
TRIGGERS = """
retrain = ps.on(ps.new_artifact("is_long"), distance, params={"rows": "trips"})
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "penstock.toml").write_text('[engine]\ndefault = "inline"\n[tables]\ntrips = "trips.parquet"\n')
    pq.write_table(rentals(600), tmp_path / "trips.parquet")
    (tmp_path / "pipelines.py").write_text(MODULE + TRIGGERS)
    yield tmp_path
    sys.path[:] = [path for path in sys.path if path != str(tmp_path)]


@pytest.fixture
def project(root: Path) -> ps.Project:
    return ps.open(root)


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.2)


def with_stages(project: ps.Project) -> ps.Project:
    declared = distance()
    for model in (declared.router, declared.routes[0].use, declared.otherwise):
        project.fit(model, "trips")
    return project


def test_sql_makes_a_cascade_the_champion_with_a_run_that_says_what_it_read(project: ps.Project):
    with_stages(project).sql(SQL)
    model = project.models["distance"]
    assert model.alias("champion").version == 1
    assert model.load().declaration() == distance(metric="mean_absolute_error")
    [run] = project.runs(limit=1)
    assert {"fit_is_long", "fit_rare", "fit_typical", "baseline", "fit", "push"} <= set(run.steps)
    assert project.sql("SELECT * FROM ML.EVALUATE(MODEL distance, TABLE trips)").num_rows == 1
    assert project.verify("distance").equal


def test_the_same_statement_again_runs_nothing(project: ps.Project):
    with_stages(project).sql(SQL)
    project.sql(SQL)
    assert {step.state for step in project.runs()[0].steps.values()} == {"up_to_date"}


def test_the_terminal_takes_it_too(root: Path, project: ps.Project):
    with_stages(project)
    result = CliRunner().invoke(main, ["-C", str(root), "sql", SQL], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "baseline_mean_absolute_error" in result.output


def test_a_cascade_is_fitted_on_a_server(project: ps.Project):
    with serving(project) as remote:
        graph = remote.fit(distance(), rentals(600))
        assert graph.declaration() == distance()
        assert graph.blobs == project.fit(distance(), "trips").blobs
        assert remote.evaluate("distance", "trips") == project.evaluate("distance", "trips")
        with pytest.raises(DeclarationError, match=r"declares the column with each row's time itself"):
            remote.fit(distance(), rentals(600), timestamp="day")


def test_stages_of_a_statement_look_features_up(project: ps.Project):
    """In training and in ML.* functions as of each row's time, whichever stage asks."""
    project.features.apply(shops())
    at = [NOW - dt.timedelta(days=40, hours=hours) for hours in range(60)]
    project.features.ingest("shops", [{"shop": f"s{n % 4}", "at": at[n], "paid": 1.0 + n} for n in range(60)])
    rows = bought(400)
    rows = rows.append_column("event_timestamp", rows["asked"])
    rows = rows.append_column("dear", pa.compute.greater(rows["amount"], 7.0))
    project.table("bought", rows)
    amount = {"amount": ps.col("amount")}
    last = {"last": ps.feature("shops:last").fill_null(0.0), **amount}
    for name, type, label, features in (
        ("dear", "logistic_reg", "dear", amount),
        ("high", "linear_reg", "price", last),
        ("low", "linear_reg", "price", amount),
    ):
        project.fit(ps.model(name, type=type, label=label, features=features), "bought")
    project.sql(
        "CREATE MODEL whole OPTIONS(model_type='cascade', router='dear', routes=[(TRUE, 'high')], min_rows=10,"
        " otherwise='low', input_label_cols=['price']) AS SELECT * FROM bought"
    )
    graph = project.models["whole"].load()
    assert [node.name for node in graph.of("feature")] == ["shops@1:last"]
    found = project.sql("SELECT route FROM ML.EXPLAIN_PREDICT(MODEL whole, TABLE bought)")["route"].to_pylist()
    assert {"high", "low"} == set(found)
    with serving(project) as remote:
        assert remote.fit(graph.declaration(), rows).declaration() == graph.declaration()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "needs a model or a cascade, and not both"),
        ({"cascade": {"name": "d"}}, "a cascade's form lacks label"),
        ({"cascade": {"name": 3}}, "a cascade's form lacks label"),
    ],
)
def test_a_form_that_is_no_cascade_is_refused(project: ps.Project, body: dict[str, object], said: str):
    with serving(project) as remote, pytest.raises(RequestError, match=said):
        remote.server.post("/v1/models:fit", {**body, "rows": "trips"})


def test_a_new_version_of_the_router_retrains_all_of_the_cascade(root: Path, project: ps.Project):
    project.run("distance")
    pq.write_table(rentals(700, seed=4), root / "trips.parquet")
    with project.triggers.watch() as monitor:
        project.triggers.bring_in_step()
        monitor.start()
        project.fit(importlib.import_module("pipelines").is_long, "trips")
        until(lambda: bool(project.triggers["retrain"].history))
        until(lambda: project.runs(pipeline="distance", limit=1)[0].state == "succeeded" and len(_runs(project)) == 2)
    states = {name: step.state for name, step in _runs(project)[0].steps.items()}
    learned = {"fit_is_long", "fit_rare", "fit_typical", "baseline", "fit", "push"}
    assert {name for name in learned if states[name] != "succeeded"} == set()
    assert _runs(project)[0].record.params["rows"] == "trips"


def _runs(project: ps.Project) -> list[ps.Run]:
    return project.runs(pipeline="distance")


def test_a_trigger_takes_a_cascade_that_a_module_declares(project: ps.Project):
    assert "distance" in project.pipelines  # which imports the module
    declared = importlib.import_module("pipelines").distance
    view = project.on(ps.new_artifact("is_long"), declared, params={"rows": "trips"}, name="again")
    assert (view.record.pipeline, view.record.params) == ("distance", {"rows": "trips"})
    with pytest.raises(UnknownNameError, match="no parameter named 'row'"):
        project.on(ps.new_artifact("is_long"), declared, params={"row": "trips"})
    elsewhere = dataclasses.replace(declared, name="nowhere")
    with pytest.raises(UnknownNameError, match="no pipeline named 'nowhere' in the project's modules"):
        project.on(ps.new_artifact("is_long"), elsewhere)


def test_a_bundle_of_mixed_generations_cannot_be_kept_pushed_or_loaded(project: ps.Project):
    graph, other = project.fit(distance(), rentals(600)), project.fit(distance(), rentals(600, seed=5))
    mixed = {name: (other if name.startswith("stages/rare/") else graph).blobs[name] for name in graph.blobs}
    swapped = dataclasses.replace(graph, blobs=FrozenMap(mixed))

    @ps.step
    def puts_together(number: int) -> ps.ModelGraph:
        return swapped if number else graph

    @ps.pipeline
    def pushing(number: int) -> None:
        ps.push(puts_together(number), name="mixed")

    assert project.run(pushing, number=0, engine="inline").state == "succeeded"
    run = project.run(pushing, number=1, engine="inline")
    with pytest.raises(RunError, match=r"the stage 'rare' .* is not of the generation"):
        run.result("push")
    assert len(project.models["mixed"].versions) == 1
    with pytest.raises(ConflictError, match="not of the generation"):
        ps.load_model(swapped.save(project.root / "mixed"))


def test_plan_and_why_speak_of_the_steps_of_a_cascade(root: Path, project: ps.Project):
    def said(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["-C", str(root), *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert "fit_is_long" in said("plan", "distance")
    project.run("distance")
    pq.write_table(rentals(700, seed=4), root / "trips.parquet")
    run = project.run("distance")
    why = said("why", run.id, "fit_rare")
    assert "rows_rare" in why
