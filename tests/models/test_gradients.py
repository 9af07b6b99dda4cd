"""Networks are explained by integrated gradients: along the way from the mean to the row, as differences say too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import penstock.models as models
from penstock.operations import col

SMOOTH = ("SIGMOID", "TANH")
BENT = ("RELU", "RELU6", "CRELU", "ELU", "SELU")


def left_over(graph, rows, steps):
    found = models.explain(graph, rows, top=100, steps=steps)
    added = [sum(each["attribution"] for each in row) for row in found["top_feature_attributions"].to_pylist()]
    way = found["prediction_value"].to_numpy() - found["baseline_prediction_value"].to_numpy()
    return np.abs(way - added), found


@pytest.mark.parametrize("activation", [*SMOOTH, *BENT])
@pytest.mark.parametrize("type", ["dnn_regressor", "dnn_classifier", "dnn_linear_combined_classifier"])
def test_attributions_lead_from_the_baseline_to_the_prediction(type, activation, flights, declare, need):
    need(type)
    options = {"hidden_units": [8, 4], "max_iterations": 5, "activation_fn": activation, "learn_rate": 0.01}
    options["batch_size"] = 1024  # of more steps come weights for which 15 intervals are too coarse to tell anything
    graph = models.fit(declare(type, options=options), flights)
    rough, found = left_over(graph, flights, 15)
    fine, _ = left_over(graph, flights, 300)
    if activation in SMOOTH:
        assert rough.max() < 1e-9
    else:
        assert fine.mean() < rough.mean() / 4
        way = np.abs(found["prediction_value"].to_numpy() - found["baseline_prediction_value"].to_numpy())
        moved = way > 1e-6  # a row whose every unit sleeps is where the baseline is
        errors = found["approximation_error"].to_numpy()
        assert errors[moved] == pytest.approx(rough[moved] / way[moved], rel=1e-6, abs=1e-9)
    if type == "dnn_regressor":
        assert found["prediction_value"].to_numpy() == pytest.approx(found["predicted_delay"].to_numpy(), rel=1e-12)


def test_the_baseline_is_the_mean_of_numbers_and_no_entry_of_a_category(flights, declare, need):
    need("dnn_regressor")
    features = {"distance": col("distance"), "air_time": col("air_time"), "carrier": col("carrier")}
    graph = models.fit(declare("dnn_regressor", features=features), flights)
    means = {name: [np.nanmean(flights[name].to_numpy())] for name in ("distance", "air_time")}
    known = flights.select(["distance", "air_time", "carrier"])
    nothing = pa.table({"distance": [round(means["distance"][0])], "air_time": means["air_time"], "carrier": ["new"]})
    near = graph.predict(nothing)["predicted_delay"][0].as_py()
    assert graph.explain(known)["baseline_prediction_value"].to_pylist() == pytest.approx(
        [near] * flights.num_rows, rel=1e-3
    )


def test_attributions_are_the_integral_of_slopes_by_differences(flights, declare, need):
    need("dnn_regressor")
    rows = flights.select(["distance", "air_time", "delay"]).drop_null().slice(0, 200)
    rows = rows.set_column(0, "distance", rows["distance"].cast(pa.float64()))
    features = {name: col(name) for name in ("distance", "air_time")}
    options = {"hidden_units": [6, 5], "activation_fn": "TANH", "max_iterations": 30, "learn_rate": 0.02}
    graph = models.fit(declare("dnn_regressor", features=features, options=options), rows)
    ends = np.column_stack([rows[name].to_numpy() for name in features])
    start, spread = ends.mean(axis=0), ends.std(axis=0)

    def predicted(points):
        table = pa.table(dict(zip(features, points.T, strict=True)))
        return graph.predict(table)["predicted_delay"].to_numpy()

    places, weights = np.polynomial.legendre.leggauss(40)
    expected = np.zeros_like(ends)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        points = start + place * (ends - start)
        for at in (0, 1):
            step = np.zeros(2)
            step[at] = 1e-4 * spread[at]
            slope = (predicted(points + step) - predicted(points - step)) / (2 * step[at])
            expected[:, at] += weight * slope * (ends - start)[:, at]
    for row, by_hand in zip(graph.explain(rows).to_pylist(), expected, strict=True):
        found = {each["feature"]: each["attribution"] for each in row["top_feature_attributions"]}
        assert [found["distance"], found["air_time"]] == pytest.approx(list(by_hand), rel=1e-5, abs=1e-6)
