"""What encoders of images share: how pixels enter, how layers halve the sides, what follows the last layer."""

from __future__ import annotations

from typing import Any

from penstock.multimodal.encoders.augmenting import augmented
from penstock.multimodal.encoders.form import Settings, Shape, Weights, linear
from penstock.operations.tensors import Recorder

_ONE = (1, 1)
_MOST_SIDE = 4  # the last layer's filters are averaged over at most so many places across and down


def pools(settings: Settings, shape: Shape) -> list[tuple[int, int]]:
    """Return by how much each layer makes the height and width smaller: by 2, or not where they are 1 already."""
    height, width = shape[:2]
    found = []
    for _ in range(settings["layers"]):
        found.append((min(height, 2), min(width, 2)))
        height, width = max(height // 2, 1), max(width // 2, 1)
    return found


def _last(settings: Settings, shape: Shape) -> tuple[tuple[int, int], int]:
    """Return the size of the windows over which the last layer is averaged, and how many there are."""
    sides = list(shape[:2])
    for pool in pools(settings, shape):
        sides = [side // by for side, by in zip(sides, pool, strict=True)]
    height, width = (-(-side // _MOST_SIDE) for side in sides)
    return (height, width), (sides[0] // height) * (sides[1] // width)


def network(torch: Any, settings: Settings, shape: Shape, layers: Any, filters: int) -> Any:
    """Return the module of an encoder of images: pixels, its layers, which end with so many filters, a layer over what
    they found. While it learns, images are changed as the setting `augment` says."""
    window, places = _last(settings, shape)
    kinds = tuple(settings["augment"])

    class Sights(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers
            self.pool = torch.nn.Identity() if window == _ONE else torch.nn.AvgPool2d(window)
            self.linear = torch.nn.Linear(filters * places, settings["dim"])

        def forward(self, image: Any) -> Any:
            x = image.permute(0, 3, 1, 2).to(torch.float32) / 255.0
            if self.training and kinds:
                x = augmented(torch, x, kinds)
            return torch.relu(self.linear(self.pool(self.layers(x - 0.5)).flatten(1)))

    return Sights()


def record_pixels(t: Recorder, x: str) -> str:
    """Record what enters the layers: (rows, channels, height, width), from -0.5 to 0.5."""
    given = t.node("Transpose", t.to("float32", x), perm=(0, 3, 1, 2))
    return t.node("Sub", t.node("Div", given, t.tensor("float32", [255.0])), t.tensor("float32", [0.5]))


def record_found(t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
    """Record what follows the last layer."""
    window, _ = _last(settings, shape)
    pooled = x if window == _ONE else t.node("AveragePool", x, kernel_shape=window, strides=window)
    return t.node("Relu", linear(t, t.node("Flatten", pooled), weights.within("linear")))
