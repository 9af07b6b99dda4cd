"""Fits: what is learned from which rows, what the graph shows of it, and what cannot be learned from."""

from __future__ import annotations

import datetime
import itertools

import lightgbm
import msgspec
import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

import penstock.models as models
from penstock.errors import DataError, DeclarationError, MissingExtraError, UnknownNameError
from penstock.models.fitting.agreement import close
from penstock.models.graphs import nodes
from penstock.operations import LEARNED as LEARNED_OPERATIONS, col

LEARNING = [type for type, learner in models.LEARNERS.items() if learner.task != "imported"]
"""The types that learn; a model that comes as an ONNX file has tests of its own."""


@pytest.mark.parametrize("type", LEARNING)
def test_the_same_rows_give_the_same_bytes(type, flights, declare, need):
    need(type)
    one, other = (models.to_files(models.fit(declare(type), flights)) for _ in range(2))
    assert one == other


def test_rows_and_batches_agree_on_every_feature_and_prediction(graph):
    assert graph.facts["disagreements"] == []


def test_no_learned_operation_is_left_in_a_graph(graph):
    used = {part.op for expr in nodes.entering(graph).values() for part in walk(expr)}
    assert not used & LEARNED_OPERATIONS.keys()


def walk(expr):
    yield expr
    for argument in expr.args:
        if hasattr(argument, "op"):
            yield from walk(argument)


def test_the_graph_shows_its_preprocessing(graphs):
    linear = [node.name for node in graphs["linear_reg"].nodes]
    assert linear[:4] == ["carrier", "distance", "air_time", "scheduled"]
    assert {"carrier__index", "distance__scaled", "scheduled__unix__scaled", "scheduled__hour__index"} <= set(linear)
    assert linear[-3:] == ["features", "estimator", "predicted_delay"]
    trees = [node.name for node in graphs["boosted_tree_regressor"].nodes]
    assert {"carrier__index", "log_distance", "scheduled__unix", "scheduled__hour", "weekend__number"} <= set(trees)
    assert not any(name.endswith("__scaled") for name in trees)


def test_the_signature_takes_only_what_features_read(graphs):
    signature = graphs["logistic_reg"].signature
    assert {field.name: (field.type, field.nullable) for field in signature.inputs} == {
        "carrier": ("string", True),
        "distance": ("int64", False),
        "air_time": ("float64", True),
        "scheduled": ("timestamp", False),
        "weekend": ("bool", False),
    }
    assert {field.name: field.type for field in signature.outputs} == {
        "predicted_late": "string",
        "predicted_late_probs": "array<struct<label string, prob float64>>",
    }


def test_without_features_every_column_but_the_label_is_one(flights):
    model = models.model("m", type="linear_reg", label="delay")
    graph = models.fit(model, flights.select(["carrier", "distance", "delay"]))
    assert graph.signature.inputs.names == ("carrier", "distance")


def test_a_feature_may_have_the_name_of_a_column_it_is_made_of(flights, declare):
    graph = models.fit(
        declare("linear_reg", features={"distance": col("distance").ln(), "raw": col("distance")}), flights
    )
    assert "distance__feature" in [node.name for node in graph.nodes]
    assert graph.facts["disagreements"] == []


def test_least_squares_through_the_graph_equals_scikit_learn(flights, declare):
    complete = flights.filter(flights["air_time"].is_valid()).filter(
        pa.compute.is_valid(flights["carrier"].filter(flights["air_time"].is_valid()))
    )
    model = declare(
        "linear_reg", features={"d": col("distance"), "a": col("air_time"), "c": col("carrier")}, options={}
    )
    found = models.predict(models.fit(model, complete), complete)["predicted_delay"].to_numpy()
    carriers = np.array(complete["carrier"].to_pylist())
    matrix = np.column_stack(
        [complete["distance"], complete["air_time"], *(carriers == name for name in np.unique(carriers))]
    ).astype(float)
    expected = LinearRegression().fit(matrix, complete["delay"]).predict(matrix)
    assert np.abs(found - expected).max() < 1e-8


def test_trees_through_the_graph_equal_lightgbm_by_hand(flights, declare):
    features = {"distance": col("distance"), "air_time": col("air_time"), "hour": col("scheduled").hour()}
    options = {"max_iterations": 12, "learn_rate": 0.2, "max_tree_depth": 4, "l2_reg": 0.5, "subsample": 0.7, "seed": 5}
    graph = models.fit(declare("boosted_tree_regressor", features=features, options=options), flights)
    hours = [time.hour for time in flights["scheduled"].to_pylist()]
    matrix = np.column_stack([flights["distance"], flights["air_time"], hours]).astype(float)
    parameters = {
        "objective": "regression", "learning_rate": 0.2, "max_depth": 4, "num_leaves": 16, "lambda_l2": 0.5,
        "min_sum_hessian_in_leaf": 1.0, "bagging_fraction": 0.7, "bagging_freq": 1, "seed": 5,
        "deterministic": True, "force_row_wise": True, "verbosity": -1,
    }  # fmt: skip
    by_hand = lightgbm.train(parameters, lightgbm.Dataset(matrix, flights["delay"].to_numpy()), 12)
    found = models.predict(graph, flights)["predicted_delay"].to_numpy()
    assert (found == by_hand.predict(matrix)).all()


def test_rows_without_a_label_are_left_out(flights, declare):
    holes = pa.array([None if at % 4 == 0 else value for at, value in enumerate(flights["delay"].to_pylist())])
    graph = models.fit(declare("linear_reg"), flights.set_column(6, "delay", holes))
    assert graph.facts["rows"] == {"train": 300, "held_out": 0, "without_label": 100}


def test_the_label_may_be_an_expression(flights, declare):
    model = declare("logistic_reg", label="long", target=col("delay") > 15)
    graph = models.fit(model, flights)
    assert graph.predict(flights)["predicted_long"].type == pa.bool_()
    assert graph.evaluate(flights)["accuracy"] > 0.9


def test_metrics_are_of_the_rows_held_out(flights, declare):
    graph = models.fit(
        declare("linear_reg"), flights, options={"data_split_method": "SEQ", "data_split_col": "scheduled"}
    )
    newest = flights.sort_by("scheduled").slice(320)
    assert graph.facts["evaluated_on"] == "held_out"
    assert graph.facts["rows"] == {"train": 320, "held_out": 80, "without_label": 0}
    assert graph.facts["evaluation"]["mean_absolute_error"] == pytest.approx(
        graph.evaluate(newest)["mean_absolute_error"]
    )


def test_constants_come_from_the_training_part_alone():
    rows = pa.table({"x": [1.0, 3.0, 1000.0], "y": [1.0, 2.0, 3.0], "back": [False, False, True]})
    model = models.model(
        "m", type="linear_reg", label="y", options={"data_split_method": "CUSTOM", "data_split_col": "back"}
    )
    graph = models.fit(model, rows)
    assert graph.signature.inputs.names == ("x",)
    assert graph.predict(pa.table({"x": [2.0]}))["predicted_y"].to_pylist() == pytest.approx([1.5])


def test_options_of_the_fit_override_those_of_the_declaration(flights, declare):
    graph = models.fit(
        declare("boosted_tree_regressor", options={"max_iterations": 3}), flights, options={"max_iterations": 5}
    )
    assert graph.facts["learner"]["iterations"] == 5


def test_early_stop_ends_when_an_iteration_gains_little(flights, declare):
    options = {"max_iterations": 200, "early_stop": True, "min_rel_progress": 0.05, "data_split_method": "RANDOM"}
    graph = models.fit(declare("boosted_tree_regressor", options=options), flights)
    assert 1 < graph.facts["learner"]["iterations"] < 100


def test_class_weights_move_the_predictions(flights, declare):
    plain = models.fit(declare("boosted_tree_classifier"), flights)
    heavy = models.fit(
        declare("boosted_tree_classifier", options={"max_iterations": 8, "class_weights": {2: 50.0}}), flights
    )
    assert count(heavy, flights) > count(plain, flights)


def count(graph, rows):
    return graph.predict(rows)["predicted_band"].to_pylist().count(2)


def test_class_weights_of_a_label_that_is_not_there_are_an_error(flights, declare):
    with pytest.raises(DataError, match="class_weights names maybe; the labels are no, yes"):
        models.fit(declare("logistic_reg", options={"class_weights": {"maybe": 2.0}}), flights)


@pytest.mark.parametrize("type", [name for name, learner in models.LEARNERS.items() if learner.method is not None])
def test_encoded_and_nested_features_enter_every_learner(type, flights, declare, need):
    need(type)
    features = {
        "hot": col("carrier").one_hot_encoder("none", 10, 1),
        "pair": "STRUCT(carrier AS who, distance AS far)",
        "bucket": col("air_time").quantile_bucketize(4),
        "scaled": col("distance").standard_scaler(),
    }
    graph = models.fit(declare(type, features=features), flights)
    assert graph.facts["disagreements"] == []
    assert {"hot", "pair__who__index", "bucket__index"} <= set(nodes.concat(graph).inputs)


@pytest.mark.parametrize("type", LEARNING)
def test_every_type_of_column_enters_every_learner_in_both_forms(type, need):
    need(type)
    start = datetime.datetime(2024, 1, 1, 7, 30)
    rows = [
        {
            "whole": at % 7,
            "flag": at % 3 == 0,
            "name": "ab"[at % 2],
            "raw": bytes([at % 4, 255]),
            "day": (start + datetime.timedelta(days=at % 5)).date(),
            "clock": (start + datetime.timedelta(hours=at % 6)).time(),
            "local": start + datetime.timedelta(hours=at),
            "instant": (start + datetime.timedelta(hours=at * 3)).replace(tzinfo=datetime.UTC),
            "nested": {"number": at / 7, "word": "xyz"[at % 3]},
            "y": float(at % 7),
            "class": "low" if at % 7 < 3 else "high",
        }
        for at in range(60)
    ]
    rows += [dict.fromkeys(rows[0]) | {"y": 1.0, "class": "low"}]
    label = {"classification": "class", "regression": "y"}.get(models.LEARNERS[type].task)
    features = [name for name in rows[0] if name not in ("y", "class")]
    options = {"num_principal_components": 3} if type == "pca" else {}
    features_of = {f"f_{name}": col(name) for name in features}
    graph = models.fit(models.model("m", type=type, label=label, features=features_of, options=options), rows)
    assert graph.facts["disagreements"] == []
    assert graph.signature.inputs.names == tuple(features)
    assert models.from_files(models.to_files(graph)) == graph
    body = msgspec.json.encode({"instances": [{name: row[name] for name in features} for row in rows]})
    answers = msgspec.json.decode(models.row_predictor(graph).answer(body))["predictions"]
    batch = graph.predict(rows).select(graph.signature.outputs.names).to_pylist()
    assert all(map(close, answers, msgspec.json.decode(msgspec.json.encode(batch))))


def test_rows_may_be_split_by_a_feature_that_is_none(flights, declare):
    features = {"distance": col("distance"), "back": col("distance") > 1500}
    options = {"data_split_method": "CUSTOM", "data_split_col": "back"}
    graph = models.fit(declare("linear_reg", features=features, options=options), flights)
    assert graph.signature.inputs.names == ("distance",)
    assert graph.facts["rows"]["held_out"] == pa.compute.sum(pa.compute.greater(flights["distance"], 1500)).as_py()


def test_a_missing_column_is_named(flights, declare):
    with pytest.raises(DataError, match=r"model 'flights' needs .*air_time.*; the rows lack air_time") as caught:
        models.fit(declare("linear_reg"), flights.drop_columns("air_time"))
    assert caught.value.field == "air_time"


def test_a_missing_label_is_named(flights, declare):
    with pytest.raises(DataError, match="learns 'delay' from delay, which the rows lack"):
        models.fit(declare("linear_reg"), flights.drop_columns("delay"))


def test_a_text_is_no_label_of_a_regression(flights, declare):
    with pytest.raises(DataError, match="label 'late' is string; a regression model predicts int64 or float64"):
        models.fit(declare("linear_reg", label="late"), flights)


def test_a_float_is_no_label_of_a_classifier(flights, declare):
    with pytest.raises(DataError, match="label 'delay' is float64; a classification model"):
        models.fit(declare("logistic_reg", label="delay"), flights)


def test_one_class_is_nothing_to_tell_apart(flights, declare):
    with pytest.raises(DataError, match="every row has the label late='yes'"):
        models.fit(declare("logistic_reg"), flights.filter(pa.compute.equal(flights["late"], "yes")))


def test_rows_with_no_label_at_all_are_nothing_to_learn_from(flights, declare):
    with pytest.raises(DataError, match="no row has a label 'delay'"):
        models.fit(declare("linear_reg"), flights.slice(0, 0))


def test_a_feature_of_a_type_no_learner_takes_is_named(flights, declare):
    rows = flights.append_column("parts", pa.array([[{"name": "a"}]] * len(flights)))
    with pytest.raises(DeclarationError, match=r"feature 'parts' is of type array<struct<.*, which no learner takes"):
        models.fit(declare("linear_reg", features={"parts": col("parts")}), rows)


def test_a_column_that_a_request_could_not_name_is_an_error(flights):
    odd = flights.rename_columns({"distance": 'a"b'})
    with pytest.raises(DeclarationError, match="quotes, backslashes and control characters cannot stand"):
        models.fit(models.model("odd", type="linear_reg", label="delay"), odd)


def test_nan_is_nothing_a_linear_model_can_learn_from(flights, declare):
    holes = flights.set_column(2, "air_time", pa.array([float("nan"), *[1.0] * 399]))
    with pytest.raises(DataError, match="feature 'air_time__scaled' is NaN or infinite"):
        models.fit(declare("linear_reg"), holes)


def test_an_infinite_label_is_an_error(flights, declare):
    holes = flights.set_column(6, "delay", pa.array([float("inf"), *[1.0] * 399]))
    with pytest.raises(DataError, match="label 'delay' is NaN or infinite"):
        models.fit(declare("boosted_tree_regressor"), holes)


def test_an_unknown_option_of_the_fit_is_named(flights, declare):
    with pytest.raises(UnknownNameError, match="no option named 'depth'"):
        models.fit(declare("linear_reg"), flights, options={"depth": 3})


def test_a_missing_library_names_its_extra(flights, monkeypatch, declare):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'penstock\[learners\]'"):
        models.fit(declare("boosted_tree_regressor"), flights)


def test_describe_tells_what_the_graph_takes_does_and_gives(graph):
    text = graph.describe()
    for part in (
        "takes",
        "carrier: string",
        "computes",
        "log_distance",
        "gives",
        "judged on train rows",
        graph.signature.outputs.names[0],
    ):
        assert part in text


def test_trees_tell_the_losses_of_every_iteration(flights, declare):
    features = {"distance": col("distance"), "air_time": col("air_time")}
    options = {"max_iterations": 6, "data_split_method": "SEQ", "data_split_col": "scheduled"}
    graph = models.fit(declare("boosted_tree_regressor", features=features, options=options), flights)
    ordered = flights.sort_by("scheduled")
    parts = [
        lightgbm.Dataset(np.column_stack([part["distance"], part["air_time"]]).astype(float), part["delay"].to_numpy())
        for part in (ordered.slice(0, 320), ordered.slice(320))
    ]
    found: dict = {}
    lightgbm.train(
        {**graph.facts["learner"]["lightgbm"], "metric": "l2"}, parts[0], 6, valid_sets=parts,
        callbacks=[lightgbm.record_evaluation(found)],
    )  # fmt: skip
    training = graph.facts["learner"]["training"]
    assert [entry["iteration"] for entry in training] == list(range(6))
    assert [entry["loss"] for entry in training] == pytest.approx(found["training"]["l2"], rel=1e-5)
    assert [entry["eval_loss"] for entry in training] == pytest.approx(found["valid_1"]["l2"], rel=1e-5)
    assert {entry["learning_rate"] for entry in training} == {0.3}


def test_an_early_stop_drops_the_iteration_that_gained_too_little(flights, declare):
    options = {"max_iterations": 50, "early_stop": True, "min_rel_progress": 0.1}
    graph = models.fit(declare("boosted_tree_classifier", options=options), flights)
    losses = [entry["loss"] for entry in graph.facts["learner"]["training"]]
    assert 1 < len(losses) < 50
    assert all(after <= before * 0.9 for before, after in itertools.pairwise(losses))
    whole = models.fit(declare("boosted_tree_classifier", options={"max_iterations": len(losses) + 1}), flights)
    *kept, dropped = [entry["loss"] for entry in whole.facts["learner"]["training"]]
    assert kept == losses
    assert dropped > losses[-1] * 0.9


def test_linear_models_tell_the_loss_that_they_ended_with(flights, declare):
    options = {"data_split_method": "SEQ", "data_split_col": "scheduled"}
    graph = models.fit(declare("linear_reg", options=options), flights)
    [last] = graph.facts["learner"]["training"]
    assert last["eval_loss"] == pytest.approx(graph.facts["evaluation"]["mean_squared_error"])
    assert last["loss"] == pytest.approx(
        graph.evaluate(flights.sort_by("scheduled").slice(0, 320))["mean_squared_error"]
    )
