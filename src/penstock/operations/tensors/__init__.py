"""The tensor form: an expression as nodes of core ONNX operators, over tensors with a number for each row.

The third form of an operation, beside SQL and row. Nothing here imports `onnx`: nodes and constants are recorded as
plain values, which `penstock.models` writes into a file.
"""

from __future__ import annotations

from penstock.operations.tensors.lowering import Lowering
from penstock.operations.tensors.recording import Constant, Recorder, TensorNode
from penstock.operations.tensors.values import Finite, Many, Picture, Root, Scalar, Struct, Value

__all__ = [
    "Constant",
    "Finite",
    "Lowering",
    "Many",
    "Picture",
    "Recorder",
    "Root",
    "Scalar",
    "Struct",
    "TensorNode",
    "Value",
]
