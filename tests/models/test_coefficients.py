"""Weights, centroids and components as tables: with them a prediction is computed by hand, from the raw rows."""

from __future__ import annotations

import numpy as np
import pytest

import penstock.models as models
from penstock.errors import DataError
from penstock.models.explaining.feature_importance import importance_table
from penstock.models.fitting.coefficients import weights_table
from penstock.models.fitting.points import centroid_table, component_info, component_table
from penstock.models.predicting.entering import entering_columns
from penstock.operations import col

PLAIN = {
    "carrier": col("carrier"),
    "distance": col("distance"),
    "weekend": col("weekend"),
    "air_time": col("air_time"),
    "scheduled": col("scheduled"),
    "hot": col("carrier").one_hot_encoder("none", 10, 1),
}
MONTH, DAY, WEEKDAY, HOUR = (f"scheduled__{part}" for part in ("month", "day", "day_of_week", "hour"))


def by_hand(table, row, mean_air_time):
    """The constant, and each weight times what the row has, by the names in the table alone."""
    time = row["scheduled"]
    has = {
        "__INTERCEPT__": 1.0,
        "distance": row["distance"],
        "air_time": mean_air_time if row["air_time"] is None else row["air_time"],
        "scheduled__unix": time.timestamp() // 1,
        "carrier": row["carrier"],
        "hot": row["carrier"],
        "weekend": str(row["weekend"]).lower(),
        MONTH: str(time.month),
        DAY: str(time.day),
        WEEKDAY: str(time.isoweekday() % 7 + 1),
        HOUR: str(time.hour),
    }
    assert {each["processed_input"] for each in table} == set(has)
    total = 0.0
    for each in table:
        value = has[each["processed_input"]]
        if each["weight"] is None:
            total += {part["category"]: part["weight"] for part in each["category_weights"]}[value]
        else:
            total += each["weight"] * value
    return total


@pytest.mark.parametrize("type", ["linear_reg", "logistic_reg"])
def test_weights_times_raw_values_give_the_prediction(type, flights, declare):
    graph = models.fit(declare(type, features=PLAIN), flights)
    table, mean = weights_table(graph).to_pylist(), np.nanmean(flights["air_time"].to_numpy())
    for row in flights.slice(0, 60).to_pylist():
        predicted, total = graph.predict_row(row), by_hand(table, row, mean)
        if type == "linear_reg":
            assert total == pytest.approx(predicted["predicted_delay"], rel=1e-9)
        else:
            probability = {each["label"]: each["prob"] for each in predicted["predicted_late_probs"]}["yes"]
            assert 1 / (1 + np.exp(-total)) == pytest.approx(probability, rel=1e-6)


def test_each_of_many_labels_has_its_own_weights(flights, declare):
    graph = models.fit(declare("logistic_reg", label="band", features=PLAIN), flights)
    table, mean = weights_table(graph).to_pylist(), np.nanmean(flights["air_time"].to_numpy())
    assert {row["class_label"] for row in table} == {"0", "1", "2"}
    for row in flights.slice(0, 20).to_pylist():
        powers = {
            label: np.exp(by_hand([each for each in table if each["class_label"] == label], row, mean))
            for label in ("0", "1", "2")
        }
        for each in graph.predict_row(row)["predicted_band_probs"]:
            assert powers[str(each["label"])] / sum(powers.values()) == pytest.approx(each["prob"], rel=1e-6)


def test_standardized_weights_are_those_of_deviations_from_the_mean(flights, declare):
    graph = models.fit(declare("linear_reg", features=PLAIN), flights)
    raw, standardized = (
        {row["processed_input"]: row["weight"] for row in weights_table(graph, standardize=chosen).to_pylist()}
        for chosen in (False, True)
    )
    deviation = flights["distance"].to_numpy().std(ddof=1)
    assert standardized["distance"] == pytest.approx(raw["distance"] * deviation)


def test_a_feature_keeps_its_name_whatever_its_nodes_are_called(flights, declare):
    features = {"distance": col("distance") / 2, "pair": "STRUCT(distance AS index, carrier AS hot)"}
    graph = models.fit(declare("linear_reg", features=features), flights)
    assert [column.name for column in entering_columns(graph)] == ["distance", "pair__index", "pair__hot"]
    assert [column.feature for column in entering_columns(graph)] == ["distance", "pair", "pair"]


def test_centroids_are_the_means_of_their_rows(flights, declare):
    rows = flights.filter(flights["carrier"].is_valid())
    features = {"distance": col("distance"), "carrier": col("carrier")}
    for scaled in (True, False):
        options = {"num_clusters": 3, "standardize_features": scaled, "max_iterations": 100, "min_rel_progress": 0.0}
        graph = models.fit(declare("kmeans", features=features, options=options), rows)
        nearest = graph.predict(rows)["CENTROID_ID"].to_numpy()
        table = centroid_table(graph).to_pylist()
        assert [(row["centroid_id"], row["feature"]) for row in table] == [
            (number, feature) for number in (1, 2, 3) for feature in ("distance", "carrier")
        ]
        for row in table:
            mine = rows.filter(nearest == row["centroid_id"])
            if row["feature"] == "distance":
                assert row["numerical_value"] == pytest.approx(mine["distance"].to_numpy().mean())
                assert row["categorical_value"] == []
            else:
                carriers = mine["carrier"].to_pylist()
                shares = {each["category"]: each["value"] for each in row["categorical_value"]}
                assert shares.pop(None) == 0.0
                assert shares == pytest.approx({name: carriers.count(name) / len(carriers) for name in shares})
    with pytest.raises(DataError, match="distance have no standardized form"):
        centroid_table(graph, standardize=True)


def test_components_are_directions_of_length_one_with_the_variance_that_they_explain(graphs):
    graph = graphs["pca"]
    table, info = component_table(graph).to_pylist(), component_info(graph).to_pylist()
    for each in info:
        parts = [row for row in table if row["principal_component_id"] == each["principal_component_id"]]
        numbers = [row["numerical_value"] for row in parts if row["numerical_value"] is not None]
        numbers += [entry["value"] for row in parts for entry in row["categorical_value"]]
        assert np.square(numbers).sum() == pytest.approx(1.0)
    assert info[0]["eigenvalue"] > info[1]["eigenvalue"] > 0
    assert info[1]["cumulative_explained_variance_ratio"] == pytest.approx(
        sum(each["explained_variance_ratio"] for each in info)
    )


def test_importance_counts_the_parts_of_a_feature_together(graphs):
    graph = graphs["boosted_tree_regressor"]
    table = {row["feature"]: row for row in importance_table(graph).to_pylist()}
    assert list(table) == list(graph.facts["feature_nodes"])
    text = graph.blobs["trees.txt"].decode()
    splits = [len(line.split("=")[1].split()) for line in text.splitlines() if line.startswith("split_feature=")]
    gains = [float(gain) for line in text.splitlines() if line.startswith("split_gain=") for gain in line[11:].split()]
    assert sum(row["importance_weight"] for row in table.values()) == sum(splits)
    assert sum(row["importance_gain"] * row["importance_weight"] for row in table.values()) == pytest.approx(sum(gains))


@pytest.mark.parametrize(
    ("type", "table", "message"),
    [
        ("boosted_tree_regressor", weights_table, "has no weights; .* types do: linear_reg, logistic_reg$"),
        ("pca", weights_table, "has no weights"),
        ("transform_only", weights_table, "has no weights"),
        ("linear_reg", importance_table, "has no importance of features; .* types do: boosted_tree_regressor, "),
        ("linear_reg", centroid_table, "has no centroids; .* types do: kmeans$"),
        ("kmeans", component_table, "has no principal components; .* types do: pca$"),
        ("kmeans", component_info, "has no principal components"),
    ],
)
def test_a_model_without_says_which_types_have_it(type, table, message, graphs, flights, declare):
    graph = models.fit(declare(type), flights) if type == "transform_only" else graphs[type]
    with pytest.raises(DataError, match=message):
        table(graph)
