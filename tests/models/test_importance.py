"""The importance of features in trees is what LightGBM itself says it is."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

import penstock.models as models
from penstock.models.graphs import nodes
from penstock.models.predicting.estimators import estimator_of, method_of
from penstock.operations import col


@pytest.mark.parametrize("type", ["boosted_tree_regressor", "boosted_tree_classifier", "random_forest_classifier"])
def test_importance_is_that_of_lightgbm(type, flights, declare):
    features = {
        "hot": col("carrier").one_hot_encoder("none", 10, 1),  # several columns of one feature
        "distance": col("distance"),
        "weekend": col("weekend"),
        "scheduled": col("scheduled"),
    }
    graph = models.fit(declare(type, features=features), flights)
    found = method_of(graph).importance(estimator_of(graph))
    theirs = lightgbm.Booster(model_str=graph.blobs["trees.txt"].decode())
    hot = nodes.concat(graph).params["widths"][0]
    starts = [0, *range(hot, hot + len(found) - 1)]
    splits = np.add.reduceat(theirs.feature_importance("split"), starts)
    gains = np.add.reduceat(theirs.feature_importance("gain"), starts)
    assert [each.weight for each in found] == splits.tolist()
    assert [each.gain * each.weight for each in found] == pytest.approx(gains.tolist(), rel=1e-4)
    assert all(0 < each.cover <= flights.num_rows for each in found if each.weight)


def test_a_feature_that_no_tree_splits_by_counts_nothing(flights, declare):
    graph = models.fit(
        declare("boosted_tree_regressor", features={"distance": col("distance"), "same": col("distance") * 0}), flights
    )
    distance, same = method_of(graph).importance(estimator_of(graph))
    assert distance.weight > 0
    assert (same.weight, same.gain, same.cover) == (0, 0.0, 0.0)
