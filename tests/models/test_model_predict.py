"""Predictions of many rows: which columns come out, and what rows must have."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock.models as models
from penstock.core.artifact import Source
from penstock.errors import DataError
from penstock.operations import col


def test_predicted_columns_come_first_and_all_others_pass_through(graph, flights):
    found = graph.predict(flights)
    assert found.column_names == [*graph.signature.outputs.names, *flights.column_names]
    assert found.select(flights.column_names).equals(flights)


def test_columns_pass_through_in_the_types_they_had(graphs, flights):
    narrow = flights.set_column(1, "distance", flights["distance"].cast(pa.int16()))
    assert graphs["linear_reg"].predict(narrow)["distance"].type == pa.int16()


def test_only_the_inputs_must_be_there(graph, flights):
    inputs = flights.select(graph.signature.inputs.names)
    assert graph.predict(inputs).column_names == [*graph.signature.outputs.names, *inputs.column_names]


def test_probabilities_are_sorted_and_sum_to_one(graphs, flights):
    for type, label, classes in (
        ("logistic_reg", "late", {"no", "yes"}),
        ("boosted_tree_classifier", "band", {0, 1, 2}),
    ):
        found = graphs[type].predict(flights)
        for predicted, ranked in zip(
            found[f"predicted_{label}"].to_pylist(), found[f"predicted_{label}_probs"].to_pylist(), strict=True
        ):
            probabilities = [entry["prob"] for entry in ranked]
            assert predicted == ranked[0]["label"]
            assert {entry["label"] for entry in ranked} == classes
            assert probabilities == sorted(probabilities, reverse=True)
            assert sum(probabilities) == pytest.approx(1.0)


def test_no_rows_give_the_columns_alone(graph, flights):
    found = graph.predict(flights.slice(0, 0))
    assert found.num_rows == 0
    assert found.schema == graph.predict(flights).schema


def test_batches_give_what_all_rows_at_once_do(graph, flights):
    parts = list(models.predict_batches(graph, flights, batch_rows=150))
    assert [part.num_rows for part in parts] == [150, 150, 100]
    assert pa.concat_tables(parts).equals(graph.predict(flights))


def test_a_source_is_predicted_batch_by_batch(graph, flights, tmp_path):
    pq.write_table(flights, tmp_path / "rows.parquet", row_group_size=100)
    source = Source(name="rows", uris=(str(tmp_path / "rows.parquet"),), format="parquet")
    found = pa.concat_tables(models.predict_batches(graph, source, batch_rows=100))
    assert found.select(graph.signature.outputs.names).equals(
        graph.predict(flights).select(graph.signature.outputs.names)
    )


def test_rows_may_be_dicts(graph, flights):
    assert graph.predict(flights.slice(0, 3).to_pylist()).num_rows == 3


def test_a_missing_column_is_named_with_all_that_is_needed(graph, flights):
    with pytest.raises(
        DataError, match="needs carrier, distance, air_time, scheduled, weekend; the rows lack distance"
    ):
        graph.predict(flights.drop_columns("distance"))


def test_a_text_is_no_timestamp(graph, flights):
    texts = flights.set_column(3, "scheduled", flights["scheduled"].cast(pa.string()))
    with pytest.raises(DataError, match="needs scheduled as timestamp; the rows have it as string") as caught:
        graph.predict(texts)
    assert caught.value.field == "scheduled"


def test_whole_numbers_do_for_a_float(graph, flights):
    whole = flights.set_column(2, "air_time", flights["air_time"].cast(pa.int32(), safe=False))
    assert graph.predict(whole).num_rows == flights.num_rows


def test_a_float_does_not_do_for_a_whole_number(graph, flights):
    with pytest.raises(DataError, match="needs distance as int64; the rows have it as float64"):
        graph.predict(flights.set_column(1, "distance", flights["distance"].cast(pa.float64())))


def test_nulls_and_unseen_values_are_predicted(graph, flights):
    nothing = pa.table({name: pa.nulls(2) for name in graph.signature.inputs.names})
    assert graph.predict(nothing).column(0).null_count == 0
    strange = flights.slice(0, 2).set_column(0, "carrier", pa.array(["never seen", ""]))
    assert graph.predict(strange).column(0).null_count == 0


def test_a_column_that_has_the_name_of_a_prediction_is_an_error(graph, flights):
    with pytest.raises(DataError, match=r"predicts .*, and the rows have a column of that name already"):
        graph.predict(graph.predict(flights))


def test_a_value_that_a_feature_cannot_take_is_shown(flights, declare):
    graph = models.fit(declare("linear_reg", features={"log_distance": col("distance").ln()}), flights)
    rows = flights.set_column(1, "distance", pa.array([*range(1, 400), 0]))
    with pytest.raises(DataError, match=r"model 'flights': feature 'log_distance'.*distance=0") as caught:
        graph.predict(rows)
    assert caught.value.field == "distance"


def test_evaluate_judges_rows_with_a_label_only(graphs, flights):
    graph = graphs["linear_reg"]
    holes = pa.array([None if at % 2 else value for at, value in enumerate(flights["delay"].to_pylist())])
    half = flights.filter(pa.array([at % 2 == 0 for at in range(400)]))
    assert graph.evaluate(flights.set_column(6, "delay", holes)) == pytest.approx(graph.evaluate(half), nan_ok=True)


def test_evaluate_needs_the_label(graphs, flights):
    with pytest.raises(DataError, match="learns 'late' from late, which the rows lack"):
        graphs["logistic_reg"].evaluate(flights.drop_columns("late"))


def test_a_label_that_the_model_does_not_know_is_shown(graphs, flights):
    odd = flights.set_column(7, "late", pa.array(["perhaps"] * 400))
    with pytest.raises(DataError, match="knows the labels 'no', 'yes'; the rows have late='perhaps'"):
        graphs["logistic_reg"].evaluate(odd)


def test_training_metrics_are_what_evaluate_says(graph, flights):
    assert graph.facts["evaluated_on"] == "train"
    found = graph.evaluate(flights)
    assert {name: None if value != value else pytest.approx(value) for name, value in found.items()} == dict(
        graph.facts["evaluation"]
    )
