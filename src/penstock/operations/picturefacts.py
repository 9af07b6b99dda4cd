"""Numbers about images. Sums are of whole numbers, so that they are exact and the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from penstock.operations.pictures import decoded

_Array = np.ndarray[Any, Any]
_WHITE = 255


def color_histogram(content: bytes, bins: int) -> list[float]:
    """Return the share of the pixels in each range of red, of green and of blue."""
    colours = decoded(content, "RGB")
    counts = [np.bincount(_values(colours, at) * bins // 256, minlength=bins) for at in range(3)]
    shares: list[float] = (np.concatenate(counts) / (colours.shape[0] * colours.shape[1])).tolist()
    return shares


def tiles(content: bytes, across: int, down: int) -> list[float]:
    """Return the mean red, green and blue of each tile, from 0 to 1."""
    sums, areas = _tile_sums(decoded(content, "RGB"), across, down)
    means: list[float] = (sums / (areas * _WHITE)[:, :, np.newaxis]).reshape(-1).tolist()
    return means


def _tile_sums(picture: _Array, across: int, down: int) -> tuple[_Array, _Array]:
    """Return the sum of each channel in each tile (down, across, channels), and how many pixels each tile has."""
    (top, bottom), (left, right) = _borders(picture.shape[0], down), _borders(picture.shape[1], across)
    totals = np.zeros((picture.shape[0] + 1, picture.shape[1] + 1, picture.shape[2]), dtype=np.int64)
    totals[1:, 1:] = picture.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    below, above = totals[bottom], totals[top]
    sums = below[:, right] - below[:, left] - above[:, right] + above[:, left]
    return sums, np.outer(bottom - top, right - left)


def _borders(side: int, count: int) -> tuple[_Array, _Array]:
    """Return where each tile begins and ends; where there are more tiles than pixels, they overlap."""
    at = np.arange(count)
    return at * side // count, -(-(at + 1) * side // count)


def _grey_tiles(content: bytes, across: int, down: int) -> _Array:
    """Return the mean grey of each tile, in 256ths, as whole numbers."""
    sums, areas = _tile_sums(decoded(content, "L"), across, down)
    return sums[:, :, 0] * 256 // areas


def _bits(flags: _Array) -> int:
    return int.from_bytes(np.packbits(flags.reshape(-1)).tobytes(), "big", signed=True)


def _difference_hash(content: bytes) -> int:
    grey = _grey_tiles(content, 9, 8)
    return _bits(grey[:, :-1] < grey[:, 1:])


def _average_hash(content: bytes) -> int:
    grey = _grey_tiles(content, 8, 8)
    return _bits(grey * grey.size > grey.sum())


HASHES: Mapping[str, Callable[[bytes], int]] = {"difference": _difference_hash, "average": _average_hash}


def _values(picture: _Array, channel: int) -> _Array:
    return picture[:, :, channel].reshape(-1).astype(np.int64)


def _grey(content: bytes) -> _Array:
    """Return grey as whole numbers (height, width)."""
    return decoded(content, "L")[:, :, 0].astype(np.int64)


def _mean(values: _Array) -> float:
    return int(values.sum()) / max(values.size, 1)


def _variance(values: _Array) -> float:
    count, total, squares = values.size, int(values.sum()), int((values * values).sum())
    return (count * squares - total * total) / (count * count)


def _contrast(content: bytes) -> float:
    return math.sqrt(_variance(_grey(content))) / _WHITE


def _saturation(content: bytes) -> float:
    colours = decoded(content, "RGB").astype(np.int64)
    most, least = colours.max(axis=2).reshape(-1), colours.min(axis=2).reshape(-1)
    spans = np.bincount(most, weights=most - least, minlength=256)  # of the pixels with each greatest channel
    return math.fsum(float(spans[value]) / value for value in range(1, 256)) / int(most.size)


def _colorfulness(content: bytes) -> float:
    red, green, blue = (_values(decoded(content, "RGB"), at) for at in range(3))
    first, second = red - green, red + green - 2 * blue  # the second twice as large as it is defined
    spread = math.sqrt(_variance(first) + _variance(second) / 4)
    middle = math.hypot(_mean(first), _mean(second) / 2)
    return (spread + 0.3 * middle) / _WHITE


def _edges(content: bytes) -> float:
    grey = _grey(content)
    steps = np.concatenate([np.abs(np.diff(grey, axis=axis)).reshape(-1) for axis in (0, 1)])
    return _mean(steps) / _WHITE


def _sharpness(content: bytes) -> float:
    grey = _grey(content)
    wide = np.pad(grey, 1, mode="edge")
    rough = _variance(wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * grey)
    return rough / (_WHITE * _WHITE)


def _entropy(content: bytes) -> float:
    counts = np.bincount(_grey(content).reshape(-1))
    shares = (counts[counts > 0] / counts.sum()).tolist()
    return math.fsum(-share * math.log2(share) for share in shares) + 0.0


def _transparency(content: bytes) -> float:
    return _mean(_WHITE - _values(decoded(content, "RGBA"), 3)) / _WHITE


def _channel(at: int) -> Callable[[bytes], float]:
    return lambda content: _mean(_values(decoded(content, "RGB"), at)) / _WHITE


def _side(axis: int) -> Callable[[bytes], float]:
    return lambda content: float(decoded(content).shape[axis])


STATISTICS: Mapping[str, Callable[[bytes], float]] = {
    "brightness": lambda content: _mean(_grey(content)) / _WHITE,
    "contrast": _contrast,
    "saturation": _saturation,
    "colorfulness": _colorfulness,
    "edges": _edges,
    "sharpness": _sharpness,
    "entropy": _entropy,
    "red": _channel(0),
    "green": _channel(1),
    "blue": _channel(2),
    "transparency": _transparency,
    "width": _side(1),
    "height": _side(0),
    "aspect_ratio": lambda content: _side(1)(content) / _side(0)(content),
}
