"""Images of an exported model: inputs of pixels, since no core operator of ONNX decodes a file, or brings it to a size.

Each image that a model reads, a column in a size and a mode, is an input of its own; how it is made stands in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.core.expression import Expr, columns_of
from penstock.core.graph import ModelGraph
from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.models.exporting.onnx_feeding import null_name
from penstock.models.graphs import nodes
from penstock.models.learning.matrix import PLAIN
from penstock.models.predicting.estimators import estimator_of
from penstock.multimodal.running import network_of
from penstock.operations import text
from penstock.operations.images import size_of
from penstock.operations.pictures import CHANNELS, decoded, encoded
from penstock.operations.signatures import completed
from penstock.operations.tensors import Constant, Picture
from penstock.operations.tensors.onnx_file import Port
from penstock.transforms import apply

if TYPE_CHECKING:
    import pyarrow as pa

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """An image that enters: the column, what is made of it, and the inputs of its pixels and of where there is none."""

    column: str
    expr: Expr
    shape: Shape
    pixels: Port
    missing: Port

    @property
    def picture(self) -> Picture:
        """The value that its inputs bring."""
        return Picture(data=self.pixels.name, shape=self.shape, null=self.missing.name)

    @property
    def told(self) -> Mapping[str, Any]:
        """What a reader of the file should know."""
        height, width, channels = self.shape
        return {
            "column": self.column,
            "expression": text(self.expr),
            "height": height,
            "width": width,
            "channels": channels,
        }


def image_inputs(graph: ModelGraph) -> list[ImageInput]:
    """Return the images that a graph reads; raises `ExpressionError` where it reads files in another way."""
    schema = graph.signature.inputs
    files = [field.name for field in schema if field.type == "bytes"]
    if not files:
        return []
    found = dict(_encoded(graph))
    for name, expr in nodes.entering(graph).items():
        for image in _images(expr, found):
            found[image] = found.get(image) or _shape(image)
        left = _read_otherwise(expr, found, files)
        if left is not None:
            raise ExpressionError(
                f"model '{graph.name}': '{name}' reads the files in column '{left}' as they are, and an ONNX file "
                f"takes pixels of one size; read an image of one size: ps.col('{left}').image(64)"
            )
    taken, made = [name for name in schema.names if name not in files], []
    for expr, shape in found.items():
        made.append(_input(expr, shape, alone=len(found) == 1, taken=taken))
        taken += [made[-1].pixels.name, made[-1].missing.name]
    return made


def _encoded(graph: ModelGraph) -> Iterator[tuple[Expr, Shape]]:
    """Give what encoders of images read, in the shape that they learned from."""
    if not graph.of("encoder"):
        return
    estimator, known = estimator_of(graph), nodes.entering(graph)
    spec = network_of(estimator.files).spec
    read = [(name, kind) for name, kind in zip(known, estimator.kinds, strict=True) if kind not in PLAIN]
    for (name, kind), place in zip(read, spec.encoded, strict=True):
        if kind == "image":
            height, width, channels = spec.branches[place].shape
            yield known[name], (height, width, channels)


def _images(expr: Expr, known: Mapping[Expr, Shape]) -> Iterator[Expr]:
    """Give the images of a size within an expression, the outer of two that follow one another."""
    if expr in known or expr.op == "image":
        yield expr
        return
    for argument in expr.args:
        if isinstance(argument, Expr):
            yield from _images(argument, known)


def _shape(image: Expr) -> Shape:
    size, mode = (argument.args[0] for argument in completed(image)[1:3])
    width, height = size_of(size)
    return height, width, CHANNELS[mode]


def _read_otherwise(expr: Expr, known: Mapping[Expr, Shape], files: Sequence[str]) -> str | None:
    """Return a column of files that is read in another way than as one of the images."""
    if expr in known:
        return None
    if expr.op == "column":
        return str(expr.args[0]) if expr.args[0] in files else None
    inside = (_read_otherwise(each, known, files) for each in expr.args if isinstance(each, Expr))
    return next((name for name in inside if name is not None), None)


def _input(expr: Expr, shape: Shape, *, alone: bool, taken: Sequence[str]) -> ImageInput:
    height, width, channels = shape
    mode = {count: mode for mode, count in CHANNELS.items()}[channels]
    [column] = columns_of(expr)
    name = column if alone else f"{column}_{width}x{height}_{mode}"
    while name in taken:
        name += "_"
    pixels = Port(
        name=name,
        type="uint8",
        dimensions=("rows", height, width, channels),
        meaning=f"image of {width} x {height} pixels, {mode}, upright: {text(expr)}",
    )
    missing = Port(
        name=null_name(name, taken),
        type="bool",
        dimensions=(f"rows of {name}",),
        meaning=f"true where there is no {name}; left out, there always is",
        default=Constant("bool", (False,), (1,)),
    )
    return ImageInput(column=column, expr=expr, shape=shape, pixels=pixels, missing=missing)


def feed_images(images: Sequence[ImageInput], rows: pa.Table, schema: Schema) -> dict[str, Any]:
    """Return the tensors that stand for the images of rows."""
    tensors: dict[str, Any] = {}
    for image in images:
        column = apply({"image": image.expr}, rows, schema).column("image")
        pixels = np.zeros((rows.num_rows, *image.shape), dtype=np.uint8)
        for place, content in enumerate(column.to_pylist()):
            if content is not None:
                pixels[place] = decoded(content)
        tensors[image.pixels.name] = pixels
        tensors[image.missing.name] = column.is_null().to_numpy()
    return tensors


def some_image(images: Sequence[ImageInput], column: str) -> bytes:
    """Return a file that can stand in a column: a picture of all shades, of the size of its first image."""
    shape = next(image.shape for image in images if image.column == column)
    shades = np.arange(np.prod(shape)) % 251
    return encoded(shades.reshape(shape).astype(np.uint8))
