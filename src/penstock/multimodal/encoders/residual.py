"""Images: blocks of two layers of filters that add to what entered them (He and others 2015), each seeing half as
finely as the one before it, and a layer over what they found.

Filters are scaled in groups (Wu and He 2018) and within each image: so what one image gives does not hang on the others
of its batch, as it would by batch normalisation, where an image that is missing would count too.
"""

from __future__ import annotations

from typing import Any

from penstock.multimodal.encoders import sights
from penstock.multimodal.encoders.form import Form, Settings, Shape, Weights
from penstock.operations.tensors import Recorder

_MOST_GROUPS, _LEAST_FILTERS = 8, 4  # of a group
_EPSILON = 1e-5


def _groups(filters: int) -> int:
    """Return in how many groups filters are scaled: as many as go into them, at least four filters in each."""
    most = max(min(_MOST_GROUPS, filters // _LEAST_FILTERS), 1)
    return next(count for count in range(most, 0, -1) if filters % count == 0)


def _module(torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, given: int, made: int, pool: tuple[int, int]) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(given, made, 3, padding=1), nn.Conv2d(made, made, 3, padding=1)
            self.scaled, self.again = (nn.GroupNorm(_groups(made), made, eps=_EPSILON) for _ in range(2))
            self.across = nn.Conv2d(given, made, 1)
            self.pool = nn.MaxPool2d(pool)

        def forward(self, x: Any) -> Any:
            found = self.again(self.second(torch.relu(self.scaled(self.first(x)))))
            return torch.relu(self.pool(found + self.across(x)))  # the same as the other way round, and faster

    layers, given = [], shape[2]
    for at, pool in enumerate(sights.pools(settings, shape)):
        made = settings["filters"] * 2**at
        layers.append(Block(given, made, pool))
        given = made
    return sights.network(torch, settings, shape, nn.Sequential(*layers), given)


def _record(t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
    given = sights.record_pixels(t, x)
    for at, pool in enumerate(sights.pools(settings, shape)):
        own, groups = weights.within(f"layers.{at}"), _groups(settings["filters"] * 2**at)
        found = _record_scaled(t, _record_filters(t, given, own.within("first"), 3), own.within("scaled"), groups)
        found = _record_filters(t, t.node("Relu", found), own.within("second"), 3)
        found = _record_scaled(t, found, own.within("again"), groups)
        found = t.node("Add", found, _record_filters(t, given, own.within("across"), 1))
        given = t.node("MaxPool", t.node("Relu", found), kernel_shape=pool, strides=pool)
    return sights.record_found(t, given, settings, shape, weights)


def _record_filters(t: Recorder, x: str, weights: Weights, side: int) -> str:
    beside = (side // 2,) * 4
    return t.node("Conv", x, weights("weight"), weights("bias"), kernel_shape=(side, side), pads=beside)


def _record_scaled(t: Recorder, x: str, weights: Weights, groups: int) -> str:
    ones, zeros = t.tensor("float32", [1.0] * groups), t.tensor("float32", [0.0] * groups)
    grouped = t.node("Reshape", x, t.tensor("int64", [0, groups, -1]))
    scaled = t.node("InstanceNormalization", grouped, ones, zeros, epsilon=_EPSILON)
    scaled = t.node("Reshape", scaled, t.node("Shape", x))
    weight, bias = (t.node("Unsqueeze", weights(name), t.tensor("int64", [1, 2])) for name in ("weight", "bias"))
    return t.node("Add", t.node("Mul", scaled, weight), bias)


RESIDUAL = Form(
    width=lambda settings, shape: int(settings["dim"]),
    module=_module,
    record=_record,
    dtype="uint8",
    dimensions=lambda shape: shape,
)
