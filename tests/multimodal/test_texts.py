"""A text in several representations: as a text, not as an array of terms first, and in every kind of model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import three_bits

import penstock as ps
from penstock import models, transforms
from penstock.errors import ExpressionError
from penstock.operations import parse

_ROWS = three_bits.rows(400)
_READ = pa.array([label in ("c2", "c3", "c6", "c7") for label in _ROWS["label"].to_pylist()])
_RATED = _ROWS.append_column("happy", _READ)

OF_TEXT = {
    "words": ps.col("review").bag_of_words(2000, 2),
    "weighed": ps.col("review").tf_idf(2000, 2),
    "hot": ps.col("review").multi_hot_encoder(2000, 2),
    "hashed": ps.col("review").hashed_words(256),
    "pairs": ps.col("review").ngrams([1, 2]).bag_of_words(2000, 2),
    "parts": ps.col("review").char_ngrams([3, 4]).tf_idf(2000, 2),
}


@pytest.mark.parametrize("op", ["bag_of_words", "tf_idf", "multi_hot_encoder"])
def test_a_text_is_what_its_terms_are(op: str) -> None:
    of_text = getattr(ps.col("review"), op)(50, 2)
    of_terms = getattr(ps.col("review").text_analyze(), op)(50, 2)
    frozen = transforms.freeze({"text": of_text, "terms": of_terms}, _ROWS)
    assert frozen["text"] == frozen["terms"]


def test_an_array_is_frozen_as_it_stands() -> None:
    [frozen] = transforms.freeze({"words": ps.col("w").bag_of_words(9, 1)}, pa.table({"w": [["A b", "c"]]})).values()
    assert frozen == ps.col("w")._call("term_counts", ("A b", "c"))


def test_numbers_are_no_document() -> None:
    with pytest.raises(ExpressionError, match=r"bag_of_words takes array<string> or string .* given float64"):
        transforms.freeze({"words": ps.col("age").bag_of_words(9)}, _ROWS)


def test_sql_takes_the_text_itself() -> None:
    assert parse("ML.BAG_OF_WORDS(review, 2000, 2) OVER ()") == OF_TEXT["words"]
    assert parse("ML.BAG_OF_WORDS(ML.NGRAMS(review, [1, 2]), 2000, 2) OVER ()") == OF_TEXT["pairs"]


@pytest.mark.parametrize("type", ["logistic_reg", "boosted_tree_classifier"])
@pytest.mark.parametrize("name", list(OF_TEXT))
def test_each_representation_of_a_text_enters_other_models_too(type: str, name: str) -> None:
    model = ps.model("m", type=type, label="happy", features={name: OF_TEXT[name]}, options={"max_iterations": 10})
    graph = models.fit(model, _RATED.slice(0, 300))
    assert graph.evaluate(_RATED.slice(300))["accuracy"] > 0.9
    predictor = models.row_predictor(graph)
    some = [*_RATED.slice(300, 5).to_pylist(), {"review": "never seen"}, {"review": None}]
    found = graph.predict(pa.Table.from_pylist(some, schema=_RATED.schema))["predicted_happy"].to_pylist()
    assert [predictor.predict(row)["predicted_happy"] for row in some] == found


def test_facts_about_a_text_are_columns_of_a_tree() -> None:
    texts = [["calm words here", "LOUD WORDS HERE!!"][place % 2] for place in range(200)]
    rows = pa.table({"x": texts, "y": [float(place % 2) for place in range(200)]})
    model = ps.model(
        "m",
        type="boosted_tree_regressor",
        label="y",
        features={
            "facts": ps.col("x").text_stats(),
            "feels": ps.col("x").sentiment(),
            "tongue": ps.col("x").language(),
        },
        options={"max_iterations": 5},
    )
    graph = models.fit(model, rows)
    entering = {"facts__upper_share", "facts__exclamation_marks", "feels", "tongue__index"}
    assert entering <= set(graph.of("concat")[0].inputs)
    assert graph.evaluate(rows)["mean_absolute_error"] < 0.1


def test_hours_stand_on_a_circle() -> None:
    found = transforms.apply({"x": ps.col("h").periodic(24.0)}, pa.table({"h": [0, 23, 12]}))["x"].to_pylist()
    near, far = (np.linalg.norm(np.subtract(found[0], found[place])) for place in (1, 2))
    assert near < 0.3
    assert far == pytest.approx(2.0)
