"""A network of a picture, a text and columns learns from all of them, and predicts a row as it does in a batch."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
import three_bits

import penstock as ps
from penstock import models
from penstock.errors import DataError, DeclarationError, MissingExtraError
from penstock.models.fitting.agreement import close
from penstock.operations import facts

FEATURES = {
    **three_bits.IMAGE,
    **three_bits.TEXT,
    **three_bits.COLUMNS,
    "pixels": ps.col("photo").image(4).pixels(),
    "shades": ps.col("photo").image(4, mode="L").pixels().dense(4),
    "length": ps.col("review").length(),
    "words": ps.col("review").text_analyze().bag_of_words(50, 2),
    "place": ps.col("city").embedding(4),
}
MODEL = ps.model("bits", type="dnn_classifier", label="label", features=FEATURES, options={"max_iterations": 8})


@pytest.fixture(scope="module")
def graph() -> models.ModelGraph:
    return models.fit(MODEL, three_bits.rows(2000))


@pytest.fixture(scope="module")
def others() -> pa.Table:
    return three_bits.rows(200, seed=1)


def test_all_three_bits_are_learned(graph: models.ModelGraph, others: pa.Table) -> None:
    assert graph.evaluate(others)["accuracy"] > 0.9


def test_each_feature_is_a_named_branch_that_enters_the_concat(graph: models.ModelGraph) -> None:
    [concat] = graph.of("concat")
    encoders = {node.name: node.params["encoder"] for node in graph.of("encoder")}
    assert encoders == {
        "photo__feature__conv": "conv",
        "text__embedding": "embedding",
        "pixels__vector": "vector",
        "shades__dense": "dense",
        "place__embedding": "embedding",
    }
    assert set(encoders) < set(concat.inputs)
    assert graph.facts["disagreements"] == []


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"photo": None},
        {"review": None},
        {"review": ""},
        {"review": "words never seen"},
        {"city": "Atlantis", "age": float("nan")},
        {"photo": None, "review": None, "city": None, "age": None, "price": None, "weekday": None},
    ],
)
def test_a_row_is_predicted_as_it_is_in_a_batch(
    graph: models.ModelGraph, others: pa.Table, change: dict[str, Any]
) -> None:
    some = [{**row, **change} for row in others.slice(0, 20).to_pylist()]
    batch = graph.predict(pa.Table.from_pylist(some, schema=others.schema)).to_pylist()
    predictor = models.row_predictor(graph)
    for row, known in zip(some, batch, strict=True):
        assert close(predictor.predict(row)["predicted_label_probs"], known["predicted_label_probs"], 1e-5)


def test_the_same_rows_give_the_same_bytes(others: pa.Table) -> None:
    model = ps.model("small", type="dnn_classifier", label="label", features={**three_bits.IMAGE, **three_bits.TEXT})
    once, again = (models.fit(model, others, options={"max_iterations": 2}) for _ in range(2))
    assert once.blobs == again.blobs


def test_a_number_is_predicted_in_its_own_units(others: pa.Table) -> None:
    rows = three_bits.rows(1000)
    lengths = pa.array([1000.0 + 10 * len(text) for text in rows["review"].to_pylist()])
    model = ps.model(
        "long", type="dnn_regressor", label="far", features={"text": ps.col("review").embedding(16), **three_bits.IMAGE}
    )
    graph = models.fit(model, rows.append_column("far", lengths), options={"max_iterations": 4})
    found = graph.predict(others)["predicted_far"].to_pylist()
    assert all(900 < value < 2500 for value in found)


def test_a_value_that_is_no_image_is_named(graph: models.ModelGraph, others: pa.Table) -> None:
    with pytest.raises(DataError, match=r"photo.*no image") as raised:
        models.row_predictor(graph).predict({**others.to_pylist()[0], "photo": b"no picture"})
    assert raised.value.field == "photo"


def test_a_description_has_the_encoders_with_their_settings(graph: models.ModelGraph) -> None:
    assert "place__embedding: embedding(dim=4, pooling=mean, unit=auto" in graph.describe()


def test_a_package_that_is_missing_is_no_fault_of_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ps.model("felt", type="linear_reg", label="age", features={"feels": ps.col("review").sentiment()})
    predictor = models.row_predictor(models.fit(model, three_bits.rows(50)))

    def gone() -> None:
        raise MissingExtraError("vaderSentiment", extra="text", purpose="the sentiment of a text")

    monkeypatch.setattr(facts, "_judge", gone)
    with pytest.raises(MissingExtraError, match=r"penstock\[text\]"):
        predictor.predict({"review": "a lovely lamp"})


def test_an_encoder_within_an_expression_is_refused() -> None:
    with pytest.raises(DeclarationError, match="let embedding stand alone"):
        ps.model("odd", type="dnn_regressor", label="y", features={"x": ps.col("a").embedding(4).array_length()})


def test_a_tree_learns_no_encoder() -> None:
    with pytest.raises(DeclarationError, match=r"use dnn_regressor or dnn_classifier, or .*pixels"):
        ps.model("odd", type="boosted_tree_regressor", label="y", features={"x": ps.col("a").image(8).conv()})


def test_both_fronts_declare_the_same_network() -> None:
    with_sql = ps.model(
        "bits",
        type="dnn_classifier",
        label="label",
        features={"photo": "PENSTOCK.CONV(PENSTOCK.IMAGE(photo, 32))", "text": "PENSTOCK.EMBEDDING(review, 32)"},
    )
    assert with_sql == ps.model(
        "bits", type="dnn_classifier", label="label", features={**three_bits.IMAGE, **three_bits.TEXT}
    )
