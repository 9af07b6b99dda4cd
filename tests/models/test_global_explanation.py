"""The importance of features in a model is the mean of what they add or take in its explanations."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import penstock.models as models
from penstock.errors import DataError
from penstock.models.fitting.coefficients import weights_table
from penstock.operations import col

TYPES = [type for type, learner in models.LEARNERS.items() if learner.method is not None and learner.method.attribute]
ENABLED = {"enable_global_explain": True}


def enabled(declare, type, **options):
    plain = declare(type)
    return declare(type, options={**plain.options, **ENABLED, **options})


def by_hand(graph, rows):
    totals = {}
    for row in graph.explain(rows, 100)["top_feature_attributions"].to_pylist():
        for each in row:
            totals.setdefault(each["feature"], []).append(abs(each["attribution"]))
    return {feature: np.mean(values) for feature, values in totals.items()}


@pytest.mark.parametrize("type", TYPES)
def test_importance_is_the_mean_of_explanations_without_their_signs(type, flights, declare, need):
    need(type)
    graph = models.fit(enabled(declare, type), flights)
    table = graph.importance()
    assert table.schema == pa.schema({"feature": pa.string(), "attribution": pa.float64()})
    assert dict(zip(*table.to_pydict().values(), strict=True)) == pytest.approx(by_hand(graph, flights))
    assert table["attribution"].to_pylist() == sorted(table["attribution"].to_pylist(), reverse=True)
    some = flights.slice(0, 50)
    assert dict(zip(*graph.importance(some).to_pydict().values(), strict=True)) == pytest.approx(by_hand(graph, some))


def test_the_rows_held_out_are_what_counts(flights, declare):
    held_out = pa.array([at % 3 == 0 for at in range(flights.num_rows)])
    rows = flights.append_column("judge", held_out)
    model = enabled(declare, "linear_reg", data_split_method="CUSTOM", data_split_col="judge")
    graph = models.fit(model, rows)
    assert graph.facts["global_explanation"]["rows"] == graph.facts["rows"]["held_out"]
    assert graph.importance() == graph.importance(rows.filter(held_out))
    assert graph.importance() != graph.importance(rows)


def test_of_very_many_rows_every_nth_is_explained():
    draw = np.random.default_rng(8)
    rows = pa.table(
        {
            "x": draw.normal(size=25_001),
            "words": [["ab", "cd", "ef"][: at % 4] for at in range(25_001)],
            "kind": draw.choice(["a", "b"], 25_001),
            "y": draw.normal(size=25_001),
        }
    )
    for type in ("linear_reg", "boosted_tree_regressor"):
        options = {**ENABLED, **({"max_iterations": 2} if type != "linear_reg" else {})}
        graph = models.fit(models.model("many", type=type, label="y", options=options), rows)
        assert graph.facts["global_explanation"]["rows"] == 8334
        assert graph.importance() == graph.importance(rows.take(list(range(0, 25_001, 3))))


def test_a_tuned_model_is_explained_on_the_rows_kept_to_test(flights, declare):
    pytest.importorskip("optuna")
    model = enabled(declare, "boosted_tree_regressor", num_trials=2, max_iterations=3)
    graph = models.fit(model, flights)
    assert graph.facts["global_explanation"]["rows"] == graph.facts["rows"]["test"] > 0
    assert graph.importance().num_rows == len(graph.facts["feature_nodes"])


@pytest.mark.parametrize("type", ["logistic_reg", "boosted_tree_classifier"])
def test_each_label_has_its_ten_most_important_features(type, flights, declare):
    features = {f"power_{n}": f"POW(distance, {n / 4})" for n in range(1, 10)} | {
        name: col(name) for name in ("carrier", "weekend", "air_time")
    }
    graph = models.fit(declare(type, features=features, options=ENABLED), flights)
    table = graph.importance(by_class=True)
    labels = ["no", "yes"] if graph.label == "late" else ["0", "1", "2"]
    assert table.column_names == [graph.label, "feature", "attribution"]
    assert table[graph.label].to_pylist() == [label for label in labels for _ in range(10)]
    for label in labels:
        rows = table.filter(pa.compute.equal(table[graph.label], label))["attribution"].to_pylist()
        assert rows == sorted(rows, reverse=True)
    if len(labels) == 2:  # one score tells both apart: what speaks for one speaks against the other
        assert table["attribution"].to_pylist() == graph.importance()["attribution"].to_pylist()[:10] * 2


def test_the_importance_of_a_label_is_the_mean_over_all_rows_also_of_those_predicted_to_be_another(flights, declare):
    features = {"distance": col("distance"), "weekend": col("weekend")}
    graph = models.fit(declare("logistic_reg", label="band", features=features, options=ENABLED), flights)
    weights = {
        row["class_label"]: row["weight"]
        for row in weights_table(graph).to_pylist()
        if row["processed_input"] == "distance"
    }
    distance = flights["distance"].to_numpy()
    apart = np.abs(distance - distance.mean()).mean()
    for row in graph.importance(by_class=True).to_pylist():
        if row["feature"] == "distance":
            assert row["attribution"] == pytest.approx(abs(weights[row["band"]]) * apart)


def test_a_model_learned_without_the_option_says_so(graphs, flights):
    graph = graphs["linear_reg"]
    message = "learned without enable_global_explain; learn it again with enable_global_explain = TRUE, or, in Python"
    with pytest.raises(DataError, match=message):
        graph.importance()
    with pytest.raises(DataError, match=r"'flights' .linear_reg. is no classifier; it has no importance by class"):
        graph.importance(flights, by_class=True)
    with pytest.raises(DataError, match="there are no rows to explain"):
        graph.importance(flights.slice(0, 0))


def test_what_is_kept_survives_being_stored(flights, declare, tmp_path):
    graph = models.fit(enabled(declare, "boosted_tree_classifier"), flights)
    loaded = models.load_model(graph.save(tmp_path / "model"))
    assert loaded.importance(by_class=True) == graph.importance(by_class=True)
    assert models.fit(enabled(declare, "boosted_tree_classifier"), flights).importance() == graph.importance()
