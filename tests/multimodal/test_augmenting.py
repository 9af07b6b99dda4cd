"""Images are changed at random while a network learns from them, by its seed, and never where it predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import three_bits

import penstock as ps
from penstock import models
from penstock.errors import ExpressionError
from penstock.models.fitting.agreement import close
from penstock.multimodal.encoders.augmenting import augmented

torch = pytest.importorskip("torch")

_ROWS = three_bits.rows(80)


def _model(features: dict[str, Any], **options: Any) -> models.ModelGraph:
    model = ps.model("m", type="dnn_classifier", label="label", features=features, options={"max_iterations": 2})
    return models.fit(model, _ROWS, options=options)


def _images(seed: int = 0, channels: int = 3) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).random((64, channels, 6, 8), dtype=np.float32))


def test_about_half_of_the_images_are_mirrored_and_the_others_are_as_they_were() -> None:
    given = _images()
    torch.manual_seed(0)
    found = augmented(torch, given, ("flip",))
    same = [torch.allclose(one, other, atol=1e-5) for one, other in zip(given, found, strict=True)]
    mirrored = [torch.allclose(one.flip(2), other, atol=1e-5) for one, other in zip(given, found, strict=True)]
    assert all(one != other for one, other in zip(same, mirrored, strict=True))
    assert 16 < sum(mirrored) < 48


def test_a_cut_out_holds_nothing_that_was_not_in_the_image() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(8.0).div(7).expand(64, 1, 6, 8)
    found = augmented(torch, ramp, ("crop",))
    assert found.shape == ramp.shape
    assert (found.diff(dim=3) >= -1e-6).all()
    assert (found.min() >= 0) & (found.max() <= 1 + 1e-6)
    widths = found[:, 0, 0, 7] - found[:, 0, 0, 0]
    assert widths.min() > 0.6
    assert widths.std() > 0.02


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_other_shades_are_still_shades_and_alpha_is_as_it_was(channels: int) -> None:
    given = _images(channels=channels)
    torch.manual_seed(0)
    found = augmented(torch, given, ("color",))
    assert found.shape == given.shape
    assert (found.min() >= 0) & (found.max() <= 1)
    assert not torch.allclose(found[:, 0], given[:, 0], atol=0.01)
    assert torch.equal(found[:, 3:], given[:, 3:])


def test_the_same_seed_augments_alike_and_another_does_not() -> None:
    features = {"photo": ps.col("photo").image(16).conv(4, 2, 8, ["flip", "crop", "color"])}
    once, again, plain = _model(features), _model(features), _model({"photo": ps.col("photo").image(16).conv(4, 2, 8)})
    assert once.blobs == again.blobs
    assert once.blobs != plain.blobs


def test_what_predicts_augments_nothing_and_says_what_was_done() -> None:
    graph = _model({"photo": ps.col("photo").image(16).residual(4, 2, 8, ["flip", "color"])})
    [encoder] = graph.of("encoder")
    assert tuple(encoder.params["settings"]["augment"]) == ("flip", "color")
    some = _ROWS.slice(0, 20)
    first, second = (graph.predict(some)["predicted_label_probs"].to_pylist() for _ in range(2))
    assert first == second
    predictor = models.row_predictor(graph)
    for row, known in zip(some.to_pylist(), first, strict=True):
        assert close(predictor.predict(row)["predicted_label_probs"], known, 1e-5)


def test_both_fronts_augment() -> None:
    by_sql = ps.model("m", type="dnn_classifier", label="label", features={
        "photo": "PENSTOCK.RESIDUAL(PENSTOCK.IMAGE(photo, 16), 4, 2, 8, ['flip'])"})  # fmt: skip
    fluent = {"photo": ps.col("photo").image(16).residual(4, 2, 8, ["flip"])}
    assert by_sql == ps.model("m", type="dnn_classifier", label="label", features=fluent)


def test_an_augmentation_that_there_is_not_is_named() -> None:
    with pytest.raises(ExpressionError, match=r"conv: augment cannot be .*flip, crop, color"):
        _model({"photo": ps.col("photo").image(16).conv(4, 2, 8, ["explode"])})


@pytest.mark.slow
def test_blocks_that_add_to_what_entered_them_learn_to_see() -> None:
    rows = three_bits.rows(600)
    upright = [label in ("c4", "c5", "c6", "c7") for label in rows["label"].to_pylist()]
    rows = rows.append_column("lies", [upright])
    model = ps.model(
        "m", type="dnn_classifier", label="lies", features={"photo": ps.col("photo").image(16).residual(8, 2)}
    )
    graph = models.fit(model, rows.slice(0, 500), options={"max_iterations": 12, "batch_size": 16})
    assert graph.evaluate(rows.slice(500))["accuracy"] > 0.9
