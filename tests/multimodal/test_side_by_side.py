"""Several labels of one model: a number, classes and arrays side by side, each predicted and judged by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import several_rows
import three_bits
from starlette.testclient import TestClient

import penstock as ps
from penstock import models
from penstock.errors import DataError, DeclarationError, ExpressionError, PenstockError
from penstock.models.fitting.agreement import close
from penstock.models.judging.curves import confusion_matrix
from penstock.models.judging.parts import judged_shuffled
from penstock.serving.application import application

FEATURES = {name: ps.col(name) for name in ("x", "y", "z", "city")}
OPTIONS = {"max_iterations": 12, "learn_rate": 0.01}
LABELS = ["price", "kind", "sold", "tags"]
MODEL = ps.model("flats", type="dnn_classifier", label=LABELS, features=FEATURES, options=OPTIONS)
OUTPUTS = [
    ("predicted_price", "float64"),
    ("predicted_kind", "string"),
    ("predicted_kind_probs", "array<struct<label string, prob float64>>"),
    ("predicted_sold", "bool"),
    ("predicted_sold_probs", "array<struct<label bool, prob float64>>"),
    ("predicted_tags", "array<string>"),
    ("predicted_tags_probs", "array<struct<label string, prob float64>>"),
]
PREDICTED = [name for name, _ in OUTPUTS]


def _rows(count: int, seed: int = 0) -> pa.Table:
    """Return rows with four labels, of which some are NULL; in every 30th row all are."""
    made = []
    for at, row in enumerate(several_rows.rows(count, seed).to_pylist()):
        known: dict[str, Any] = {
            "price": None if at % 5 == 3 else 1000 + 300 * row["x"] + 100 * row["y"],
            "kind": None if at % 7 == 2 else ["flat", "house", "castle"][int(row["x"] > 0) + int(row["y"] > 0)],
            "sold": row["z"] > 0,
        }
        made.append({**row, **(dict.fromkeys(LABELS) if at % 30 == 29 else known)})
    return pa.Table.from_pylist(made)


@pytest.fixture(scope="module")
def graph() -> models.ModelGraph:
    return models.fit(MODEL, _rows(900))


@pytest.fixture(scope="module")
def others() -> pa.Table:
    return _rows(300, seed=1)


def test_each_label_has_the_columns_that_it_would_have_alone(graph: models.ModelGraph, others: pa.Table) -> None:
    assert [(field.name, field.type) for field in graph.signature.outputs] == OUTPUTS
    predicted = graph.predict(others)
    assert predicted.column_names == [*PREDICTED, *others.column_names]
    for row in predicted.slice(0, 50).to_pylist():
        assert row["predicted_kind"] == row["predicted_kind_probs"][0]["label"]
        assert sum(each["prob"] for each in row["predicted_kind_probs"]) == pytest.approx(1)
        assert row["predicted_sold"] == row["predicted_sold_probs"][0]["label"]
        assert row["predicted_tags"] == sorted(e["label"] for e in row["predicted_tags_probs"] if e["prob"] > 0.5)


def test_each_label_is_judged_by_itself_on_the_rows_that_have_it(graph: models.ModelGraph, others: pa.Table) -> None:
    found = graph.evaluate(others)
    assert found["price.r2_score"] > 0.97  # type: ignore[operator]
    assert found["kind.accuracy"] > 0.9  # type: ignore[operator]
    assert found["sold.accuracy"] > 0.95  # type: ignore[operator]
    assert found["tags.f1_micro"] > 0.95  # type: ignore[operator]
    known = [row for row in graph.predict(others).to_pylist() if row["price"] is not None]
    error = np.mean([abs(row["price"] - row["predicted_price"]) for row in known])
    assert found["price.mean_absolute_error"] == pytest.approx(error)
    without = pa.Table.from_pylist([{**row, "price": None} for row in others.to_pylist()], schema=others.schema)
    again = graph.evaluate(without)
    assert again["price.r2_score"] is None
    assert again["kind.accuracy"] == found["kind.accuracy"]


def test_rows_are_left_out_where_no_label_is_known_and_teach_the_others_where_some_are(others: pa.Table) -> None:
    rows = _rows(600).to_pylist()
    few = [{**row, "price": row["price"] if at < 60 else None} for at, row in enumerate(rows)]
    split = {"data_split_method": "RANDOM", "data_split_eval_fraction": 0.3}
    graph = models.fit(MODEL, pa.Table.from_pylist(few), options=split)
    assert graph.facts["rows"]["without_label"] == 20
    assert graph.facts["rows"]["train"] + graph.facts["rows"]["held_out"] == 580
    assert all(np.isfinite(each["eval_loss"]) for each in graph.facts["learner"]["training"])
    found = graph.evaluate(others)
    assert found["kind.accuracy"] > 0.85  # type: ignore[operator]
    assert found["price.r2_score"] > 0.8  # type: ignore[operator]


def test_a_row_is_predicted_as_it_is_in_a_batch_and_as_it_is_once_saved(
    graph: models.ModelGraph, others: pa.Table, tmp_path: Path
) -> None:
    assert graph.facts["disagreements"] == []
    again = ps.load_model(graph.save(tmp_path / "model"))
    assert again == graph
    batch = graph.predict(others)
    assert again.predict(others).equals(batch)
    predictor = models.row_predictor(again)
    for row, many in zip(others.to_pylist(), batch.select(PREDICTED).to_pylist(), strict=True):
        one = predictor.predict(row)
        assert list(one) == PREDICTED
        assert all(close(one[name], many[name], 1e-4) for name in PREDICTED)


def test_no_label_drowns_the_others_whatever_its_unit(others: pa.Table) -> None:
    rows = _rows(400)
    price = rows.schema.get_field_index("price")
    large = rows.set_column(
        price, "price", pa.array([None if v is None else v * 1e6 for v in rows["price"].to_pylist()])
    )
    small, big = (models.fit(MODEL, each, options={"max_iterations": 3}) for each in (rows, large))
    assert small.predict(others)["predicted_kind"].equals(big.predict(others)["predicted_kind"])
    in_millions = big.predict(others)["predicted_price"].to_numpy() / 1e6
    assert np.allclose(small.predict(others)["predicted_price"], in_millions, rtol=0.01)


def test_a_struct_is_several_labels_whether_it_is_a_column_or_computed(others: pa.Table) -> None:
    rows = _rows(200)
    told = [{name: row[name] for name in ("price", "sold")} for row in rows.to_pylist()]
    rows = rows.drop_columns(LABELS).append_column("deal", pa.array(told))
    column = ps.model("deals", type="dnn_regressor", label="deal", options={"max_iterations": 1})
    target = ps.struct(sold=ps.col("deal").field("sold"), dear=ps.col("deal").field("price") * 2)
    computed = ps.model("deals", type="dnn_regressor", label="both", target=target, features=FEATURES)
    assert models.fit(column, rows).signature.outputs.names == (
        "predicted_price", "predicted_sold", "predicted_sold_probs",
    )  # fmt: skip
    graph = models.fit(computed, rows, options={"max_iterations": 1})
    assert graph.signature.outputs.names == ("predicted_sold", "predicted_sold_probs", "predicted_dear")


@pytest.mark.parametrize(("type", "given"), [("dnn_regressor", "float64"), ("dnn_classifier", "int64")])
def test_whole_numbers_are_values_to_a_regressor_and_classes_to_a_classifier(type: str, given: str) -> None:
    rows = _rows(100).append_column("rooms", pa.array([at % 3 + 1 for at in range(100)]))
    model = ps.model("flats", type=type, label=["rooms", "price"], features=FEATURES, options={"max_iterations": 1})
    assert models.fit(model, rows).signature.outputs["predicted_rooms"].type == given


def test_images_and_texts_lead_to_several_labels() -> None:
    rows = three_bits.rows(300)
    rows = rows.append_column("length", pa.array([len(text) for text in rows["review"].to_pylist()]))
    features = {**three_bits.TEXT, **three_bits.IMAGE}
    model = ps.model("bits", type="dnn_regressor", label=["length", "label"], features=features)
    graph = models.fit(model, rows, options={"max_iterations": 1})
    assert graph.signature.outputs.names == ("predicted_length", "predicted_label", "predicted_label_probs")
    assert [branch.name for branch in graph.of("encoder")] == ["text__embedding", "photo__feature__conv"]


def test_sql_and_python_declare_the_same(graph: models.ModelGraph) -> None:
    assert graph.declaration() == MODEL
    assert eval(MODEL.python(), {"ps": ps}) == MODEL
    assert "label=['price', 'kind', 'sold', 'tags']" in MODEL.python().replace('"', "'")
    assert "input_label_cols = ['price', 'kind', 'sold', 'tags']" in MODEL.sql()


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"type": "boosted_tree_regressor"}, "learns one label.*dnn_regressor or dnn_classifier"),
        ({"features": {"kind": ps.col("x")}}, "feature 'kind' has the label's name"),
        ({"label": ["kind", "kind"]}, "a list of names"),
        ({"label": []}, "a list of names"),
        ({"target": "price"}, "the target as a struct"),
    ],
)
def test_what_cannot_be_declared_says_what_to_do(how: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        ps.model("flats", **{"type": "dnn_classifier", "label": ["price", "kind"], "features": FEATURES} | how)


@pytest.mark.parametrize(
    ("do", "problem"),
    [
        (lambda graph, rows: graph.explain(rows), "say which: label='price', 'kind', 'sold', 'tags.far', 'tags."),
        (lambda graph, rows: graph.explain(rows, label="tags"), "several may hold.*say which: label='tags.far'"),
        (lambda graph, rows: graph.explain(rows, label="prize"), "no label named 'prize'.*Did you mean 'price'"),
        (lambda graph, rows: graph.explain(rows, label="kind.hut"), "no label named 'hut'.*kind.house"),
        (lambda graph, rows: graph.explain(rows, label="price.low"), "'price' is a number"),
        (lambda graph, rows: graph.calibration(rows), "a calibration is of one"),
        (lambda graph, rows: graph.export("sql", "m.sql"), "cannot be written as a query"),
        (lambda graph, rows: graph.importance(), "learned without enable_global_explain"),
        (lambda graph, rows: confusion_matrix(graph, rows), "of one: learn a model of that"),
        (lambda graph, rows: models.predict(graph, rows, threshold=0.3), "several labels side by side"),
        (lambda graph, rows: models.fit(MODEL, rows, options={"num_trials": 2}), "tune a model of one of them"),
        (lambda graph, rows: models.fit(MODEL, rows, options={"class_weights": [("a", 2.0)]}), "auto_class_weights"),
        (lambda graph, rows: models.fit(_of("city", "seen"), rows), "'seen', one of several, is timestamp"),
        (lambda graph, rows: models.fit(_of("city", "never"), rows), "NULL in every row"),
        (lambda graph, rows: models.fit(ps.model("m", type="linear_reg", label="deal"), rows), "dnn_classifier"),
    ],
)
def test_what_cannot_be_done_says_so(graph: models.ModelGraph, others: pa.Table, do: Any, problem: str) -> None:
    rows = others.append_column("seen", pa.array([0] * others.num_rows, pa.timestamp("us", "UTC")))
    rows = rows.append_column("never", pa.nulls(others.num_rows, pa.float64()))
    rows = rows.append_column("deal", pa.array([{"price": 1.0, "sold": True}] * others.num_rows))
    with pytest.raises((DataError, DeclarationError, ExpressionError), match=problem):
        do(graph, rows)


def _of(*labels: str) -> models.Model:
    return ps.model("some", type="dnn_classifier", label=labels, features={"x": ps.col("x")})


def test_one_onnx_file_gives_every_label(graph: models.ModelGraph, others: pa.Table, tmp_path: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(graph.export("onnx", tmp_path / "flats.onnx", rows=others))
    names = [port.name for port in session.get_outputs()]
    assert names == PREDICTED
    some = others.slice(0, 40)
    given = {name: some[name].to_numpy().astype(np.float64) for name in ("x", "y", "z")}
    given["city"] = np.array(some["city"].to_pylist(), dtype=object)
    found = dict(zip(names, session.run(None, given), strict=True))
    ours = graph.predict(some)
    assert np.allclose(found["predicted_price"], ours["predicted_price"].to_numpy(), rtol=1e-4)
    assert found["predicted_kind"].tolist() == ours["predicted_kind"].to_pylist()
    assert found["predicted_sold"].tolist() == ours["predicted_sold"].to_pylist()
    held = [
        [tag for tag, there in zip(several_rows.TAGS, row, strict=True) if there] for row in found["predicted_tags"]
    ]
    assert held == ours["predicted_tags"].to_pylist()


def test_what_a_feature_is_worth_is_told_by_the_metric_of_one_label(tmp_path: Path) -> None:
    few = {
        "label": ["price", "sold"],
        "features": {"x": ps.col("x"), "z": ps.col("z")},
        "options": {"max_iterations": 4},
    }
    model = ps.model("flats", type="dnn_regressor", **few)
    with pytest.raises(DeclarationError, match=r"metric='price\."):
        ps.open(tmp_path).ablate(model, _rows(60))
    options = {**OPTIONS, "max_iterations": 6}
    graph = models.fit(model, _rows(400), options=options)
    judged = judged_shuffled(graph, _rows(200, seed=2), {"all": [], "x": ["x"], "z": ["z"]}, repeats=2, seed=0)
    price, sold = (
        {name: each["whole"][metric] for name, each in judged.items()} for metric in ("price.r2_score", "sold.accuracy")
    )
    assert price["x"] < price["all"] - 0.5 < price["z"]
    assert sold["z"] < sold["all"] - 0.2 < sold["x"]


def test_sql_creates_predicts_and_judges_and_rest_serves_them(tmp_path: Path) -> None:
    pq.write_table(_rows(200), tmp_path / "flats.parquet")
    (tmp_path / "penstock.toml").write_text('[tables]\nflats = "flats.parquet"\n')
    project = ps.open(tmp_path)
    project.sql(
        "CREATE MODEL flats TRANSFORM(x, y, price * 2 AS dear, kind) OPTIONS(model_type='dnn_regressor',"
        " input_label_cols=['dear', 'kind'], max_iterations=2, data_split_method='NO_SPLIT') AS SELECT * FROM flats"
    )
    names = ["predicted_dear", "predicted_kind", "predicted_kind_probs"]
    by_sql = project.sql("SELECT * FROM ML.PREDICT(MODEL flats, (SELECT x, y FROM flats LIMIT 5))")
    assert by_sql.column_names == [*names, "x", "y"]
    judged = project.evaluate("flats", "flats")
    [dear, kind] = project.sql("SELECT * FROM ML.EVALUATE(MODEL flats, TABLE flats)").to_pylist()
    assert (dear["label"], kind["label"]) == ("dear", "kind")
    told = {f"{row['label']}.{name}": value for row in (dear, kind) for name, value in row.items() if value is not None}
    assert told == {"dear.label": "dear", "kind.label": "kind", **{k: v for k, v in judged.items() if v is not None}}
    with TestClient(application(project, models.row_predictor)) as client:
        instances = by_sql.select(["x", "y"]).to_pylist()
        answer = client.post("/v1/models/flats:predict", json={"instances": instances})
        described = client.get("/openapi.json").json()["paths"]["/v1/models/flats:predict"]["post"]
    assert answer.status_code == 200, answer.text
    assert all(
        close(a, b, 1e-4) for a, b in zip(answer.json()["predictions"], by_sql.select(names).to_pylist(), strict=True)
    )
    content = described["responses"]["200"]["content"]["application/json"]["schema"]
    assert list(content["properties"]["predictions"]["items"]["properties"]) == names


def test_a_cascade_predicts_one_label(tmp_path: Path) -> None:
    both = ps.model(
        "both", type="dnn_regressor", label="deal", target="STRUCT(price AS price, sold AS sold)", features=FEATURES
    )
    sold = ps.model("sold", type="logistic_reg", label="sold", features=FEATURES)
    cascade = ps.cascade(
        "deals", label="deal", metric="mean_absolute_error", router=sold, otherwise=both,
        routes=[ps.route(when=ps.col("sold") > 0.5, use=both)],
    )  # fmt: skip
    with pytest.raises(PenstockError, match="a cascade routes by one label, and predicts one"):
        ps.open(tmp_path).fit(cascade, _rows(60))
