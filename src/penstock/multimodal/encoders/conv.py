"""Images: layers of filters, each seeing half as finely as the one before it, and a layer over what they found."""

from __future__ import annotations

from typing import Any

from penstock.multimodal.encoders.form import Form, Settings, Shape, Weights, linear
from penstock.operations.tensors import Recorder

_MOST_SIDE = 4  # the last layer's filters are averaged over at most so many places across and down


def _sides(settings: Settings, shape: Shape) -> tuple[int, int]:
    """Return the height and width after all layers, which halve them while they are more than one."""
    height, width = shape[:2]
    for _ in range(settings["layers"]):
        height, width = max(height // 2, 1), max(width // 2, 1)
    return height, width


def _pools(settings: Settings, shape: Shape) -> list[tuple[int, int]]:
    """Return by how much each layer makes the sides smaller: by 2, or not where they are 1 already."""
    height, width = shape[:2]
    found = []
    for _ in range(settings["layers"]):
        found.append((min(height, 2), min(width, 2)))
        height, width = max(height // 2, 1), max(width // 2, 1)
    return found


def _last(settings: Settings, shape: Shape) -> tuple[int, int]:
    """Return the size of the windows over which the last layer is averaged."""
    return tuple(-(-side // _MOST_SIDE) for side in _sides(settings, shape))  # type: ignore[return-value]


def _module(torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
    nn = torch.nn
    layers, given = [], shape[2]
    for at, pool in enumerate(_pools(settings, shape)):
        made = settings["filters"] * 2**at
        layers += [nn.Conv2d(given, made, 3, padding=1), nn.ReLU(), nn.MaxPool2d(pool)]
        given = made
    window = _last(settings, shape)
    places = [side // each for side, each in zip(_sides(settings, shape), window, strict=True)]

    class Conv(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(*layers)
            self.pool = nn.AvgPool2d(window)
            self.linear = nn.Linear(given * places[0] * places[1], settings["dim"])

        def forward(self, image: Any) -> Any:
            x = image.permute(0, 3, 1, 2).to(torch.float32) / 255.0 - 0.5
            return torch.relu(self.linear(self.pool(self.layers(x)).flatten(1)))

    return Conv()


def _record(t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
    given = t.node("Transpose", t.to("float32", x), perm=(0, 3, 1, 2))
    given = t.node("Sub", t.node("Div", given, t.tensor("float32", [255.0])), t.tensor("float32", [0.5]))
    for at, pool in enumerate(_pools(settings, shape)):
        own = weights.within(f"layers.{3 * at}")
        found = t.node("Conv", given, own("weight"), own("bias"), kernel_shape=(3, 3), pads=(1, 1, 1, 1))
        given = t.node("MaxPool", t.node("Relu", found), kernel_shape=pool, strides=pool)
    window = _last(settings, shape)
    pooled = t.node("AveragePool", given, kernel_shape=window, strides=window)
    return t.node("Relu", linear(t, t.node("Flatten", pooled), weights.within("linear")))


CONV = Form(
    width=lambda settings, shape: int(settings["dim"]),
    module=_module,
    record=_record,
    dtype="uint8",
    dimensions=lambda shape: shape,
)
