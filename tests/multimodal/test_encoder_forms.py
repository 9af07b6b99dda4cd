"""Every encoder that there is gives the same in PyTorch, where it learned, and as tensors, where it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from served_encoders import served

from penstock.multimodal import Ragged
from penstock.multimodal.encoders import FORMS, Form
from penstock.multimodal.exporting import MODULES
from penstock.operations.encoders import ENCODERS

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

_ROWS = 6
_SHAPES = {"uint8": [(9, 7, 3), (1, 1, 1), (16, 16, 4), (1, 33, 3)], "int64": [(7,)], "float32": [(5,)]}
_OTHERWISE: dict[str, list[dict[str, Any]]] = {
    "embedding": [{"pooling": "max"}, {"pooling": "attention"}],
    "conv": [{"filters": 3, "layers": 6}, {"augment": ("flip", "crop", "color")}],
    "residual": [{"filters": 6, "layers": 5}, {"augment": ("color",)}],
}
"""Settings that change what an encoder does, beside those that it has by itself."""


def _cases() -> list[Any]:
    found = []
    for name, form in FORMS.items():
        if name in MODULES:  # which have no second form by hand: see test_own_modules
            continue
        encoder = ENCODERS.get(name.removesuffix("_of_numbers"))
        own = {each.name: each.default for each in encoder.parameters[1:]} if encoder else {}
        shapes: list[tuple[int, ...]] = [()] if name.endswith("_of_numbers") else list(_SHAPES[form.dtype])
        for settings in ({}, *_OTHERWISE.get(name, [])):
            found += [pytest.param(form, own | settings, shape, id=f"{name} {settings} {shape}") for shape in shapes]
    return found


def _given(form: Form, shape: tuple[int, ...], chance: np.random.Generator) -> tuple[np.ndarray[Any, Any], Any]:
    """Return rows that enter, and the sample by which the module is made."""
    if form.dtype == "uint8":
        rows = chance.integers(0, 256, (_ROWS, *shape), dtype=np.uint8)
    elif form.dtype == "int64":
        rows = chance.integers(-1, shape[0], (_ROWS, 8))
        rows = -np.sort(-rows, axis=1)  # what stands beyond a row stands at its end
    else:
        rows = chance.normal(3, 9, (_ROWS, *(shape or (8,)))).astype(np.float32)
    lists = Ragged(np.arange(_ROWS + 1) * rows.shape[1], rows.reshape(-1)) if form.dtype != "uint8" else rows
    return rows, rows if shape and form.dtype != "int64" else lists


@pytest.mark.parametrize(("form", "settings", "shape"), _cases())
def test_both_forms_of_an_encoder_give_the_same_for_one_row_and_for_many(
    form: Form, settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    chance = np.random.default_rng(0)
    given, sample = _given(form, shape, chance)
    torch.manual_seed(0)
    module = form.module(torch, settings, shape, sample)
    for each in module.parameters():  # what begins as 0 or 1 has to be seen too
        torch.nn.init.normal_(each, 0, 0.3)
    module.eval()
    run = served(form, module, settings, shape)
    with torch.no_grad():
        by_torch = module(torch.from_numpy(given)).numpy()
    assert by_torch.shape == (_ROWS, form.width(settings, shape))
    scale = max(float(np.abs(by_torch).max()), 1.0)
    assert np.abs(run(given) - by_torch).max() <= 1e-5 * scale
    for place in range(_ROWS):
        alone = run(given[place : place + 1])[0]
        assert np.abs(alone - by_torch[place]).max() <= 1e-5 * scale
