"""An ONNX graph as plain values: its operators, its small constants, its arrays. Nothing else of the file is kept, so
neither paths nor what a tool wrote about itself are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from penstock.errors import DeclarationError
from penstock.operations.tensors.recording import Constant, Recorder

_MOST = 64  # numbers in a constant; what has more of them, or what JSON has no number for, is an array
_AT_RANDOM = ("Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike")  # fmt: skip
_TYPES = ("bool", "int64", "int32", "float64", "float32", "uint8")


def operators_of(model: Any, learned: Collection[str]) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Return what a graph of one output does, as plain JSON, and its arrays by the names that they have in it: those
    that are `learned`, and others that are no small constants.

    Raises `DeclarationError` for what does not depend on its input alone, or is of no operator of ONNX itself.
    """
    from onnx import numpy_helper

    values = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise DeclarationError(f"operator {node.domain}.{node.op_type} is none of ONNX itself")
        if node.op_type in _AT_RANDOM:
            raise DeclarationError(
                f"{node.op_type} draws at random where it predicts; draw only while it learns: if self.training"
            )
        attributes = {each.name: _attribute(node.op_type, each) for each in node.attribute}
        if node.op_type == "Constant":
            [value] = attributes.values()
            values[node.output[0]] = _array(value)
        else:
            nodes.append([node.op_type, list(node.input), list(node.output), attributes])
    small = {name for name, value in values.items() if value.size <= _MOST and name not in learned}
    small = {name for name in small if values[name].dtype.kind != "f" or np.isfinite(values[name]).all()}
    made = {
        "nodes": nodes,
        "constants": {name: _tensor(values[name]) for name in sorted(small)},
        "result": model.graph.output[0].name,
    }
    return made, {name: value for name, value in values.items() if name not in small}


def record_operators(
    t: Recorder, given: Mapping[str, str], operators: Mapping[str, Any], arrays: Callable[[str], str]
) -> str:
    """Record what `operators_of` gave; `given` are the tensors of its inputs, `arrays` gives those of its arrays."""
    known = dict(given)
    known |= {name: t.tensor(**constant) for name, constant in operators["constants"].items()}

    def tensor(name: str) -> str:
        if name and name not in known:
            known[name] = arrays(name)
        return known[name] if name else ""

    for operator, inputs, outputs, attributes in operators["nodes"]:
        if operator == "Identity":
            known[outputs[0]] = tensor(inputs[0])
            continue
        listed = {name: _recorded(value) for name, value in attributes.items()}
        made = t.outputs(operator, tuple(map(tensor, inputs)), count=len(outputs), **listed)
        known |= dict(zip(outputs, made, strict=True))
    return tensor(operators["result"])


def _attribute(operator: str, attribute: Any) -> Any:
    from onnx import AttributeProto, helper, numpy_helper

    if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        raise DeclarationError(f"{operator} does one thing or another by what the values are; compute both and choose")
    if attribute.type == AttributeProto.TENSOR:
        return _tensor(numpy_helper.to_array(attribute.t))
    value = helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else list(value) if attribute.ints or attribute.floats else value


def _array(value: Any) -> np.ndarray[Any, Any]:
    """Return what a constant holds: a tensor, or numbers; of those, floats are of single precision."""
    if isinstance(value, dict):
        return np.array(value["values"], value["type"]).reshape(value["shape"])
    found = np.array(value)
    return found.astype(np.float32) if found.dtype.kind == "f" else found


def _tensor(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    if array.dtype.name not in _TYPES:
        raise DeclarationError(f"numbers of type {array.dtype.name}; {', '.join(_TYPES)} can be served")
    return {"type": array.dtype.name, "values": array.reshape(-1).tolist(), "shape": list(array.shape)}


def _recorded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Constant(value["type"], tuple(value["values"]), tuple(value["shape"]))
    return tuple(value) if isinstance(value, list) else value
