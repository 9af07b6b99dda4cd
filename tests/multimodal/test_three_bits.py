"""What a network of a picture, a text and columns must reach, and must not be able to without one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
import three_bits

import penstock as ps
from penstock import models
from penstock.core.graph import ModelGraph
from penstock.models.fitting.agreement import close

pytest.importorskip("torch", reason="the CPU build of PyTorch is not installed here: see make setup")
pytestmark = pytest.mark.slow

MODALITIES = {
    "image": {"photo": ps.col("photo").image(16).conv(filters=8, layers=2, dim=32)},
    "text": three_bits.TEXT,
    "columns": three_bits.COLUMNS,
}
OPTIONS = {"max_iterations": 4, "batch_size": 64, "learn_rate": 0.01}


@pytest.fixture(scope="module")
def train() -> pa.Table:
    return three_bits.rows(3500)


@pytest.fixture(scope="module")
def others() -> pa.Table:
    return three_bits.rows(1000, seed=1)


@pytest.fixture(scope="module")
def whole(train: pa.Table) -> ModelGraph:
    return fitted(train, *MODALITIES)


def fitted(train: pa.Table, *names: str, **more: ps.Expr) -> ModelGraph:
    features: Mapping[str, ps.Expr] = {**{k: v for name in names for k, v in MODALITIES[name].items()}, **more}
    return models.fit(ps.model("bits", type="dnn_classifier", label="label", features=features, options=OPTIONS), train)


def test_all_three_are_read(whole: ModelGraph, others: pa.Table) -> None:
    assert whole.evaluate(others)["accuracy"] >= 0.97


@pytest.mark.parametrize("pair", [("image", "text"), ("image", "columns"), ("text", "columns")], ids="-".join)
def test_two_of_them_do_not_tell_the_third(train: pa.Table, others: pa.Table, pair: tuple[str, str]) -> None:
    accuracy = fitted(train, *pair).evaluate(others)["accuracy"]
    assert 0.4 < accuracy <= 0.55  # both bits are read, and the third is guessed


@pytest.mark.parametrize("name", MODALITIES)
def test_one_of_them_tells_one_bit(train: pa.Table, others: pa.Table, name: str) -> None:
    accuracy = fitted(train, name).evaluate(others)["accuracy"]
    assert 0.2 < accuracy <= 0.3


def test_rows_are_predicted_alone_as_among_others(whole: ModelGraph, others: pa.Table) -> None:
    changes = [
        {"review": "words never seen", "city": "Atlantis"},
        {"age": float("nan"), "price": None},
        {"review": ""},
        {"photo": None},
        {},
    ]
    rows = [{**row, **changes[at % len(changes)]} for at, row in enumerate(others.to_pylist())]
    together = whole.predict(pa.Table.from_pylist(rows, schema=others.schema)).to_pylist()
    for row, known in zip(rows, together, strict=True):
        assert close(whole.predict_row(row)["predicted_label_probs"], known["predicted_label_probs"], 1e-5)


def test_the_artifact_is_small_and_holds_no_pickle(whole: ModelGraph, tmp_path: Path) -> None:
    whole.save(tmp_path / "bits")
    files = [path for path in (tmp_path / "bits").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 1_000_000
    assert {path.suffix for path in files} <= {".json", ".sql", ".safetensors", ".onnx"}


def test_a_column_shown_in_four_ways_is_four_branches(train: pa.Table) -> None:
    review = ps.col("review")
    graph = fitted(
        train.slice(0, 300),
        embedded=review.embedding(8),
        filtered=review.conv1d(8),
        words=review.bag_of_words(50),
        length=review.length(),
    )
    [concat] = graph.of("concat")
    assert [name.partition("__")[0] for name in concat.inputs] == ["embedded", "filtered", "words", "length"]
