"""Linear models learned step by step: they arrive where the exact solvers do, and tell of each step."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import ElasticNet, LogisticRegression

import penstock.models as models
from penstock.errors import DeclarationError
from penstock.operations import col

RANDOM = np.random.default_rng(6)
ROWS = 500
KM, ZONE = RANDOM.normal(10, 3, ROWS), RANDOM.choice(["a", "b", "c"], ROWS)
MINUTES = 5 * KM + 7 * (ZONE == "b") + RANDOM.normal(0, 4, ROWS)
TRIPS = pa.table(
    {
        "km": KM,
        "zone": ZONE,
        "back": RANDOM.random(ROWS) < 0.2,
        "minutes": MINUTES,
        "long": MINUTES > 50,
        "band": np.digitize(MINUTES, [40, 60]),
    }
)
FAR = {"max_iterations": 1500, "early_stop": False}


def learned(label="minutes", **options):
    type = "linear_reg" if label == "minutes" else "logistic_reg"
    features = {"km": col("km"), "zone": col("zone"), "back": col("back")}
    return models.fit(models.model("trips", type=type, label=label, features=features, options=options), TRIPS)


def predictions(graph):
    found = graph.predict(TRIPS)
    if graph.label == "minutes":
        return found["predicted_minutes"].to_numpy()
    ranked = found[f"predicted_{graph.label}_probs"].to_pylist()
    return np.array([[entry["prob"] for entry in sorted(row, key=lambda entry: entry["label"])] for row in ranked])


def matrix():
    numbers = (KM - KM.mean()) / KM.std(ddof=1)
    back = np.array(TRIPS["back"].to_pylist())
    return np.column_stack([numbers, *(name == ZONE for name in "abc"), ~back, back]).astype(float)


@pytest.mark.parametrize("label", ["minutes", "long", "band"])
@pytest.mark.parametrize("penalty", [{"l2_reg": 5.0}, {"l1_reg": 8.0}, {"l1_reg": 3.0, "l2_reg": 3.0}])
def test_steps_arrive_where_scikit_learn_does(label, penalty):
    graph = learned(label, optimize_strategy="BATCH_GRADIENT_DESCENT", **penalty, **FAR)
    assert graph.facts["learner"]["solver"] == "batch gradient descent"
    l1, l2 = penalty.get("l1_reg", 0.0), penalty.get("l2_reg", 0.0)
    far = {"tol": 1e-9, "max_iter": 100_000}
    if label == "minutes":
        alpha = (l1 / 2 + l2) / ROWS
        theirs = ElasticNet(alpha=alpha, l1_ratio=l1 / 2 / ROWS / alpha, **far).fit(matrix(), MINUTES)
        assert np.abs(predictions(graph) - theirs.predict(matrix())).max() < 0.1
    else:
        learner = LogisticRegression(C=1 / (l1 + l2), l1_ratio=l1 / (l1 + l2), solver="saga", **far)
        expected = learner.fit(matrix(), TRIPS[label].to_numpy()).predict_proba(matrix())
        assert np.abs(predictions(graph) - expected).max() < 1e-3


def test_a_constant_rate_arrives_too():
    steps = learned(l2_reg=5.0, learn_rate_strategy="CONSTANT", learn_rate=0.2, **FAR)
    assert np.abs(predictions(steps) - predictions(learned(l2_reg=5.0))).max() < 0.1
    assert {entry["learning_rate"] for entry in steps.facts["learner"]["training"]} == {0.2}


def test_class_weights_reach_every_step():
    options = {"l2_reg": 5.0, "auto_class_weights": True}
    steps = learned("long", optimize_strategy="BATCH_GRADIENT_DESCENT", **options, **FAR)
    assert np.abs(predictions(steps) - predictions(learned("long", **options, max_iterations=5000))).max() < 1e-3


def test_without_a_constant_there_is_none():
    steps = learned(fit_intercept=False, l2_reg=1.0, optimize_strategy="BATCH_GRADIENT_DESCENT", **FAR)
    exact = learned(fit_intercept=False, l2_reg=1.0)
    assert np.abs(predictions(steps) - predictions(exact)).max() < 1e-3


def test_each_step_is_told_and_the_loss_gets_smaller():
    graph = learned(early_stop=False, data_split_method="RANDOM")
    training = graph.facts["learner"]["training"]
    assert [entry["iteration"] for entry in training] == list(range(20))
    losses = [entry["loss"] for entry in training]
    assert losses == sorted(losses, reverse=True)
    assert training[-1]["eval_loss"] == pytest.approx(graph.facts["evaluation"]["mean_squared_error"])
    assert all(entry["learning_rate"] > 0 for entry in training)


def test_steps_end_when_they_gain_too_little():
    losses = [
        entry["loss"] for entry in learned(min_rel_progress=0.05, max_iterations=500).facts["learner"]["training"]
    ]
    assert 1 < len(losses) < 100
    assert all(after <= before * 0.95 for before, after in itertools.pairwise(losses))


def test_saying_how_to_step_is_asking_for_steps():
    assert learned(ls_init_learn_rate=0.01).facts["learner"]["solver"] == "batch gradient descent"
    assert learned().facts["learner"]["solver"] == "normal equations"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimize_strategy": "NORMAL_EQUATION", "early_stop": True}, "makes no steps; leave early_stop out"),
        ({"learn_rate": 0.1}, "learn_rate has no meaning with learn_rate_strategy LINE_SEARCH; leave it out"),
        (
            {"learn_rate_strategy": "CONSTANT", "ls_init_learn_rate": 0.1},
            "ls_init_learn_rate has no meaning with learn_rate_strategy CONSTANT",
        ),
        (
            {"learn_rate_strategy": "CONSTANT", "learn_rate": 1e6, "early_stop": False, "max_iterations": 100},
            r"the loss is no number after iteration \d+: learn_rate 1e\+06 is too large",
        ),
        ({"warm_start": True}, "option 'warm_start' of BigQuery is not here: training begins anew each time"),
        ({"calculate_p_values": True}, "option 'calculate_p_values' of BigQuery is not here"),
    ],
)
def test_an_option_that_cannot_be_honoured_is_named(options, message):
    with pytest.raises(DeclarationError, match=message):
        learned(**options)
