"""Explanations add up to predictions, for any row, and are what a row's own features say by hand."""

from __future__ import annotations

import dataclasses
import datetime

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import penstock.models as models
from penstock.core.mapping import FrozenMap
from penstock.errors import DataError, DeclarationError
from penstock.models.fitting.coefficients import weights_table
from penstock.operations import col

EXACT = ("linear_reg", "logistic_reg", "boosted_tree_regressor", "boosted_tree_classifier", "random_forest_regressor",
         "random_forest_classifier")  # fmt: skip
ALL = 100  # more than there are features

INSTANTS = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2090, 1, 1), timezones=st.just(datetime.UTC))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "carrier": st.none() | st.sampled_from(["AA", "UA", "nobody saw this"]),
            "distance": st.none() | st.integers(1, 10**6),
            "air_time": st.none() | st.floats(-900, 1e6),
            "scheduled": st.none() | INSTANTS,
            "weekend": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=20,
)
SCHEMA = pa.schema(
    {
        "carrier": pa.string(),
        "distance": pa.int64(),
        "air_time": pa.float64(),
        "scheduled": pa.timestamp("us", "UTC"),
        "weekend": pa.bool_(),
    }
)


def added(table):
    """The sum of all attributions of each row."""
    return np.array([sum(each["attribution"] for each in row) for row in table["top_feature_attributions"].to_pylist()])


def by_feature(row):
    return {each["feature"]: each["attribution"] for each in row["top_feature_attributions"]}


def score_of(graph, predicted):
    """The score that a prediction tells of, by `predict` alone: of more than two labels none can be known."""
    match graph.signature.outputs.names, len(predicted.get(f"predicted_{graph.label}_probs", ())):
        case [name], _:
            return predicted[name]
        case _, 2:
            first, second = predicted[f"predicted_{graph.label}_probs"]
            return np.log(first["prob"] / second["prob"]) if second["prob"] > 1e-8 else None  # no digits are left
    return None


@pytest.mark.parametrize("type", EXACT)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_baseline_and_attributions_add_up_to_the_prediction_of_any_row(type, graphs, rows):
    graph, table = graphs[type], pa.Table.from_pylist(rows, schema=SCHEMA)
    found = graph.explain(table, ALL)
    scores = found["prediction_value"].to_numpy()
    np.testing.assert_allclose(found["baseline_prediction_value"].to_numpy() + added(found), scores, rtol=1e-9)
    assert found["approximation_error"].to_pylist() == [0.0] * len(rows)
    for predicted, score in zip(graph.predict(table).to_pylist(), scores, strict=True):
        expected = score_of(graph, predicted)
        if expected is not None:
            assert score == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("type", EXACT)
def test_one_row_is_explained_as_among_many(type, graphs, flights):
    rows = flights.slice(0, 40)
    many = graphs[type].explain(rows, ALL)
    for at in range(40):
        assert graphs[type].explain(rows.slice(at, 1), ALL).to_pylist() == many.slice(at, 1).to_pylist()


@pytest.mark.parametrize("type", EXACT)
def test_explanations_stand_before_the_rows_and_predict_what_predict_does(type, graphs, flights):
    graph = graphs[type]
    found, predicted = graph.explain(flights), graph.predict(flights)
    classifier = len(graph.signature.outputs.names) == 2
    assert found.column_names == [
        graph.signature.outputs.names[0], *(["probability"] if classifier else []), "top_feature_attributions",
        "baseline_prediction_value", "prediction_value", "approximation_error", *flights.column_names,
    ]  # fmt: skip
    assert found.select(flights.column_names) == flights
    assert found[0] == predicted[0]
    if classifier:
        best = [row[0]["prob"] for row in predicted[1].to_pylist()]
        assert found["probability"].to_pylist() == best
    for row in found.to_pylist():
        sizes = [abs(each["attribution"]) for each in row["top_feature_attributions"]]
        assert len(sizes) == 5
        assert sizes == sorted(sizes, reverse=True)
    three, every = graph.explain(flights, 3), graph.explain(flights, ALL)
    assert [row[:3] for row in every["top_feature_attributions"].to_pylist()] == three[
        "top_feature_attributions"
    ].to_pylist()
    assert set(by_feature(every.to_pylist()[0])) == set(graph.facts["feature_nodes"])


def test_a_linear_model_is_explained_by_weights_times_what_is_not_the_mean(flights, declare):
    features = {"distance": col("distance"), "air_time": col("air_time"), "carrier": col("carrier")}
    graph = models.fit(declare("linear_reg", features=features, options={}), flights)
    weights = {row["processed_input"]: row for row in weights_table(graph).to_pylist()}
    of_carrier = {each["category"]: each["weight"] for each in weights["carrier"]["category_weights"]}
    carriers = flights["carrier"].to_pylist()
    mean_of_carriers = np.mean([of_carrier[carrier] for carrier in carriers])
    means = {name: np.nanmean(flights[name].to_numpy()) for name in ("distance", "air_time")}
    for row in graph.explain(flights.slice(0, 50), ALL).to_pylist():
        air_time = means["air_time"] if row["air_time"] is None else row["air_time"]
        assert by_feature(row) == pytest.approx(
            {
                "distance": weights["distance"]["weight"] * (row["distance"] - means["distance"]),
                "air_time": weights["air_time"]["weight"] * (air_time - means["air_time"]),
                "carrier": of_carrier[row["carrier"]] - mean_of_carriers,
            },
            abs=1e-9,
        )
        assert row["baseline_prediction_value"] == pytest.approx(np.mean(flights["delay"].to_numpy()), rel=1e-9)
        assert row["prediction_value"] == row["predicted_delay"]


def test_the_baseline_of_numbers_alone_is_the_intercept(flights, declare):
    features = {"distance": col("distance"), "air_time": col("air_time")}
    for type in ("linear_reg", "logistic_reg"):
        graph = models.fit(declare(type, features=features, options={}), flights)
        intercept = weights_table(graph, standardize=True)["weight"].to_pylist()[-1]
        found = graph.explain(flights)
        signs = [1.0] * flights.num_rows
        if type == "logistic_reg":
            signs = [1.0 if label == "yes" else -1.0 for label in found["predicted_late"].to_pylist()]
        assert found["baseline_prediction_value"].to_pylist() == pytest.approx([sign * intercept for sign in signs])


@pytest.mark.parametrize("options", [{}, {"optimize_strategy": "BATCH_GRADIENT_DESCENT"}, {"l1_reg": 0.1}])
def test_each_of_many_labels_of_a_logistic_regression_has_its_own_explanation(options, flights, declare):
    features = {"distance": col("distance"), "weekend": col("weekend")}
    graph = models.fit(declare("logistic_reg", label="band", features=features, options=options), flights)
    totals = {}
    for each in weights_table(graph).to_pylist():
        weights = totals.setdefault(each["class_label"], {})
        categories = {part["category"]: part["weight"] for part in each["category_weights"]}
        weights[each["processed_input"]] = categories or each["weight"]
    for row in graph.explain(flights.slice(0, 30), ALL).to_pylist():
        weights = totals[str(row["predicted_band"])]
        score = weights["__INTERCEPT__"] + weights["distance"] * row["distance"]
        score += weights["weekend"][str(row["weekend"]).lower()]
        assert row["prediction_value"] == pytest.approx(score, rel=1e-9)
        assert row["baseline_prediction_value"] + sum(by_feature(row).values()) == pytest.approx(score, rel=1e-9)


def test_of_two_labels_the_predicted_one_is_explained(graphs, flights):
    graph = graphs["logistic_reg"]
    always, never = (models.explain(graph, flights, top=ALL, threshold=threshold) for threshold in (0.0, 1.0))
    assert set(always["predicted_late"].to_pylist()) == {"yes"}
    assert set(never["predicted_late"].to_pylist()) == {"no"}
    for yes, no in zip(always.to_pylist(), never.to_pylist(), strict=True):
        assert by_feature(yes) == {feature: -value for feature, value in by_feature(no).items()}
        assert yes["baseline_prediction_value"] == -no["baseline_prediction_value"]
        assert yes["probability"] == pytest.approx(1 - no["probability"])


def test_no_rows_have_no_explanations(graphs, flights):
    for type in ("linear_reg", "boosted_tree_classifier"):
        some, none = graphs[type].explain(flights), graphs[type].explain(flights.slice(0, 0))
        assert none.schema == some.schema
        assert none.num_rows == 0


@pytest.mark.parametrize(
    ("type", "reason"),
    [
        ("kmeans", r"\(kmeans\) has no explanations: the nearest centroid is no sum .* types do: linear_reg, logistic"),
        ("pca", "ML.PRINCIPAL_COMPONENTS says what each component is made of"),
        ("transform_only", "it predicts nothing; models of these types do"),
    ],
)
def test_a_model_that_cannot_be_explained_says_why(type, reason, flights, declare):
    graph = models.fit(declare(type), flights)
    with pytest.raises(DataError, match=reason):
        graph.explain(flights)
    with pytest.raises(DataError, match=reason):
        graph.importance(flights)
    with pytest.raises(DeclarationError, match="enable_global_explain"):
        declare(type, options={"enable_global_explain": True})


def test_a_wrong_use_is_refused(graphs, flights):
    graph = graphs["linear_reg"]
    with pytest.raises(DeclarationError, match="top=0 features explain nothing"):
        graph.explain(flights, 0)
    with pytest.raises(DataError, match="a threshold is for models of two labels"):
        graph.explain(flights, threshold=0.3)
    with pytest.raises(DataError, match="predicts prediction_value, and the rows have a column of that name"):
        graph.explain(flights.append_column("prediction_value", flights["delay"]))
    with pytest.raises(DataError, match="the rows lack carrier"):
        graph.explain(flights.drop_columns(["carrier"]))


def test_a_model_that_was_learned_before_means_were_kept_predicts_but_explains_nothing(graphs, flights):
    graph = graphs["linear_reg"]
    weights = msgspec.json.decode(graph.blobs["weights.json"])
    del weights["means"]
    old = dataclasses.replace(graph, blobs=FrozenMap({"weights.json": msgspec.json.encode(weights)}))
    assert old.predict(flights) == graph.predict(flights)
    with pytest.raises(DataError, match=r"did not keep what its features add in the mean.*learn it again"):
        old.explain(flights)


def test_a_graph_from_files_explains_as_before(graphs, flights, tmp_path):
    for type in ("logistic_reg", "random_forest_regressor"):
        loaded = models.load_model(graphs[type].save(tmp_path / type))
        assert loaded.explain(flights) == graphs[type].explain(flights)
