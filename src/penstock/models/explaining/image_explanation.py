"""What each part of an image adds to what is predicted of its row."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock import values
from penstock.core.graph import ModelGraph
from penstock.errors import DataError, DeclarationError
from penstock.models.explaining.pieces import SAMPLES, one_row, told_of
from penstock.models.learning.matrix import Floats
from penstock.operations import pictures
from penstock.tables import TableLike
from penstock.values import Figure

GRID = 7
"""Into how many parts an image is divided, across and down."""

_MOST_PIXELS = 1 << 20
_SMALLEST_SHOWN = 320
_ADDS, _TAKES = (194, 87, 26), (31, 111, 180)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageExplanation:
    """What the parts of an image add to a score: from the `baseline`, that of an image which is all of its mean colour,
    to the `score`.

    `parts` is an array of what each adds, from the top left on. Notebooks show the image with its parts coloured; so
    does `figure`, a PNG.
    """

    predicted: Any
    baseline: float
    score: float
    parts: Floats
    figure: Figure

    def _repr_png_(self) -> bytes | None:
        return self.figure._repr_png_()


def explain_image(
    graph: ModelGraph,
    row: Mapping[str, Any] | TableLike,
    column: str,
    *,
    label: Any = None,
    features: Sequence[str] | None = None,
    grid: int = GRID,
    samples: int = SAMPLES,
) -> ImageExplanation:
    """Return what each part of a column's image adds to the prediction of one row, whatever reads the image.

    The image is divided into `grid` times `grid` parts; one that is left out is of the image's mean colour. These are
    Shapley values of about `samples` combinations, the same each time. The score is the value, or the log-odds of the
    predicted label, or of the `label` given, against all others. With `features`, it is told what parts add through
    these alone. An image of more than a million pixels is made smaller first.
    """
    inputs, content = one_row(graph, row, column, "bytes")
    try:
        picture = _bounded(pictures.decoded(content))
    except ValueError as error:
        raise DataError(f"model '{graph.name}': '{column}' {error}", field=column) from error
    height, width, _ = picture.shape
    if not 1 < grid <= min(height, width):
        raise DeclarationError(
            f"grid={grid}: an image of {width} times {height} pixels has 2 to {min(height, width)} parts a side"
        )
    down, across = ((np.arange(size) * grid) // size for size in (height, width))
    owners = down[:, np.newaxis] * grid + across
    mean = picture.reshape(-1, picture.shape[2]).mean(axis=0).round().astype(np.uint8)

    def made(kept: Sequence[bool]) -> bytes:
        return pictures.encoded(np.where(np.asarray(kept)[owners][:, :, np.newaxis], picture, mean))

    told = told_of(graph, inputs, column, grid * grid, made, label=label, features=features, samples=samples)
    parts = told.parts.reshape(grid, grid)
    return ImageExplanation(
        predicted=told.predicted,
        baseline=told.baseline,
        score=told.score,
        parts=parts,
        figure=values.png(_overlay(picture, parts)),
    )


def _bounded(picture: pictures.Pixels) -> pictures.Pixels:
    height, width, _ = picture.shape
    if height * width <= _MOST_PIXELS:
        return picture
    scale = (_MOST_PIXELS / (height * width)) ** 0.5
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return np.asarray(_drawn(picture).resize(size)).reshape(size[1], size[0], -1)


def _overlay(picture: pictures.Pixels, parts: Floats) -> bytes:
    """Return a PNG: the image in grey, the more coloured the more a part adds (orange) or takes (blue)."""
    from PIL import Image

    height, width, _ = picture.shape
    scale = max(1, -(-_SMALLEST_SHOWN // max(height, width)))
    size = width * scale, height * scale
    grey = np.asarray(_drawn(picture).convert("L").resize(size, Image.Resampling.NEAREST), dtype=np.float64)
    heat = np.asarray(
        Image.fromarray((parts / (np.abs(parts).max() or 1.0)).astype(np.float32)).resize(
            size, Image.Resampling.BILINEAR
        ),
        dtype=np.float64,
    )[:, :, np.newaxis]
    colour = np.where(heat > 0, np.array(_ADDS), np.array(_TAKES))
    share = 0.7 * np.abs(heat)
    shown = (1 - share) * grey[:, :, np.newaxis] + share * colour
    written = io.BytesIO()
    Image.fromarray(shown.round().astype(np.uint8)).save(written, "PNG")
    return written.getvalue()


def _drawn(picture: pictures.Pixels) -> Any:
    from PIL import Image

    return Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
