"""TreeSHAP is LightGBM's, feature by feature; and for a small tree what Shapley's definition gives, by hand."""

from __future__ import annotations

import itertools
import math

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

import penstock.models as models
from penstock.operations import col

FEATURES = {
    "hot": col("carrier").one_hot_encoder("none", 10, 1),  # several columns of one feature
    "distance": col("distance"),
    "scheduled": col("scheduled"),  # several entering columns of one feature
    "carrier": col("carrier"),
}


def matrix_by_hand(graph, rows):
    """What enters the trees, for these features; and of each column the feature that it is of."""
    width = graph.of("concat")[0].params["widths"][0]
    known = sorted({carrier for carrier in rows["carrier"].to_pylist() if carrier is not None})
    columns, owners = [], ["hot"] * width + ["distance"] + ["scheduled"] * 5 + ["carrier"]
    for row in rows.to_pylist():
        index = 0 if row["carrier"] is None else known.index(row["carrier"]) + 1
        time, hot = row["scheduled"], np.zeros(width)
        hot[index] = 1.0
        parts = [time.timestamp() // 1, time.month, time.day, time.isoweekday() % 7 + 1, time.hour]
        columns.append([*hot, row["distance"], *parts, index or len(known) + 1])
    return np.array(columns, dtype=float), owners


@pytest.mark.parametrize("type", [type for type, learner in models.LEARNERS.items() if learner.library == "lightgbm"])
@pytest.mark.parametrize("booster", ["GBTREE", "DART"])
def test_attributions_are_those_of_lightgbm(type, booster, flights, declare):
    forest = type.startswith("random_forest")
    options = {"num_parallel_tree": 5} if forest else {"max_iterations": 5, "booster_type": booster}
    graph = models.fit(declare(type, features=FEATURES, options=options), flights)
    theirs = lightgbm.Booster(model_str=graph.blobs["trees.txt"].decode())
    matrix, owners = matrix_by_hand(graph, flights)
    scores = 3 if type.endswith("classifier") else 1
    parts = theirs.predict(matrix, pred_contrib=True).reshape(len(matrix), scores, -1) / (5 if forest else 1)
    raw = theirs.predict(matrix, raw_score=True).reshape(len(matrix), scores) / (5 if forest else 1)
    for at, row in enumerate(graph.explain(flights, 10).to_pylist()):
        of = row["predicted_band"] if scores == 3 else 0
        expected = dict.fromkeys(FEATURES, 0.0)
        for owner, part in zip(owners, parts[at, of], strict=False):
            expected[owner] += part
        found = {each["feature"]: each["attribution"] for each in row["top_feature_attributions"]}
        assert found == pytest.approx(expected, abs=1e-12)
        assert row["prediction_value"] == pytest.approx(raw[at, of], rel=1e-12)
        assert row["baseline_prediction_value"] == pytest.approx(parts[at, of, -1], rel=1e-12)
        if scores == 3:
            assert row["probability"] == pytest.approx(np.exp(raw[at, of]) / np.exp(raw[at]).sum(), rel=1e-12)
        else:
            assert row["prediction_value"] == row["predicted_delay"]


def expected_value(node, row, known):
    """What a tree is expected to give where only some columns are known: both ways count by the rows that took them."""
    if "leaf_value" in node:
        return node["leaf_value"]
    left, right = node["left_child"], node["right_child"]
    if node["split_feature"] in known:
        value = row[node["split_feature"]]
        return expected_value(left if value <= node["threshold"] else right, row, known)
    counts = [child.get("internal_count", child.get("leaf_count")) for child in (left, right)]
    values = [expected_value(child, row, known) for child in (left, right)]
    return float(np.dot(counts, values) / sum(counts))


def shapley(node, row, columns):
    """Shapley's definition: what a column adds, in the mean of all orders in which columns become known."""
    found = []
    for column in columns:
        others, total = [other for other in columns if other != column], 0.0
        for size in range(len(columns)):
            weight = math.factorial(size) * math.factorial(len(columns) - size - 1) / math.factorial(len(columns))
            for known in itertools.combinations(others, size):
                with_it, without = (expected_value(node, row, {*known, *more}) for more in ([column], []))
                total += weight * (with_it - without)
        found.append(total)
    return found


def test_attributions_of_a_small_tree_are_shapley_values_by_definition():
    draw = np.random.default_rng(4)
    a, b, c = draw.normal(size=(3, 300)).round(2)
    rows = pa.table({"a": a, "b": b, "c": c, "y": 3 * (a > 0) + b * (c > 0.3) + draw.normal(0, 0.1, 300)})
    options = {"max_iterations": 1, "max_tree_depth": 4, "learn_rate": 1.0}
    graph = models.fit(models.model("small", type="boosted_tree_regressor", label="y", options=options), rows)
    booster = lightgbm.Booster(model_str=graph.blobs["trees.txt"].decode())
    [tree] = [info["tree_structure"] for info in booster.dump_model()["tree_info"]]
    for row in graph.explain(rows.slice(0, 60)).to_pylist():
        values = [row["a"], row["b"], row["c"]]
        found = {each["feature"]: each["attribution"] for each in row["top_feature_attributions"]}
        assert [found["a"], found["b"], found["c"]] == pytest.approx(shapley(tree, values, [0, 1, 2]), abs=1e-9)
        assert row["baseline_prediction_value"] == pytest.approx(expected_value(tree, values, set()), rel=1e-9)
        assert row["predicted_y"] == pytest.approx(expected_value(tree, values, {0, 1, 2}), rel=1e-12)
