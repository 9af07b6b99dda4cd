"""Features meet side by side, by gates or by attention; PyTorch, where they learn, and what serves compute the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import three_bits

import penstock as ps
from penstock import models
from penstock.models.fitting.agreement import close
from penstock.multimodal import Branch, training
from penstock.multimodal.fusing import FUSIONS
from penstock.multimodal.running import network_files, network_of
from penstock.multimodal.spec import Head, Spec

ROWS = three_bits.rows(300)
FEATURES = {
    "text": ps.col("review").embedding(dim=8),
    "pixels": ps.col("photo").image(4).pixels().dense(8),
    "words": ps.col("review").bag_of_words(30),
    **three_bits.COLUMNS,
}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_learns_and_what_serves_compute_the_same(fusion: str) -> None:
    import torch

    from penstock.multimodal.net import Network

    chance = np.random.default_rng(0)
    spec = Spec(
        branches=(
            Branch(name="numbers", modality="columns"),
            Branch(name="vector", modality="image", encoder="dense", settings={"units": 6}, shape=(5,)),
            Branch(name="both", modality="columns"),
            Branch(name="bag", modality="text"),
        ),
        numbers=(0, 0, 2),
        entries=((2, 4), (3, 7)),
        hidden_units=(9, 7),
        activation="ELU",
        heads=(Head(kind="classes", outputs=3),),
        fusion=fusion,
    )
    given = {
        "numbers": chance.normal(size=(6, 3)).astype(np.float32),
        "entries": chance.integers(0, 11, (6, 4)),
        "weights": chance.normal(size=(6, 4)).astype(np.float32),
        "present": np.array([[1, 1, 1, 1]] * 3 + [[1, 0, 1, 1]] * 3, dtype=np.float32),
        "input_0": chance.normal(size=(6, 5)).astype(np.float32),
    }
    torch.manual_seed(0)
    network = Network(spec, (given["input_0"],), 0.0).eval()
    with torch.no_grad():
        learned = network({name: torch.from_numpy(each) for name, each in given.items()}).numpy()
    weights = {name: each.numpy() for name, each in network.state_dict().items()}
    served = network_of(network_files(spec, weights)).totals(given)
    assert np.abs(served - learned).max() < 1e-5


@pytest.mark.parametrize("fusion", ["gated", "attention"])
def test_a_model_says_how_its_features_meet_and_predicts_a_row_as_in_a_batch(fusion: str) -> None:
    model = ps.model("bits", type="dnn_classifier", label="label", features=FEATURES, options={"fusion": fusion})
    graph = models.fit(model, ROWS, options={"max_iterations": 2})
    assert graph.of("concat")[0].params["fusion"] == fusion
    assert f"which meet by {fusion}" in graph.describe()
    assert graph.facts["disagreements"] == []
    changed = [{**row, "review": None, "city": "Atlantis"} for row in ROWS.slice(0, 5).to_pylist()]
    batch = graph.predict(pa.Table.from_pylist(changed, schema=ROWS.schema))["predicted_label_probs"].to_pylist()
    alone = [graph.predict_row(row)["predicted_label_probs"] for row in changed]
    assert all(close(one, many, 1e-5) for one, many in zip(alone, batch, strict=True))


def test_columns_alone_may_meet_by_attention_too() -> None:
    model = ps.model("plain", type="dnn_classifier", label="label", features=three_bits.COLUMNS)
    graph = models.fit(model, ROWS, options={"max_iterations": 1, "fusion": "attention"})
    assert "network.onnx" in graph.blobs
    assert "network.onnx" not in models.fit(model, ROWS, options={"max_iterations": 1}).blobs


def test_the_same_seed_gives_the_same_weights() -> None:
    model = ps.model("bits", type="dnn_classifier", label="label", features=FEATURES)
    options = {"max_iterations": 1, "fusion": "attention", "dropout": 0.2, "modality_dropout": 0.2}
    assert models.fit(model, ROWS, options=options).blobs == models.fit(model, ROWS, options=options).blobs
    assert training.default_batch(ROWS.num_rows) == 32


def test_options_of_how_to_train_make_no_other_network_of_columns() -> None:
    model = ps.model("plain", type="dnn_classifier", label="label", features=three_bits.COLUMNS)
    plain, asked = (models.fit(model, ROWS, options={"max_iterations": 1, **each}) for each in ({}, {"device": "CPU"}))
    assert plain.blobs == asked.blobs
