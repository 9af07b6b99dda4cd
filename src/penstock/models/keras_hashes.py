"""Keras' Hashing and HashedCrossing without TensorFlow: whole numbers of 64 bits, in Python where Keras predicts, as
operators in ONNX. ONNX cannot read a text's bytes: a text comes as its fingerprint, which our row form computes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import onnx
import torch

from penstock.models.keras_columns import BINS
from penstock.models.keras_lookups import encoded

_ALL = (1 << 64) - 1
_START = 0xDECAFCAFFE
"""What TensorFlow's crosses begin with, and what they multiply by: they never change, as models depend on them."""
_FACTOR = 0xC6A4A7935BD1E995
_SHIFT = 47
_UINT64, _INT64 = 13, 7  # ONNX's types of elements


class _Bins(torch.autograd.Function):  # type: ignore[misc]  # PyTorch is Any here
    """The bin of a fingerprint, or of several numbers and fingerprints crossed."""

    @staticmethod
    def forward(ctx: Any, bins: int, crossed: bool, *keys: Any) -> Any:
        rows = zip(*(key.reshape(-1).tolist() for key in keys), strict=True)
        made = [(_crossed(row) if crossed else row[0] & _ALL) % bins for row in rows]
        return torch.tensor(made, dtype=torch.int64).reshape(keys[0].shape)

    @staticmethod
    def symbolic(graph: Any, bins: int, crossed: bool, *keys: Any) -> Any:
        made = graph.op(f"penstock::{BINS}", *keys, bins_i=bins, crossed_i=int(crossed))
        made.setType(keys[0].type())
        return made


def _crossed(row: tuple[int, ...]) -> int:
    """Return TensorFlow's fingerprint of several, one put to the other."""

    def mixed(value: int) -> int:
        return value ^ (value >> _SHIFT)

    made = _START
    for key in row:
        made ^= _FACTOR
        made ^= mixed((key & _ALL) * _FACTOR & _ALL) * _FACTOR & _ALL
        made = made * _FACTOR & _ALL
        made = mixed(mixed(made) * _FACTOR & _ALL)
    return made


def write_hashes(model: Any) -> None:
    """Put the operators of ONNX where bins stand: PyTorch's exporter knows no numbers without a sign."""
    nodes = []
    for node in model.graph.node:
        nodes += _operators(model.graph, node) if node.op_type == BINS else [node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    imports = [domain for domain in model.opset_import if domain.domain != "penstock"]
    del model.opset_import[:]
    model.opset_import.extend(imports)


def _operators(graph: Any, node: Any) -> list[Any]:
    """Return what a bin is computed by."""
    made: list[Any] = []
    told = {attribute.name: attribute.i for attribute in node.attribute}

    def op(kind: str, *given: str, **attributes: Any) -> str:
        name = f"{node.output[0]}/{len(made)}"
        made.append(onnx.helper.make_node(kind, given, [name], **attributes))
        return name

    def number(value: int, dtype: str = "uint64") -> str:
        name = f"{node.output[0]}/{dtype}_{value}"
        if all(held.name != name for held in graph.initializer):
            graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def times(value: str) -> str:  # ONNX Runtime multiplies signed numbers alone; their bits are the same
        signed = op("Mul", op("Cast", value, to=_INT64), number(_FACTOR - _ALL - 1, "int64"))
        return op("Cast", signed, to=_UINT64)

    def mixed(value: str) -> str:
        return op("BitwiseXor", value, op("BitShift", value, number(_SHIFT), direction="RIGHT"))

    numbers = [op("Cast", key, to=_UINT64) for key in node.input]
    hashed = numbers[0]
    if told["crossed"]:
        hashed = number(_START)
        for one in numbers:
            hashed = op("BitwiseXor", hashed, number(_FACTOR))
            hashed = op("BitwiseXor", hashed, times(mixed(times(one))))
            hashed = mixed(times(mixed(times(hashed))))
    bin = op("Mod", hashed, number(told["bins"]))
    return [*made, onnx.helper.make_node("Cast", [bin], [node.output[0]], to=_INT64)]


class _Hashed(keras.layers.Layer):  # type: ignore[misc]  # Keras is Any here
    """What Keras' own layer of these options gives, but for what `keras_files` refuses before."""

    def __init__(self, *, name: str, num_bins: int, output_mode: str = "int", dtype: Any = None, **_: Any) -> None:
        super().__init__(name=name, dtype=dtype or ("int64" if output_mode == "int" else None), autocast=False)
        self.bins, self.mode = num_bins, output_mode

    def compute_output_spec(self, inputs: Any) -> Any:
        """Tell the shape and type that Keras tells."""
        shape = tuple(keras.tree.flatten(inputs)[0].shape)
        if self.mode != "int" and (len(shape) != 2 or (self.mode == "one_hot" and shape[1] != 1)):
            raise ValueError(f"the layer '{self.name}' encodes rows of the shape {shape[1:]}; give it one value a row")
        return keras.KerasTensor(shape if self.mode == "int" else (shape[0], self.bins), dtype=self.compute_dtype)

    def call(self, inputs: Any) -> Any:
        """Return bins, or an encoding of them."""
        keys = [key.to(torch.int64) for key in keras.tree.flatten(inputs)]
        bins = _Bins.apply(self.bins, type(self).__name__ == "HashedCrossing", *keys)
        return keras.ops.cast(encoded(bins, self.mode, self.bins), self.compute_dtype)


LAYERS = {f"penstock>{kind}": type(kind, (_Hashed,), {}) for kind in ("Hashing", "HashedCrossing")}
"""What stands for Keras' layers, of the same names."""
