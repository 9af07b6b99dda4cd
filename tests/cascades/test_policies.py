"""By what rows are routed to train the stages: what a policy costs is said, and `auto` finds which one is best."""

from __future__ import annotations

from pathlib import Path

import pytest
from cascade_worlds import INPUTS, distance, rentals

import penstock as ps
from penstock.cascades import steps

REMEMBERS = ps.model(
    "is_long", type="boosted_tree_classifier", label="is_long", features=INPUTS,
    options={"max_iterations": 40, "learn_rate": 0.5, "min_tree_child_weight": 0},
)  # fmt: skip
"""A router that knows its training rows by heart."""


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    return ps.open(tmp_path)


def test_in_sample_warns_of_how_much_better_the_router_looks_than_it_is():
    with pytest.warns(UserWarning, match=r"'is_long' has an accuracy of (0\.99\d+|1) on the rows that it learned from"):
        graph = ps.fit(distance(router=REMEMBERS, policy="in_sample"), rentals())
    trust = graph.facts["policy"]["router"]
    assert trust["metric"] == "accuracy"
    assert trust["gap"] == pytest.approx(trust["in_sample"] - trust["out_of_fold"])
    assert trust["gap"] > 0.05


def test_in_a_run_the_warning_is_a_line_of_the_steps_log(project: ps.Project):
    project.fit(distance(policy="in_sample"), rentals())
    [run] = project.runs()
    assert "warning: cascade 'distance' is trained in_sample" in run.steps["shares"].log()


def test_a_policy_says_what_share_each_route_had_and_will_have():
    train = steps.holdout(rentals(), 0.2, None, None, 0).train
    found = {policy: ps.fit(distance(policy=policy), rentals()).facts["policy"] for policy in ("out_of_fold", "labels")}
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
