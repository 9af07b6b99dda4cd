"""How features are ranked: by the gain of trees as LightGBM says it, by what a deviation does in a linear model."""

from __future__ import annotations

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
import penstock.models as models
from penstock.errors import DataError


def test_features_of_trees_rank_by_their_share_of_the_gain(flights, declare):
    features = {"distance": ps.col("distance"), "air_time": ps.col("air_time"), "scheduled": ps.col("scheduled")}
    graph = models.fit(declare("boosted_tree_regressor", features=features), flights)
    gains = lightgbm.Booster(model_str=graph.blobs["trees.txt"].decode()).feature_importance("gain")
    shares = 100 * np.add.reduceat(gains, [0, 1, 2]) / gains.sum()  # the instant has several columns
    found = models.ranking(graph)
    assert found.measure == "Share of the gain of all splits (%)"
    assert dict(found.features) == pytest.approx(dict(zip(features, shares.tolist(), strict=True)), rel=1e-4)
    assert [value for _, value in found.features] == sorted(dict(found.features).values(), reverse=True)


def test_features_of_a_linear_model_rank_by_what_one_deviation_does():
    random = np.random.default_rng(5)
    small, large = random.normal(0, 1, 500), random.normal(0, 100, 500)
    kind = random.choice(["a", "b"], 500)
    y = 3 * small + 0.01 * large + np.where(kind == "a", 10.0, 0.0)
    rows = pa.table({"small": small, "large": large, "kind": kind, "y": y})
    graph = ps.fit(ps.model("m", type="linear_reg", label="y", options={"data_split_method": "NO_SPLIT"}), rows)
    found = models.ranking(graph)
    assert found.measure == "Change of predicted y by one standard deviation of the feature"
    assert [name for name, _ in found.features] == ["kind", "small", "large"]
    expected = {"kind": 5.0, "small": 3 * small.std(ddof=1), "large": 0.01 * large.std(ddof=1)}
    assert dict(found.features) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("type", ["linear_reg", "logistic_reg", "boosted_tree_classifier", "random_forest_regressor"])
def test_each_declared_feature_is_ranked_once(type, graphs, declare):
    found = models.ranking(graphs[type])
    assert sorted(name for name, _ in found.features) == sorted(declare(type).features)
    assert all(value >= 0 for _, value in found.features)


def test_the_measure_says_what_is_moved(graphs, flights, declare):
    assert "the log-odds of late = yes" in models.ranking(graphs["logistic_reg"]).measure
    three = models.fit(declare("logistic_reg", label="band"), flights)
    assert "the scores of band, in the mean of its classes" in models.ranking(three).measure


def test_what_has_neither_gains_nor_weights_says_which_types_do(graphs):
    with pytest.raises(DataError, match=r"\(kmeans\) has no importance to rank features by; .*linear_reg"):
        models.ranking(graphs["kmeans"])
