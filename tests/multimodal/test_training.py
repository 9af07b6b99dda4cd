"""Training: what is left out, what diverges, what is missing, and what a rate and a batch are where nobody says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import three_bits

import penstock as ps
from penstock import models
from penstock.errors import DataError
from penstock.multimodal import Branch, training
from penstock.multimodal.spec import Head, Spec
from penstock.multimodal.training import default_batch, has_settled, left_in

TEXT_AND_CITY = {"text": ps.col("review").embedding(dim=8), "city": ps.col("city")}
ROWS = three_bits.rows(400)
PROBS = "predicted_label_probs"


def _fit(features: dict[str, Any], rows: pa.Table = ROWS, **options: Any) -> models.ModelGraph:
    model = ps.model("bits", type="dnn_classifier", label="label", features=features)
    return models.fit(model, rows, options={"max_iterations": 4, **options})


def _spec(*modalities: str) -> Spec:
    branches = tuple(Branch(name=f"{place}", modality=each) for place, each in enumerate(modalities))
    return Spec(
        branches=branches, numbers=(0,), entries=(), hidden_units=(), activation="RELU", heads=(Head(kind="value"),)
    )


def test_a_modality_is_left_out_as_a_whole_and_never_are_all() -> None:
    kept = left_in(_spec("image", "image", "text", "columns"), 0.6, 2000, np.random.default_rng(0))
    assert (kept[:, 0] == kept[:, 1]).all()
    assert kept.any(axis=1).all()
    assert 0.3 < kept[:, 0].mean() < 0.6


def test_of_one_modality_representations_are_left_out_one_by_one() -> None:
    kept = left_in(_spec("text", "text"), 0.5, 2000, np.random.default_rng(0))
    assert kept.any(axis=1).all()
    assert (kept[:, 0] != kept[:, 1]).any()


def test_what_was_never_missing_in_training_counts_as_the_average_where_it_is() -> None:
    graph = _fit(TEXT_AND_CITY)
    [row] = ROWS.slice(0, 1).to_pylist()
    alone = graph.predict_row({**row, "review": None})["predicted_label_probs"]
    mixed = [graph.predict_row({**row, "review": other["review"]}) for other in ROWS.slice(0, 100).to_pylist()]
    mean = {
        each["label"]: np.mean(
            [{p["label"]: p["prob"] for p in one["predicted_label_probs"]}[each["label"]] for one in mixed]
        )
        for each in alone
    }
    assert all(abs(mean[each["label"]] - each["prob"]) < 0.1 for each in alone)


def test_with_modality_dropout_absence_is_learned_by_its_seed() -> None:
    once, again, without = (_fit(TEXT_AND_CITY, modality_dropout=rate) for rate in (0.3, 0.3, 0.0))
    assert once.blobs == again.blobs
    assert once.blobs["network.safetensors"] != without.blobs["network.safetensors"]


def test_texts_that_are_missing_in_training_have_a_state_of_their_own() -> None:
    told = [None if label in ("c0", "c1") else "word" for label in ROWS["label"].to_pylist()]
    rows = ROWS.set_column(ROWS.column_names.index("review"), "review", pa.array(told))
    graph = _fit({"text": ps.col("review").embedding(dim=8)}, rows, max_iterations=30, early_stop=False)
    assert graph.predict_row({"review": None})["predicted_label"] in ("c0", "c1")
    assert graph.predict_row({"review": "word"})["predicted_label"] not in ("c0", "c1")


def test_no_rows_and_only_missing_ones_are_predicted() -> None:
    graph = _fit({**three_bits.IMAGE, **TEXT_AND_CITY}, max_iterations=1)
    assert graph.predict(ROWS.slice(0, 0)).num_rows == 0
    nothing = pa.Table.from_pylist([{"photo": None, "review": None, "city": None}] * 2, schema=ROWS.schema)
    assert len(set(map(str, graph.predict(nothing)["predicted_label"].to_pylist()))) == 1


def test_a_column_without_any_value_is_named() -> None:
    rows = ROWS.set_column(0, "photo", pa.nulls(len(ROWS), pa.binary()))
    with pytest.raises(DataError, match="'photo' has no value in any training row"):
        _fit({**three_bits.IMAGE, **TEXT_AND_CITY}, rows)


def test_a_loss_that_is_no_number_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DataError, match="give a smaller one"):
        _fit(TEXT_AND_CITY, optimizer="SGD", learn_rate=1e30)


def test_classes_weigh_as_they_are_told_to() -> None:
    rare = ROWS.filter(
        pa.array([label != "c1" or place % 10 == 0 for place, label in enumerate(ROWS["label"].to_pylist())])
    )
    label = pa.array([str(each == "c1") for each in rare["label"].to_pylist()])
    rows = rare.set_column(rare.column_names.index("label"), "label", label)
    plain, balanced = (
        _fit({"text": ps.col("review").embedding(8)}, rows, auto_class_weights=weights) for weights in (False, True)
    )
    shares = [
        np.mean(
            [{each["label"]: each["prob"] for each in row}["True"] for row in graph.predict(rows)[PROBS].to_pylist()]
        )
        for graph in (plain, balanced)
    ]
    assert shares[0] + 0.1 < shares[1]


@pytest.mark.parametrize("options", [{"l1_reg": 0.1}, {"l2_reg": 0.1}, {"dropout": 0.5}, {"optimizer": "ADAGRAD"}])
def test_each_option_changes_what_is_learned(options: dict[str, Any]) -> None:
    plain, changed = (_fit(TEXT_AND_CITY, max_iterations=1, **each) for each in ({}, options))
    assert plain.blobs["network.safetensors"] != changed.blobs["network.safetensors"]


def test_the_rate_of_each_iteration_is_kept_and_falls() -> None:
    rates = [each["learning_rate"] for each in _fit(TEXT_AND_CITY, early_stop=False).facts["learner"]["training"]]
    assert rates == sorted(rates, reverse=True)
    assert 0.0 <= rates[-1] < rates[0] <= 0.003


def test_batches_grow_with_the_rows() -> None:
    assert [default_batch(rows) for rows in (1, 100, 3_500, 10_000, 1_000_000)] == [32, 32, 64, 256, 256]


def test_slow_progress_that_adds_up_is_progress_and_none_at_all_ends_it() -> None:
    options = {"max_iterations": 20, "min_rel_progress": 0.01}
    slow = [0.996**at for at in range(20)]
    assert not any(has_settled(slow[:count], options) for count in range(1, 21))
    assert next(count for count in range(1, 21) if has_settled([1.0] * count, options)) == 6
    assert has_settled([1.0] * 4, {"max_iterations": 4, "min_rel_progress": 0.01})
    assert not has_settled([1.0, 1.1, 1.2, 0.9, 0.95, 0.95], {"max_iterations": 4, "min_rel_progress": 0.01})


def test_the_loss_of_rows_held_out_does_not_hang_on_how_many_are_run_together(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = [price if place % 7 == 0 else None for place, price in enumerate(ROWS["price"].to_pylist())]
    rows = ROWS.set_column(ROWS.column_names.index("price"), "price", pa.array(prices))
    model = ps.model("two", type="dnn_classifier", label=["price", "label"], features=TEXT_AND_CITY)
    options = {"max_iterations": 2, "data_split_method": "RANDOM"}
    told = []
    for height in (1024, 5):
        monkeypatch.setattr(training, "rows_at_once", lambda inputs, height=height: height)
        iterations = models.fit(model, rows, options=options).facts["learner"]["training"]
        told.append([each["eval_loss"] for each in iterations])
    assert told[0] == pytest.approx(told[1], rel=1e-5)


def test_a_gpu_that_is_not_there_is_an_error_with_the_way_out() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(DataError, match="give 'CPU'"):
        _fit(TEXT_AND_CITY, device="CUDA")
    assert _fit(TEXT_AND_CITY, device="CPU").blobs == _fit(TEXT_AND_CITY).blobs


def test_in_mixed_precision_nearly_the_same_is_learned_and_single_precision_is_served() -> None:
    plain, mixed = (_fit(TEXT_AND_CITY, mixed_precision=each) for each in (False, True))
    losses = [graph.facts["learner"]["training"][-1]["loss"] for graph in (plain, mixed)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert plain.signature == mixed.signature


def test_each_iteration_is_told_of_when_it_has_ended() -> None:
    heard: list[Any] = []
    model = ps.model("bits", type="dnn_classifier", label="label", features=TEXT_AND_CITY)
    graph = models.fit(model, ROWS, options={"max_iterations": 3}, progress=heard.append)
    assert heard == list(graph.facts["learner"]["training"])
