"""Keras' Hashing and HashedCrossing without TensorFlow: whole numbers of 64 bits, in Python where Keras predicts, as
operators in ONNX. ONNX cannot read a text's bytes: a text comes as its fingerprint, which our row form computes."""

from __future__ import annotations

from typing import Any

import keras
import torch

from penstock.models.keras.columns import BINS
from penstock.models.keras.lookups import encoded
from penstock.models.keras.operators import FACTOR, SHIFT, START

_ALL = (1 << 64) - 1


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
        return value ^ (value >> SHIFT)

    made = START
    for key in row:
        made ^= FACTOR
        made ^= mixed((key & _ALL) * FACTOR & _ALL) * FACTOR & _ALL
        made = made * FACTOR & _ALL
        made = mixed(mixed(made) * FACTOR & _ALL)
    return made


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
