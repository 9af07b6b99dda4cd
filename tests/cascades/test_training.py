"""A cascade is trained as one pipeline: by what its router really predicts, and never a part of it alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cascade_worlds import INPUTS, RARE, distance, rentals

import penstock as ps
from penstock.core.model import Model
from penstock.errors import RunError
from penstock.models import row_predictor


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    return ps.open(tmp_path)


def states(run: ps.Run) -> dict[str, str]:
    return {name: step.state for name, step in run.steps.items()}


def test_nothing_runs_again_that_is_up_to_date(project: ps.Project):
    project.fit(distance(), rentals())
    project.fit(distance(), rentals())
    assert set(states(project.runs()[0]).values()) == {"up_to_date"}


def test_only_the_branch_that_changed_runs_again(project: ps.Project):
    project.fit(distance(), rentals())
    project.fit(distance(routes=[ps.route(when=ps.col("is_long") > 0.5, use=ridge("rare"))]), rentals())
    ran = {name for name, state in states(project.runs()[0]).items() if state == "succeeded"}
    assert ran == {"fit_rare", "ideal_rare", "fit", "report", "push"}


def ridge(name: str) -> Model:
    return ps.model(name, type="linear_reg", label="km", features=INPUTS, options={"l2_reg": 3.0})


def test_a_changed_router_makes_all_behind_it_stale(project: ps.Project):
    project.fit(distance(), rentals())
    other = ps.model("is_long", type="logistic_reg", label="is_long", features=INPUTS)
    project.fit(distance(router=other), rentals())
    ran = {name for name, state in states(project.runs()[0]).items() if state == "succeeded"}
    assert {"fit_is_long", "routes", "rows_rare", "fit_rare", "rows_typical", "fit_typical", "fit"} <= ran
    assert states(project.runs()[0])["baseline"] == "up_to_date"


def test_a_router_that_predicts_the_same_leaves_the_stages_up_to_date(project: ps.Project):
    project.fit(distance(), rentals())
    same = ps.model(
        "is_long",
        type="random_forest_classifier",
        label="is_long",
        features={"first": ps.col("x1"), "second": ps.col("x2"), "third": ps.col("x3")},
        options={"num_parallel_tree": 20},
    )
    project.fit(distance(router=same), rentals())
    found = states(project.runs()[0])
    assert found["fit_is_long"] == "succeeded"
    assert {found[name] for name in ("rows_rare", "fit_rare", "rows_typical", "fit_typical")} == {"up_to_date"}


def test_a_stage_that_learned_from_other_rows_cannot_be_put_in(project: ps.Project):
    project.fit(distance(), rentals(seed=5))
    old = project.runs()[0].artifact("fit_rare")
    pq.write_table(rentals(), project.root / "trips.parquet")
    run = project.run(distance().pipeline(), rows="trips.parquet", override={"fit_rare": old}, engine="inline")
    with pytest.raises(RunError, match="different generations"):
        run.result("fit")


def test_few_rows_predict_as_the_baseline_does():
    graph = ps.fit(distance(min_rows=100_000), rentals())
    assert graph.facts["stages"]["rare"]["stands_for"] == "rare"
    assert graph.facts["evaluation"]["mean_absolute_error"] == graph.facts["baseline"]["mean_absolute_error"]


def test_a_route_that_no_training_row_takes_is_no_crash():
    routes = [ps.route(when=(ps.col("is_long") > 0.5) & (ps.col("x1") > 1e6), use=RARE)]
    graph = ps.fit(distance(routes=routes), rentals())
    assert set(graph.predict(rentals()).column("route").to_pylist()) == {"typical"}
    far = {"x1": 1e7, "x2": 9.0, "x3": 0.0}
    assert row_predictor(graph).predict(far)["route"] in ("rare", "typical")


def test_a_column_of_noise_is_not_learned_through_the_routes():
    """A router that remembers its rows says of them what it was told; then stages learn the label by the back door."""
    random = np.random.default_rng(0)
    noise = random.normal(size=2000)
    rows = rentals(2000).set_column(4, "km", pa.array(noise)).set_column(3, "is_long", pa.array(noise > 0.5))
    honest = ps.fit(distance(), rows).facts["evaluation"]["r2_score"]
    assert honest < 0.02


def test_what_the_router_really_predicts_is_better_to_learn_from_than_labels():
    found = {}
    for policy in ("labels", "out_of_fold"):
        graph = ps.fit(distance(policy=policy), rentals(4000))
        found[policy] = graph.evaluate(rentals(4000, seed=9))["mean_squared_error"] ** 0.5
    assert found["out_of_fold"] < 0.95 * found["labels"]


def test_folds_of_time_learn_from_earlier_rows_alone(project: ps.Project):
    rows = rentals().append_column("day", pa.array(np.arange(1200)))
    project.fit(distance(time="day"), rows)
    run = project.runs()[0]
    numbers = np.asarray(run.result("folds"))
    assert sorted(set(numbers)) == [-1, 0, 1, 2, 3, 4]
    assert (np.diff(numbers) >= 0).all()
    taken = run.result("routes").column("penstock:route").to_numpy()
    assert ((taken == -1) == (numbers == -1)).all()
    assert min(run.result("holdout", "holdout").column("day").to_pylist()) > max(
        run.result("holdout", "train").column("day").to_pylist()
    )


def test_groups_stay_together(project: ps.Project):
    rows = rentals().append_column("rider", pa.array([f"r{at % 60}" for at in range(1200)]))
    project.fit(distance(group="rider"), rows)
    run = project.runs()[0]
    train, kept = (run.result("holdout", part).column("rider").to_pylist() for part in ("train", "holdout"))
    assert not set(train) & set(kept)
    of_rider: dict[str, set[int]] = {}
    for rider, number in zip(train, run.result("folds").tolist(), strict=True):
        of_rider.setdefault(rider, set()).add(number)
    assert all(len(numbers) == 1 for numbers in of_rider.values())


def test_a_cascade_of_a_module_is_a_pipeline_of_the_project(tmp_path: Path):
    (tmp_path / "penstock.toml").write_text('[tables]\ntrips = "trips.parquet"\n')
    pq.write_table(rentals(), tmp_path / "trips.parquet")
    (tmp_path / "pipelines.py").write_text(MODULE)
    project = ps.open(tmp_path)
    assert "distance" in project.pipelines
    run = project.run("distance", engine="inline")
    assert run.state == "succeeded"
    assert set(states(project.run("distance", engine="inline")).values()) == {"up_to_date"}
    assert project.predict("distance", rentals()).column_names[:2] == ["predicted_km", "route"]
    assert project.verify("distance").equal


MODULE = """
import penstock as ps
from penstock.core.model import Model

inputs = {name: ps.col(name) for name in ("x1", "x2", "x3")}
is_long = ps.model("is_long", type="logistic_reg", label="is_long", features=inputs)
rare = ps.model("rare", type="linear_reg", label="km", features=inputs)
typical = ps.model("typical", type="linear_reg", label="km", features=inputs)
distance = ps.cascade(
    "distance", label="km", metric="mean_absolute_error", router=is_long, source="trips", min_rows=20,
    routes=[ps.route(when=ps.col("is_long") > 0.5, use=rare)], otherwise=typical,
)
"""
