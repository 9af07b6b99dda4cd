"""Random forests: what LightGBM grows by hand from the same matrix, and as good as those of scikit-learn."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

import penstock.models as models
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.operations import col

FEATURES = {"distance": col("distance"), "air_time": col("air_time"), "hour": col("scheduled").hour()}


def matrix_of(flights):
    hours = [time.hour for time in flights["scheduled"].to_pylist()]
    return np.column_stack([flights["distance"], flights["air_time"], hours]).astype(float)


@pytest.mark.parametrize(
    ("type", "label"), [("random_forest_regressor", "delay"), ("random_forest_classifier", "band")]
)
def test_a_forest_equals_lightgbm_by_hand(flights, declare, type, label):
    options = {"num_parallel_tree": 12, "max_tree_depth": 5, "subsample": 0.6, "seed": 4, "min_data_in_leaf": 5}
    graph = models.fit(declare(type, features=FEATURES, options=options), flights)
    parameters = {
        "objective": "regression" if label == "delay" else "multiclass", "boosting": "rf", "max_depth": 5,
        "num_leaves": 32, "min_data_in_leaf": 5, "min_sum_hessian_in_leaf": 1.0, "lambda_l2": 1.0,
        "bagging_fraction": 0.6, "bagging_freq": 1, "feature_fraction_bynode": 0.8, "seed": 4, "deterministic": True,
        "force_row_wise": True, "verbosity": -1, **({"num_class": 3} if label == "band" else {}),
    }  # fmt: skip
    by_hand = lightgbm.train(parameters, lightgbm.Dataset(matrix_of(flights), flights[label].to_numpy()), 12)
    expected = by_hand.predict(matrix_of(flights))
    found = graph.predict(flights)
    if label == "delay":
        assert (found["predicted_delay"].to_numpy() == expected).all()
    else:
        ranked = [{entry["label"]: entry["prob"] for entry in row} for row in found["predicted_band_probs"].to_pylist()]
        assert [[row[0], row[1], row[2]] for row in ranked] == expected.tolist()


def test_a_forest_is_about_as_good_as_that_of_scikit_learn():
    random = np.random.default_rng(0)
    x = random.normal(size=(3000, 6))
    y = ((x[:, 0] * x[:, 1] > 0) ^ (x[:, 2] > 0.5)).astype(int)
    rows = [dict(zip("abcdef", row, strict=True), y=int(label)) for row, label in zip(x.tolist(), y, strict=True)]
    graph = models.fit(models.model("m", type="random_forest_classifier", label="y"), rows[:2000])
    theirs = RandomForestClassifier(random_state=0).fit(x[:2000], y[:2000]).score(x[2000:], y[2000:])
    ours = graph.evaluate(rows[2000:])["accuracy"]
    assert theirs > 0.85
    assert ours > theirs - 0.02


def test_a_forest_of_equal_trees_is_an_error(flights, declare):
    options = {"subsample": 1.0, "colsample_bynode": 1.0}
    with pytest.raises(DeclarationError, match="every tree of the forest would be the same: subsample, colsample"):
        models.fit(declare("random_forest_regressor", options=options), flights)


def test_a_forest_has_no_learning_rate(declare):
    with pytest.raises(UnknownNameError, match="no option named 'learn_rate'"):
        declare("random_forest_regressor", options={"learn_rate": 0.1})


def test_what_lightgbm_refuses_is_an_error_that_says_with_which_options(flights, declare, monkeypatch):
    def refuse(*_, **__):
        raise lightgbm.basic.LightGBMError("Check failed: (best_split_info.left_count) > (0)")

    monkeypatch.setattr(lightgbm, "train", refuse)
    told = declare("boosted_tree_classifier", features=FEATURES, options={"min_tree_child_weight": 0.0})
    with pytest.raises(DataError, match=r"min_tree_child_weight=0\.0: Check failed: .*min_data_in_leaf=1"):
        models.fit(told, flights)
