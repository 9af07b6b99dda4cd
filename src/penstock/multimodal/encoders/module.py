"""A PyTorch module of a user's own: what enters it, and how what it was exported to is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.multimodal.encoders.dense import record_scaled, scaled
from penstock.multimodal.encoders.form import Form, Settings, Shape, Weights
from penstock.multimodal.making import made
from penstock.operations.tensors import Recorder
from penstock.operations.tensors.onnx_reading import record_operators

OPERATORS = "operators"
"""The setting, none of the user's, that holds what the module does, once it has been exported."""
INPUT = "x"
"""What the input of the exported module is called there."""


def _form(dtype: str, enters: Callable[[Any, Any], Any], record_entering: Callable[..., str]) -> Form:
    def module(torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
        class Own(torch.nn.Module):  # type: ignore[misc]
            """`entering` is what the user's module gets."""

            def __init__(self) -> None:
                super().__init__()
                self.entering = enters(torch, sample)
                self.module = made(torch, settings)

            def forward(self, x: Any) -> Any:
                return self.module(self.entering(x))

        return Own()

    def record(t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
        entering = record_entering(t, x, weights.within("entering"))
        return record_operators(t, {INPUT: entering}, settings[OPERATORS], weights.within("module"))

    return Form(
        width=lambda settings, shape: int(settings["dim"]),
        module=module,
        record=record,
        dtype=dtype,
        dimensions=lambda shape: shape,
    )


def _pixels(torch: Any, sample: Any) -> Any:
    class Pixels(torch.nn.Module):  # type: ignore[misc]
        """Pixels (rows, height, width, channels) as (rows, channels, height, width), from 0 to 1."""

        def forward(self, image: Any) -> Any:
            return image.permute(0, 3, 1, 2).to(torch.float32) / 255.0

    return Pixels()


def _record_pixels(t: Recorder, x: str, weights: Weights) -> str:
    given = t.node("Transpose", t.to("float32", x), perm=(0, 3, 1, 2))
    return t.node("Div", given, t.tensor("float32", [255.0]))


MODULE = _form("uint8", _pixels, _record_pixels)
MODULE_OF_NUMBERS = _form("float32", scaled, record_scaled)
