"""What is known of cascades, on rows in which it was first measured: each figure is of five draws of them.

A tenth of the rows is of another kind, and a router sees that in part. Stages that learn from labels are then asked for
rows that they never learned from; a router that remembers its rows hands its stages just those labels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.core.model import Model

SEEDS = range(5)
INPUTS = {f"x{at}": ps.col(f"x{at}") for at in range(6)}
REMEMBERS = {"max_iterations": 25, "max_tree_depth": 12, "learn_rate": 0.5, "num_leaves": 400, "early_stop": False}


def rows_of(random: np.random.Generator, rows: int = 4000) -> pa.Table:
    x = random.normal(size=(rows, 6))
    score = 1.6 * x[:, 0] - 1.2 * x[:, 1] + 0.8 * x[:, 2] * x[:, 3] + random.normal(0, 1.2, rows)
    is_long = score > np.quantile(score, 0.85)
    long = 40 + 12 * x[:, 4] - 8 * x[:, 0] + random.normal(0, 4, rows)
    km = np.where(is_long, long, 5 + 2 * x[:, 5] + x[:, 0] + random.normal(0, 1, rows))
    return pa.table({**{f"x{at}": x[:, at] for at in range(6)}, "is_long": is_long, "km": km})


def router(type: str = "logistic_reg", **options: Any) -> Model:
    return ps.model("is_long", type=type, label="is_long", features=INPUTS, options=options)


def distance(metric: str = "root_mean_squared_error", **how: Any) -> ps.Cascade:
    rare, typical = (ps.model(name, type="linear_reg", label="km", features=INPUTS) for name in ("rare", "typical"))
    routes = [ps.route(when=ps.col("is_long") > 0.5, use=rare)]
    return ps.cascade("distance", label="km", metric=metric, routes=routes, otherwise=typical, min_rows=30, **how)


@pytest.fixture(scope="module")
def projects() -> Iterator[list[tuple[ps.Project, pa.Table, pa.Table]]]:
    """For each draw a project, where what cascades share is learned once, rows to learn from, rows to test."""
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for seed in SEEDS:
            random = np.random.default_rng(seed)
            (root := Path(folder) / str(seed)).mkdir()
            made.append((ps.open(root), rows_of(random, 5000), rows_of(random)))
        yield made


def error(projects: list[tuple[ps.Project, pa.Table, pa.Table]], cascade: ps.Cascade) -> float:
    """Return the root of the mean squared error, end to end, in the mean of the draws."""
    found = [project.fit(cascade, rows).evaluate(test)["mean_squared_error"] ** 0.5 for project, rows, test in projects]
    return float(np.mean(found))


def test_a_router_that_remembers_its_rows_hands_its_stages_the_labels(projects):
    remembers = router("boosted_tree_classifier", **REMEMBERS)
    labels, in_sample, out_of_fold = (
        error(projects, distance(router=remembers, policy=policy)) for policy in ("labels", "in_sample", "out_of_fold")
    )
    assert abs(in_sample / labels - 1) < 0.01
    assert out_of_fold <= 0.95 * labels


def test_the_report_says_what_a_router_that_is_always_right_would_give(projects):
    """The stages are as good as anyone wishes on the rows that belong to them: that is no metric of the whole."""
    project, rows, _ = projects[0]
    whole = project.fit(distance(router=router()), rows).report()["whole"]
    errors = {name: metrics["root_mean_squared_error"] for name, metrics in whole.items()}
    assert 1.5 < errors["oracle"] < 2.2
    assert 5 * errors["oracle"] < errors["cascade"] < errors["baseline"]


@pytest.mark.parametrize("balanced", [False, True])
def test_stages_that_learn_from_what_the_router_says_beat_those_that_learn_from_labels(projects, balanced: bool):
    of = router(auto_class_weights=balanced)
    labels, out_of_fold = (error(projects, distance(router=of, policy=policy)) for policy in ("labels", "out_of_fold"))
    assert out_of_fold <= 0.95 * labels


@pytest.mark.parametrize(
    ("metric", "policy"), [("root_mean_squared_error", "out_of_fold"), ("mean_absolute_error", "labels")]
)
def test_auto_finds_the_policy_that_the_metric_wants(projects, metric: str, policy: str):
    remembers = router("boosted_tree_classifier", **REMEMBERS)
    for project, rows, _ in projects[:2]:
        facts = project.fit(distance(metric, router=remembers, policy="auto"), rows).facts
        tried = {each["policy"]: each for each in facts["candidates"]}
        assert set(tried) == {"single_model", "labels", "out_of_fold", "in_sample"}
        assert [name for name, each in tried.items() if each["chosen"]] == [policy] == [facts["policy"]["policy"]]
        assert tried[policy]["value"] == min(each["value"] for each in tried.values())


def test_calibration_decides_whether_a_blend_is_any_good(projects):
    balanced = router(auto_class_weights=True)
    as_it_is = error(projects, distance(router=balanced, policy="labels", blend=True))
    calibrated = error(projects, distance(router=balanced, policy="labels", blend=True, calibrate="isotonic"))
    assert 11.0 < as_it_is < 12.0
    assert calibrated <= 9.3


def test_another_router_needs_other_stages_and_training_makes_them(projects):
    """The figure of a router with stages of its own comes back; with stages of the other it would be worse than one
    model, which is why such a bundle cannot be made."""
    for of in (router(), router(auto_class_weights=True)):
        assert error(projects, distance(router=of)) == pytest.approx(9.35, abs=0.2)
    project, rows, _ = projects[0]
    project.fit(distance(router=router()), rows)
    project.fit(distance(router=router(auto_class_weights=True)), rows)
    project.fit(distance(router=router(l2_reg=50.0)), rows)
    ran = {name for name, step in project.runs()[0].steps.items() if step.state == "succeeded"}
    assert {"fit_is_long", "rows_rare", "fit_rare", "rows_typical", "fit_typical"} <= ran


def test_a_label_of_pure_noise_stays_noise():
    random = np.random.default_rng(3)
    rows = rows_of(random, 6000)
    noise = random.normal(size=rows.num_rows)
    rows = rows.set_column(6, "is_long", pa.array(noise > 0.7)).set_column(7, "km", pa.array(noise))
    remembers = router("boosted_tree_classifier", **REMEMBERS)
    assert ps.fit(distance(router=remembers), rows).facts["evaluation"]["r2_score"] < 0.01
