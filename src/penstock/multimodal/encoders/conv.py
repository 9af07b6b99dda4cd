"""Images: layers of filters, each seeing half as finely as the one before it, and a layer over what they found."""

from __future__ import annotations

from typing import Any

from penstock.multimodal.encoders import sights
from penstock.multimodal.encoders.form import Form, Settings, Shape, Weights
from penstock.operations.tensors import Recorder


def _module(torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
    nn = torch.nn
    layers, given = [], shape[2]
    for at, pool in enumerate(sights.pools(settings, shape)):
        made = settings["filters"] * 2**at
        # the greatest first: the same numbers, and a quarter of them for the ReLU, whose way back takes as long again
        layers += [nn.Conv2d(given, made, 3, padding=1), nn.MaxPool2d(pool), nn.ReLU(inplace=True)]
        given = made
    return sights.network(torch, settings, shape, nn.Sequential(*layers), given)


def _record(t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
    given = sights.record_pixels(t, x)
    for at, pool in enumerate(sights.pools(settings, shape)):
        own = weights.within(f"layers.{3 * at}")
        found = t.node("Conv", given, own("weight"), own("bias"), kernel_shape=(3, 3), pads=(1, 1, 1, 1))
        given = t.node("MaxPool", t.node("Relu", found), kernel_shape=pool, strides=pool)
    return sights.record_found(t, given, settings, shape, weights)


CONV = Form(
    width=lambda settings, shape: int(settings["dim"]),
    module=_module,
    record=_record,
    dtype="uint8",
    dimensions=lambda shape: shape,
)
