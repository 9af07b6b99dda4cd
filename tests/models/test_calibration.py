"""Calibration: what is predicted and what is observed, by bins, against the same worked out by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
import penstock.models as models
from penstock.errors import DataError, DeclarationError


def probabilities(graph: models.ModelGraph, rows: pa.Table, label: object) -> np.ndarray:
    told = graph.predict(rows).column(1).to_pylist()
    return np.array([next(each["prob"] for each in row if each["label"] == label) for row in told])


def test_two_labels_are_told_of_by_the_second_in_bins_of_equal_width(graphs, flights):
    graph = graphs["logistic_reg"]
    predicted, actual = probabilities(graph, flights, "yes"), np.array(flights["late"].to_pylist()) == "yes"
    table = graph.calibration(flights, bins=5)
    assert table["class_label"].to_pylist() == ["yes"] * 5
    assert list(zip(table["lower"].to_pylist(), table["upper"].to_pylist(), strict=True)) == [
        (n / 5, (n + 1) / 5) for n in range(5)
    ]
    apart = 0.0
    for each in table.to_pylist():
        inside = (predicted >= each["lower"]) & ((predicted < each["upper"]) | (each["upper"] == 1))
        assert each["rows"] == inside.sum() > 0
        assert each["predicted"] == pytest.approx(predicted[inside].mean(), rel=1e-12)
        assert each["observed"] == pytest.approx(actual[inside].mean(), rel=1e-12)
        apart += inside.mean() * abs(predicted[inside].mean() - actual[inside].mean())
    assert table["expected_calibration_error"].to_pylist() == pytest.approx([apart] * 5, rel=1e-9)


def test_of_more_labels_each_is_told_of_against_all_others(graphs, flights):
    table = graphs["boosted_tree_classifier"].calibration(flights, bins=4)
    assert table.schema.field("class_label").type == pa.int64()
    assert table["class_label"].to_pylist() == [0] * 4 + [1] * 4 + [2] * 4
    for label in (0, 1, 2):
        bins = [each for each in table.to_pylist() if each["class_label"] == label]
        assert sum(each["rows"] for each in bins) == flights.num_rows
        share = sum(each["rows"] * (each["observed"] or 0) for each in bins) / flights.num_rows
        assert share == pytest.approx(np.mean(np.array(flights["band"].to_pylist()) == label))


def test_numbers_are_in_bins_of_as_many_rows_with_the_range_that_most_lie_in(graphs, flights):
    graph = graphs["linear_reg"]
    predicted = graph.predict(flights)["predicted_delay"].to_numpy()
    actual = flights["delay"].to_numpy()
    table = graph.calibration(flights, bins=8)
    assert table.num_rows == 8
    assert table["rows"].to_pylist() == [50] * 8
    assert (table["lower"][0].as_py(), table["upper"][7].as_py()) == (predicted.min(), predicted.max())
    for each in table.to_pylist():
        last = each["upper"] == predicted.max()
        inside = (predicted >= each["lower"]) & ((predicted < each["upper"]) | last)
        assert each["rows"] == inside.sum()
        assert each["observed"] == pytest.approx(actual[inside].mean(), rel=1e-9)
        assert [each["observed_p10"], each["observed_p90"]] == np.quantile(actual[inside], [0.1, 0.9]).tolist()


def test_equal_predictions_are_in_one_bin():
    rows = pa.table({"kind": ["a", "b"] * 50, "y": [float(n % 2) + n % 5 / 100 for n in range(100)]})
    graph = ps.fit(ps.model("kinds", type="linear_reg", label="y", features={"kind": ps.col("kind")}), rows)
    assert graph.calibration(rows)["rows"].to_pylist() == [50, 50]
    one = graph.calibration(rows.slice(0, 1))
    assert one["rows"].to_pylist() == [1]
    assert one["lower"] == one["upper"] == one["predicted"]


def test_a_bin_without_rows_has_no_mean(graphs, flights):
    few = flights.slice(0, 2)
    bins = graphs["logistic_reg"].calibration(few, bins=50).to_pylist()
    assert {(each["predicted"], each["observed"]) for each in bins if not each["rows"]} == {(None, None)}
    assert sum(each["rows"] for each in bins) == 2


def test_rows_without_a_label_do_not_count(graphs, flights):
    unlabelled = flights.set_column(flights.column_names.index("late"), "late", pa.nulls(flights.num_rows, pa.string()))
    both = pa.concat_tables([flights, unlabelled])
    assert graphs["logistic_reg"].calibration(both) == graphs["logistic_reg"].calibration(flights)


def test_a_prediction_that_is_no_number_is_refused():
    rows = pa.table({"km": [1e308, 1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0, 4.0]})
    graph = ps.fit(ps.model("steep", type="linear_reg", label="y", features={"km": ps.col("km")}), rows.slice(1))
    steep = rows.set_column(0, "km", pa.array([float("inf"), 1.0, 2.0, 3.0]))
    with pytest.raises(DataError, match="'steep' predicts NaN or infinity for 1 of 4 rows"):
        graph.calibration(steep)


def test_what_has_no_label_has_no_calibration(graphs, flights):
    with pytest.raises(DataError, match=r"\(kmeans\) predicts no label that could be observed"):
        graphs["kmeans"].calibration(flights)
    with pytest.raises(DeclarationError, match="bins=0; give how many there are to be"):
        graphs["linear_reg"].calibration(flights, bins=0)
