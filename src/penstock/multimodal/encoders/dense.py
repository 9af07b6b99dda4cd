"""Arrays of numbers: scaled by what training saw, and, if asked for, through a layer of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.multimodal.encoders.form import Form, Settings, Shape, Weights, linear
from penstock.operations.tensors import Recorder


def scaled(torch: Any, sample: Any) -> Any:
    """Return the module that takes the training rows' mean from each number and divides by their deviation."""

    class Scaled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            known = sample if len(sample) else np.zeros((1, *sample.shape[1:]), np.float32)
            deviation = known.std(axis=0)
            self.register_buffer("mean", torch.from_numpy(known.mean(axis=0).astype(np.float32)))
            scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 1.0)
            self.register_buffer("scale", torch.from_numpy(scale.astype(np.float32)))

        def forward(self, x: Any) -> Any:
            return (x - self.mean) * self.scale

    return Scaled()


def record_scaled(t: Recorder, x: str, weights: Weights) -> str:
    """Record what `scaled` does."""
    return t.node("Mul", t.node("Sub", x, weights("mean")), weights("scale"))


def _vector(torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
    return scaled(torch, sample)


def _record_vector(t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
    return record_scaled(t, x, weights)


def _dense(torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
    layer = torch.nn.Linear(shape[0], settings["units"])
    return torch.nn.Sequential(scaled(torch, sample), layer, torch.nn.ReLU())


def _record_dense(t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
    return t.node("Relu", linear(t, record_scaled(t, x, weights.within("0")), weights.within("1")))


VECTOR = Form(
    width=lambda settings, shape: shape[0],
    module=_vector,
    record=_record_vector,
    dtype="float32",
    dimensions=lambda shape: shape,
)
DENSE = Form(
    width=lambda settings, shape: int(settings["units"]),
    module=_dense,
    record=_record_dense,
    dtype="float32",
    dimensions=lambda shape: shape,
)
