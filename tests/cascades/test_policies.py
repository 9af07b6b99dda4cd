"""By what rows are routed to train the stages: what a policy costs is said, and `auto` finds which one is best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from cascade_worlds import INPUTS, LOGISTIC, RARE, TYPICAL, distance, predicted, rentals

import penstock as ps
from penstock.cascades import steps
from penstock.models.judging.certainty import Judge, simplest, standard_error

REMEMBERS = ps.model(
    "is_long", type="boosted_tree_classifier", label="is_long", features=INPUTS,
    options={"max_iterations": 20, "learn_rate": 0.5, "min_tree_child_weight": 0.001},
)  # fmt: skip
"""A router that knows its training rows by heart."""


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    return ps.open(tmp_path)


def test_in_sample_warns_of_how_much_better_the_router_looks_than_it_is():
    with pytest.warns(UserWarning, match=r"'is_long' has an accuracy of 0\.9\d+ on the rows that it learned from"):
        graph = ps.fit(distance(router=REMEMBERS, folds=2, policy="in_sample"), rentals())
    trust = graph.facts["policy"]["router"]
    assert trust["metric"] == "accuracy"
    assert trust["gap"] == pytest.approx(trust["in_sample"] - trust["out_of_fold"])
    assert trust["gap"] > 0.03


def test_in_a_run_the_warning_is_a_line_of_the_steps_log(project: ps.Project):
    project.fit(distance(router=LOGISTIC, folds=2, policy="in_sample"), rentals())
    [run] = project.runs()
    assert "warning: cascade 'distance' is trained in_sample" in run.steps["shares"].log()


def test_a_policy_says_what_share_each_route_had_and_will_have():
    train = steps.holdout(rentals(), 0.2, None, None, 0).train
    found = {
        policy: ps.fit(distance(router=LOGISTIC, folds=2, policy=policy), rentals()).facts["policy"]
        for policy in ("out_of_fold", "labels")
    }
    for told in found.values():
        shares = told["shares"]
        assert set(shares["training"]) == {"rare", "typical"}
        assert sum(shares["training"].values()) == pytest.approx(1)
        for route, share in shares["training"].items():
            assert shares["difference"][route] == pytest.approx(shares["refitted"][route] - share)
    assert found["labels"]["shares"]["refitted"] == found["out_of_fold"]["shares"]["refitted"]
    labelled = found["labels"]["shares"]["training"]["rare"]
    assert labelled != found["out_of_fold"]["shares"]["training"]["rare"]
    assert labelled == pytest.approx(sum(train.column("is_long").to_pylist()) / train.num_rows)


def test_nothing_is_tried_again_that_is_up_to_date(project: ps.Project):
    routes = [ps.route(when=ps.col("is_long") > ps.threshold(0.2, 0.6, 3), use=RARE)]
    declared = distance(router=LOGISTIC, routes=routes, policy="auto", folds=2)
    project.fit(declared, rentals())
    project.fit(declared, rentals())
    assert set(states(project)) == {"up_to_date", "skipped"}


def test_where_the_router_tells_nothing_one_model_is_chosen(project: ps.Project):
    random = np.random.default_rng(3)
    rows = rentals().set_column(4, "km", pa.array(random.normal(size=1200)))
    graph = project.fit(distance(router=LOGISTIC, policy="auto"), rows)
    assert {each["route"] for each in predicted(graph, rows.slice(0, 50))} == {"single_model"}
    assert graph.facts["policy"] == {"policy": "single_model"}
    assert graph.facts["evaluation"] == graph.facts["baseline"]
    assert graph.signature.outputs.names == ("predicted_km", "route")
    assert states(project, "fit_rare") == ["skipped"]
    again = ps.load_model(graph.save(project.root / "saved"))
    assert again.predict(rows).equals(graph.predict(rows))


def test_a_tie_goes_to_the_simplest():
    actual = np.random.default_rng(0).normal(size=500)
    near, nearer, far = ((actual + shift)[:, None] for shift in (0.1, 0.0995, 3.0))
    judge = Judge(metric="mean_absolute_error", actual=actual, classes=0, groups=None, seed=0)
    jitter = np.random.default_rng(1).normal(scale=0.05, size=(500, 1))
    assert simplest(judge, {"simple": near + jitter, "complex": nearer})[0] == "simple"
    assert simplest(judge, {"simple": far, "complex": near})[0] == "complex"


def test_rows_of_one_group_do_not_count_as_many():
    random = np.random.default_rng(2)
    actual, shift = np.zeros(400), np.repeat(random.normal(size=20), 20)
    alone, together = (
        Judge(metric="mean_squared_error", actual=actual, classes=0, groups=groups, seed=0)
        for groups in (None, np.repeat(np.arange(20), 20))
    )
    loss = shift**2
    assert standard_error(alone, shift[:, None]) == pytest.approx(loss.std(ddof=1) / 20, rel=1e-3)
    assert standard_error(together, shift[:, None]) > 3 * standard_error(alone, shift[:, None])


@pytest.mark.parametrize("groups", [None, np.arange(300)])
def test_a_metric_that_is_no_mean_is_drawn_again(groups: np.ndarray | None):
    random = np.random.default_rng(4)
    actual, estimates = random.normal(size=300), random.normal(size=(300, 1))
    judges = [
        Judge(metric=name, actual=actual, classes=0, groups=groups, seed=0)
        for name in ("mean_squared_error", "root_mean_squared_error", "r2_score")
    ]
    squared, root, explained = (standard_error(each, estimates) for each in judges)
    assert root == pytest.approx(squared / (2 * judges[1].score(estimates)))
    assert explained == pytest.approx(standard_error(judges[2], estimates))
    assert 0.05 < explained < 0.5


def test_only_the_branch_that_changed_is_tried_again(project: ps.Project):
    routes = [ps.route(when=ps.col("is_long") > ps.threshold(0.2, 0.6, 3), use=RARE)]
    project.fit(distance(router=LOGISTIC, routes=routes), rentals())
    other = ps.model("typical", type="linear_reg", label="km", features=INPUTS, options={"l2_reg": 3.0})
    project.fit(distance(router=LOGISTIC, routes=routes, otherwise=other, baseline=TYPICAL), rentals())
    ran = {name.partition("[")[0] for name, step in project.runs()[0].steps.items() if step.state == "succeeded"}
    assert {"choosing.try_typical", "choosing.compared", "fit_typical", "fit"} <= ran
    assert not ran & {"choosing.fold", "choosing.fit_is_long", "choosing.try_rare", "choosing.partitions", "baseline"}


def test_nothing_that_is_chosen_has_seen_the_holdout(project: ps.Project):
    rows = rentals().append_column("rider", pa.array([f"r{at % 60}" for at in range(1200)]))
    routes = [ps.route(when=ps.col("is_long") > ps.threshold(0.2, 0.6, 3), use=RARE)]
    declared = distance(router=LOGISTIC, routes=routes, policy="auto", group="rider")
    project.fit(declared, rows)
    kept = set(project.runs()[0].result("holdout", "holdout").column("rider").to_pylist())
    in_holdout = pa.array([rider in kept for rider in rows.column("rider").to_pylist()])
    doubled = pc.if_else(in_holdout, pc.multiply(rows.column("km"), 2), rows.column("km"))
    project.fit(declared, rows.set_column(rows.column_names.index("km"), "km", doubled))
    ran = {name for name, step in project.runs()[0].steps.items() if step.state == "succeeded"}
    assert ran == {"holdout", "fit", "when", "report", "push"}


def states(project: ps.Project, name: str | None = None) -> list[str]:
    return [step.state for each, step in project.runs()[0].steps.items() if name in (None, each) and each != "when"]
