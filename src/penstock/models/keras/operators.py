"""What an exported file holds for our own layers, of operators that ONNX Runtime has: PyTorch's exporter knows neither
numbers without a sign nor errors, and leaves a node of ours where they go."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from penstock.models.keras.columns import BINS, KNOWN, UNKNOWN

START = 0xDECAFCAFFE
"""What TensorFlow's crosses begin with, and what they multiply by: they never change, as models depend on them."""
FACTOR = 0xC6A4A7935BD1E995
SHIFT = 47
_UINT64, _INT64 = 13, 7  # ONNX's types of elements


def write_operators(model: Any) -> None:
    """Put the operators of ONNX where bins and demands stand."""
    nodes = []
    for node in model.graph.node:
        made = _WRITTEN.get(node.op_type)
        nodes += made(model.graph, node) if made else [node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    imports = [domain for domain in model.opset_import if domain.domain != "penstock"]
    del model.opset_import[:]
    model.opset_import.extend(imports)


def _bins(graph: Any, node: Any) -> list[Any]:
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
        signed = op("Mul", op("Cast", value, to=_INT64), number(FACTOR - (1 << 64), "int64"))
        return op("Cast", signed, to=_UINT64)

    def mixed(value: str) -> str:
        return op("BitwiseXor", value, op("BitShift", value, number(SHIFT), direction="RIGHT"))

    numbers = [op("Cast", key, to=_UINT64) for key in node.input]
    hashed = numbers[0]
    if told["crossed"]:
        hashed = number(START)
        for one in numbers:
            hashed = op("BitwiseXor", hashed, number(FACTOR))
            hashed = op("BitwiseXor", hashed, times(mixed(times(one))))
            hashed = mixed(times(mixed(times(hashed))))
    bin = op("Mod", hashed, number(told["bins"]))
    return [*made, onnx.helper.make_node("Cast", [bin], [node.output[0]], to=_INT64)]


def _known(graph: Any, node: Any) -> list[Any]:
    """Return what fails at a value that a lookup does not know, and otherwise gives its place: ONNX has no errors, but
    a list of one has no second."""
    name = node.output[0]
    layer = node.attribute[0].s.decode()
    none, one = f"{name}/unknown", f"{name}/list"
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(UNKNOWN, "int64"), none))
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, "int64"), one))
    make = onnx.helper.make_node
    return [
        make("Equal", [node.input[0], none], [f"{name}/is"]),
        make("Cast", [f"{name}/is"], [f"{name}/second"], to=_INT64),
        make("Gather", [one, f"{name}/second"], [f"{name}/zero"], name=f"{layer}: a value that its vocabulary lacks"),
        make("Add", [node.input[0], f"{name}/zero"], [name]),
    ]


_WRITTEN = {BINS: _bins, KNOWN: _known}
