"""Images that are more than memory should hold lie in a file; a model of them is the same, and nothing stays."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import three_bits

import penstock as ps
from penstock import models, tables
from penstock.errors import StorageError
from penstock.models.learning import stored
from penstock.models.learning.encoded import encoded
from penstock.multimodal.encoders import FORMS
from penstock.multimodal.tensors import ragged, rows_at_once

MODEL = ps.model("bits", type="dnn_classifier", label="label", features=three_bits.IMAGE, options={"max_iterations": 2})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let 1,000 bytes be too much for memory; return the folder of files."""
    monkeypatch.setattr(stored, "MOST_IN_MEMORY", 1000)
    monkeypatch.setattr(tables, "cache_folder", lambda: tmp_path)
    return tmp_path


def test_a_model_of_images_in_a_file_is_that_of_images_in_memory(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = three_bits.rows(120)
    in_file = models.fit(MODEL, rows)
    monkeypatch.setattr(stored, "MOST_IN_MEMORY", 1 << 30)
    assert models.fit(MODEL, rows).predict(rows).equals(in_file.predict(rows))


def test_large_images_lie_in_a_file_that_has_no_name(cache: Path) -> None:
    photos = three_bits.rows(4).column("photo").to_pylist()
    made = encoded(pa.chunked_array([[*photos, None]], pa.binary()), "image")
    assert isinstance(made.values, np.memmap)
    assert made.values.shape == (5, three_bits.SIDE, three_bits.SIDE, made.values.shape[3])
    assert made.values[:4].any(axis=(1, 2, 3)).all()
    assert not made.values[4].any()
    assert list(cache.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, start: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageError, match=r"no room for 2,000 bytes of images in .*No space left"):
        stored.zeros((2000,), "uint8")


def test_of_large_images_few_are_looked_at_before_an_encoder_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand, as of a vector's numbers, would be copied into memory, whose limit they lie beyond."""
    seen = []

    def module(torch: Any, settings: Any, shape: Any, sample: Any) -> Any:
        seen.append(sample.shape)
        return conv.module(torch, settings, shape, sample)

    conv = FORMS["conv"]
    monkeypatch.setitem(FORMS, "conv", dataclasses.replace(conv, module=module))
    large = ps.col("photo").image(256).conv(filters=1, layers=8, dim=2)
    model = ps.model("bits", type="dnn_classifier", label="label", features={"photo": large})
    models.fit(model, three_bits.rows(40), options={"max_iterations": 1}, judged=False)
    assert seen == [(32, 256, 256, 3)]


def test_of_large_images_few_rows_are_run_together() -> None:
    """Layers of filters take many times an image's pixels: a thousand at once took ten times all that was learned."""
    images, texts = np.zeros((9, 256, 256, 3), np.uint8), ragged([[1], [2, 3]], "int64")
    assert [rows_at_once([images[:, :side, :side]]) for side in (16, 96, 256)] == [1024, 37, 5]
    assert rows_at_once([texts]) == rows_at_once([]) == 1024
    assert rows_at_once([texts, images]) == 5
