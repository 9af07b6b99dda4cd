"""A label that is an array: several classes may hold at once, each with a probability of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import several_rows
import three_bits
from sklearn import metrics as reference
from starlette.testclient import TestClient

import penstock as ps
from penstock import models
from penstock.errors import DataError, DeclarationError, ExpressionError, PenstockError
from penstock.models.fitting.agreement import close
from penstock.models.judging.curves import confusion_matrix
from penstock.serving.application import application

OPTIONS = {"max_iterations": 10, "learn_rate": 0.01}
MODEL = ps.model("things", type="dnn_classifier", label="tags", options=OPTIONS)
PREDICTED = ["predicted_tags", "predicted_tags_probs"]


@pytest.fixture(scope="module")
def graph() -> models.ModelGraph:
    return models.fit(MODEL, several_rows.rows(800))


@pytest.fixture(scope="module")
def others() -> pa.Table:
    return several_rows.rows(300, seed=1)


def _flags(arrays: list[list[str]]) -> np.ndarray[Any, Any]:
    return np.array([[int(tag in each) for tag in several_rows.TAGS] for each in arrays])


def test_the_classes_above_a_half_are_predicted_in_their_order_and_all_are_told_by_probability(
    graph: models.ModelGraph, others: pa.Table
) -> None:
    predicted = graph.predict(others)
    assert predicted.column_names[:2] == PREDICTED
    assert [field.type for field in graph.signature.outputs] == [
        "array<string>",
        "array<struct<label string, prob float64>>",
    ]
    answers = predicted.select(PREDICTED).to_pylist()
    for answer in answers:
        listed = answer["predicted_tags_probs"]
        assert sorted(each["label"] for each in listed) == sorted(several_rows.TAGS)
        assert [each["prob"] for each in listed] == sorted((each["prob"] for each in listed), reverse=True)
        assert answer["predicted_tags"] == sorted(each["label"] for each in listed if each["prob"] > 0.5)
    lengths = {len(answer["predicted_tags"]) for answer in answers}
    assert {0, 1, 2, 3} <= lengths


def test_metrics_are_those_of_scikit_learn_on_rows_whose_label_is_known(
    graph: models.ModelGraph, others: pa.Table
) -> None:
    known = others.filter(others["tags"].is_valid())
    assert known.num_rows < others.num_rows
    answers = graph.predict(known).select([*PREDICTED, "tags"]).to_pylist()
    actual, said = (_flags([each[name] for each in answers]) for name in ("tags", "predicted_tags"))
    by_tag = [{each["label"]: each["prob"] for each in answer["predicted_tags_probs"]} for answer in answers]
    probabilities = np.array([[each[tag] for tag in several_rows.TAGS] for each in by_tag])
    mean, together = {"average": "macro", "zero_division": 0}, {"average": "micro"}
    expected = {
        "precision": reference.precision_score(actual, said, **mean),
        "recall": reference.recall_score(actual, said, **mean),
        "accuracy": reference.accuracy_score(actual, said),
        "f1_score": reference.f1_score(actual, said, **mean),
        "log_loss": reference.log_loss(actual.ravel(), probabilities.ravel()),
        "roc_auc": reference.roc_auc_score(actual, probabilities),
        "hamming_loss": reference.hamming_loss(actual, said),
        "precision_micro": reference.precision_score(actual, said, **together),
        "recall_micro": reference.recall_score(actual, said, **together),
        "f1_micro": reference.f1_score(actual, said, **together),
    }
    found = graph.evaluate(others)
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, abs=1e-9)
    assert expected["f1_micro"] > 0.95
    assert expected["accuracy"] > 0.8


def test_a_row_is_predicted_as_it_is_in_a_batch_and_as_it_is_once_saved(
    graph: models.ModelGraph, others: pa.Table, tmp_path: Path
) -> None:
    assert graph.facts["disagreements"] == []
    again = ps.load_model(graph.save(tmp_path / "model"))
    batch = graph.predict(others)
    assert again.predict(others).equals(batch)
    predictor = models.row_predictor(again)
    for row, many in zip(others.to_pylist(), batch.select(PREDICTED).to_pylist(), strict=True):
        one = predictor.predict(row)
        assert one["predicted_tags"] == many["predicted_tags"]
        assert close(one["predicted_tags_probs"], many["predicted_tags_probs"], 1e-5)


def test_a_threshold_says_above_what_probability_a_class_holds(graph: models.ModelGraph, others: pa.Table) -> None:
    some = others.filter(others["tags"].is_valid())
    high, usual, low = (graph_recall(graph, some, at) for at in (0.99, None, 0.01))
    assert high < usual < low
    [answer] = models.predict(graph, some.slice(0, 1), threshold=0.0).to_pylist()
    assert answer["predicted_tags"] == sorted(several_rows.TAGS)


def graph_recall(graph: models.ModelGraph, rows: pa.Table, threshold: float | None) -> float:
    found = models.evaluate(graph, rows, threshold=threshold)["recall_micro"]
    assert found is not None
    return found


def test_an_empty_array_is_a_row_in_which_nothing_holds_and_null_is_no_row() -> None:
    facts = models.fit(MODEL, several_rows.rows(100), options={"max_iterations": 1}).facts
    assert facts["rows"] == {"train": 95, "held_out": 0, "without_label": 5}


def test_class_weights_find_more_of_what_is_rare() -> None:
    rows, few = several_rows.rows(800), {"max_iterations": 3}
    plain, balanced, told = (
        _recall_of_rare(models.fit(MODEL, rows, options={**few, **weights}))
        for weights in ({}, {"auto_class_weights": True}, {"class_weights": [("rare", 30.0)]})
    )
    assert balanced > plain
    assert told > plain
    with pytest.raises(DataError, match="names odd; the classes are far, hot, old, rare"):
        models.fit(MODEL, rows, options={"class_weights": [("odd", 2.0)]})


def _recall_of_rare(graph: models.ModelGraph) -> float:
    rare = [each for each in several_rows.rows(600, seed=3).to_pylist() if "rare" in (each["tags"] or ())]
    predicted = graph.predict(pa.Table.from_pylist(rare))["predicted_tags"].to_pylist()
    return sum("rare" in each for each in predicted) / len(rare)


def test_classes_may_be_numbers_and_a_rare_one_may_be_in_rows_held_out_alone() -> None:
    rows = several_rows.rows(100).drop_columns("tags").to_pylist()
    tags: list[list[int]] = [[7, 7] if row["x"] > 0 else [] for row in rows]
    tags[-1] = [12]
    table = pa.Table.from_pylist([{**row, "tags": own} for row, own in zip(rows, tags, strict=True)])
    split = {"data_split_method": "CUSTOM", "data_split_col": "judge"}
    judge = pa.array([at >= 80 for at in range(100)])
    graph = models.fit(MODEL, table.append_column("judge", judge), options=split)
    assert graph.signature.outputs.fields[0].type == "array<int64>"
    assert {each["label"] for each in graph.predict_row(rows[0])["predicted_tags_probs"]} == {7, 12}


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        (pa.array([[]] * 50, pa.list_(pa.string())), "empty array in every row"),
        (pa.array([["far", None]] * 50), "has NULL among its classes"),
        (pa.array([[True]] * 50), r"array<bool>.*array<string> or array<int64>"),
    ],
)
def test_arrays_without_classes_are_refused(tags: pa.Array, problem: str) -> None:
    table = several_rows.rows(50).drop_columns("tags").append_column("tags", tags)
    with pytest.raises(DataError, match=problem):
        models.fit(MODEL, table)


def test_a_class_that_training_did_not_see_is_named_where_rows_are_judged(graph: models.ModelGraph) -> None:
    odd = pa.Table.from_pylist([{**row, "tags": ["blue"]} for row in several_rows.rows(3).to_pylist()])
    with pytest.raises(DataError, match=r"knows the classes 'far', 'hot', 'old', 'rare'.*'blue'"):
        graph.evaluate(odd)


@pytest.mark.parametrize(
    "type", ["logistic_reg", "boosted_tree_classifier", "dnn_linear_combined_classifier", "dnn_regressor"]
)
def test_other_types_of_models_name_the_one_that_takes_arrays(type: str) -> None:
    with pytest.raises(DataError, match=r"label 'tags' is array<string>.*dnn_classifier"):
        models.fit(ps.model("things", type=type, label="tags"), several_rows.rows(50))


def test_images_and_texts_have_several_classes_too() -> None:
    rows = three_bits.rows(600)
    bits = [[f"b{bit}" for bit in range(3) if int(label[1]) >> bit & 1] for label in rows["label"].to_pylist()]
    features = {**three_bits.TEXT, **three_bits.COLUMNS}
    model = ps.model("bits", type="dnn_classifier", label="bits", features=features, options={"max_iterations": 8})
    graph = models.fit(model, rows.append_column("bits", pa.array(bits)))
    found = graph.facts["evaluation"]
    assert 0.75 < found["recall"] < 0.9  # the picture's bit is not to be seen
    assert found["roc_auc"] > 0.8


def test_each_class_is_calibrated_by_itself(graph: models.ModelGraph, others: pa.Table) -> None:
    found = graph.calibration(others, bins=4).to_pylist()
    assert [each["class_label"] for each in found] == [tag for tag in several_rows.TAGS for _ in range(4)]
    known = [each for each in others["tags"].to_pylist() if each is not None]
    for tag in several_rows.TAGS:
        own = [each for each in found if each["class_label"] == tag and each["rows"]]
        assert sum(each["rows"] for each in own) == len(known)
        assert sum(each["rows"] * each["observed"] for each in own) == pytest.approx(sum(tag in each for each in known))


def test_hyperparameters_are_tuned_for_it(others: pa.Table) -> None:
    tuned = {"num_trials": 2, "max_iterations": 2, "dropout": ps.hparam_candidates([0.0, 0.5]),
             "hparam_tuning_objectives": ["f1_score"]}  # fmt: skip
    graph = models.fit(MODEL, several_rows.rows(200), options=tuned)
    assert graph.facts["tuning"]["objective"] == "f1_score"
    assert len(graph.predict(others)["predicted_tags"]) == others.num_rows


@pytest.mark.parametrize(
    ("do", "problem"),
    [
        (lambda graph, rows: graph.explain(rows), "several may hold.*say which: label='far', 'hot', 'old', 'rare'"),
        (lambda graph, rows: graph.explain(rows, label="hott"), "no label named 'hott'.*Did you mean 'hot'"),
        (lambda graph, rows: graph.export("sql", "m.sql"), "cannot be written as a query"),
        (lambda graph, rows: confusion_matrix(graph, rows), "nothing to confuse"),
    ],
)
def test_what_cannot_be_done_says_so(graph: models.ModelGraph, others: pa.Table, do: Any, problem: str) -> None:
    with pytest.raises((DataError, DeclarationError, ExpressionError), match=problem):
        do(graph, others)


def test_one_onnx_file_gives_flags_and_probabilities(
    graph: models.ModelGraph, others: pa.Table, tmp_path: Path
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(graph.export("onnx", tmp_path / "things.onnx", rows=others))
    given = {name: others[name].to_numpy() for name in ("x", "y", "z")}
    given["city"] = np.array(others["city"].to_pylist(), dtype=object)
    flags, probabilities = session.run(PREDICTED, given)
    assert flags.tolist() == (probabilities > 0.5).tolist()
    said = [[tag for tag, there in zip(several_rows.TAGS, row, strict=True) if there] for row in flags]
    assert said == graph.predict(others)["predicted_tags"].to_pylist()


def test_sql_creates_predicts_and_judges_and_rest_serves_it(tmp_path: Path) -> None:
    pq.write_table(several_rows.rows(200), tmp_path / "things.parquet")
    (tmp_path / "penstock.toml").write_text('[tables]\nthings = "things.parquet"\n')
    project = ps.open(tmp_path)
    project.sql(
        "CREATE MODEL tagged OPTIONS(model_type='dnn_classifier', input_label_cols=['tags'], max_iterations=2,"
        " data_split_method='NO_SPLIT') AS SELECT * FROM things"
    )
    query = "SELECT * FROM ML.PREDICT(MODEL tagged, (SELECT * FROM things LIMIT 5))"
    by_sql = project.sql(query)
    assert by_sql.column_names[:2] == PREDICTED
    [judged] = project.sql("SELECT * FROM ML.EVALUATE(MODEL tagged, TABLE things)").to_pylist()
    assert judged == project.evaluate("tagged", "things")
    [low] = project.sql(
        "SELECT recall FROM ML.EVALUATE(MODEL tagged, TABLE things, STRUCT(0.0 AS threshold))"
    ).to_pylist()
    assert low == {"recall": 1.0}
    with pytest.raises(PenstockError, match="nothing to confuse"):
        project.sql("SELECT * FROM ML.CONFUSION_MATRIX(MODEL tagged, TABLE things)")
    instances = by_sql.select(["x", "y", "z", "city"]).to_pylist()
    with TestClient(application(project, models.row_predictor)) as client:
        answer = client.post("/v1/models/tagged:predict", json={"instances": instances})
        described = client.get("/openapi.json").json()["paths"]["/v1/models/tagged:predict"]["post"]
    assert answer.status_code == 200, answer.text
    assert all(map(close, answer.json()["predictions"], by_sql.select(PREDICTED).to_pylist()))
    content = described["responses"]["200"]["content"]["application/json"]["schema"]
    shown = content["properties"]["predictions"]["items"]["properties"]
    assert {"type": "array", "items": {"type": "string"}} in shown["predicted_tags"]["anyOf"]


def test_a_cascade_neither_routes_by_several_classes_nor_predicts_them(tmp_path: Path) -> None:
    rows, project = several_rows.rows(60), ps.open(tmp_path)
    features = {"x": ps.col("x")}
    tags = ps.model("tags", type="dnn_classifier", label="tags", features=features)
    city, near = (
        ps.model(name, type="logistic_reg", label=label, features=features)
        for name, label in (("in_bonn", "city"), ("near", "city"))
    )
    by_tags = ps.cascade(
        "by_tags", label="city", metric="accuracy", router=tags, otherwise=near,
        routes=[ps.route(when=ps.col("tags").eq("far"), use=city)],
    )  # fmt: skip
    of_tags = ps.cascade(
        "of_tags", label="tags", metric="accuracy", router=city, otherwise="far",
        routes=[ps.route(when=ps.col("in_bonn") > 0.5, use=tags)],
    )  # fmt: skip
    for cascade in (by_tags, of_tags):
        with pytest.raises(
            PenstockError, match=r"model 'tags': label 'tags' is array<string>.*a cascade routes by one"
        ):
            project.fit(cascade, rows)
