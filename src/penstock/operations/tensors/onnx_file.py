"""Recorded tensors as an ONNX file, and a session that runs one. The only place that imports `onnx`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.errors import MissingExtraError
from penstock.operations.tensors import Constant, Recorder
from penstock.operations.tensors.recording import ML, TensorNode, Turn

OPSETS = {"": 21, ML: 5}
"""Domain -> the version of its operators: the first with trees in double precision, sets of categories among them."""
IR_VERSION = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output: its name, the type of its tensor, its dimensions, and what stands there where it is left
    out."""

    name: str
    type: str
    dimensions: tuple[int | str, ...] = ("rows",)
    meaning: str = ""
    default: Constant | None = None


def to_bytes(
    recorder: Recorder,
    *,
    name: str,
    inputs: Sequence[Port],
    outputs: Mapping[Port, str],
    metadata: Mapping[str, str],
    text: str = "",
    weights_in: str | None = None,
) -> bytes:
    """Return the file: what is recorded and needed for the outputs (port -> recorded tensor), and nothing else.

    Learned weights are in it too, or, with `weights_in`, only named: whoever runs it brings those of that file along.
    """
    onnx = _onnx()
    helper, types = onnx.helper, _types(onnx)
    made = [TensorNode("Identity", (tensor,), (port.name,), "", ()) for port, tensor in outputs.items()]
    nodes = _needed([*recorder.nodes, *made], {port.name for port in outputs})
    read = {name for node in nodes for name in _read_by(node)}
    graph = helper.make_graph(
        [_node(onnx, types, node) for node in nodes],
        name,
        [_port(helper, types, port) for port in inputs],
        [_port(helper, types, port) for port in outputs],
        [
            *(_tensor(onnx, types, key, value) for key, value in recorder.constants.items() if key in read),
            *(_weights(onnx, key, value, weights_in) for key, value in recorder.weights.items() if key in read),
            *(_tensor(onnx, types, port.name, port.default) for port in inputs if port.default is not None),
        ],
        doc_string=text,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
        ir_version=IR_VERSION,
        producer_name="penstock",
        doc_string=text,
    )
    helper.set_model_props(model, dict(metadata))
    if weights_in is None:  # else the checker looks for the weights on the disk
        onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def told(content: bytes) -> dict[str, str]:
    """Return what a file tells of itself."""
    return {each.key: each.value for each in _onnx().load_from_string(content).metadata_props}


def session(
    content: bytes | str,
    *,
    threads: int = 0,
    weights: Mapping[str, np.ndarray[Any, Any]] | None = None,
    one_row_for_all: bool = False,
) -> Any:
    """Return a session of ONNX Runtime on the processor, of a file's content or its path; `threads` 0 means one for
    each core. `weights` are those that the file only names. With `one_row_for_all`, an input of one row may stand
    beside others of many, and is that of all of them."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", extra="onnx", purpose="running an ONNX model") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # it warns of inputs that may be left out, which ours may
    options.enable_mem_reuse = not one_row_for_all  # else a tensor is put where one of as many rows has been
    if weights:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(each, order="C")) for each in weights.values()]
        options.add_external_initializers(list(weights), values)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise MissingExtraError("onnx", extra="onnx", purpose="writing an ONNX model") from error
    return onnx


def _types(onnx: Any) -> dict[str, int]:
    tensor = onnx.TensorProto
    return {
        "bool": tensor.BOOL,
        "int64": tensor.INT64,
        "int32": tensor.INT32,
        "float64": tensor.DOUBLE,
        "float32": tensor.FLOAT,
        "string": tensor.STRING,
        "uint8": tensor.UINT8,
    }


def _needed(nodes: Sequence[TensorNode], wanted: set[str]) -> list[TensorNode]:
    """Return the nodes that the outputs are made of, in order."""
    found = []
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            wanted |= _read_by(node)
            found.append(node)
    return found[::-1]


def _read_by(node: TensorNode) -> set[str]:
    """Return what a node reads, and what is read inside it."""
    inside = [each for _, value in node.attributes if isinstance(value, Turn) for each in value.nodes]
    results = {value.result for _, value in node.attributes if isinstance(value, Turn)}
    return set(node.inputs).union(results, *map(_read_by, inside))


def _node(onnx: Any, types: Mapping[str, int], node: TensorNode) -> Any:
    return onnx.helper.make_node(
        node.operator,
        list(node.inputs),
        list(node.outputs),
        domain=node.domain,
        **{key: _attribute(onnx, types, value) for key, value in node.attributes},
    )


def _turn(onnx: Any, types: Mapping[str, int], turn: Turn) -> Any:
    """Return the body of a loop, which goes on until its turns are done."""
    helper, goes_on, state = onnx.helper, f"{turn.number}?", f"{turn.number}="
    nodes = [_node(onnx, types, node) for node in turn.nodes]
    nodes += [
        helper.make_node("Identity", [goes_on], [f"{goes_on}="]),
        helper.make_node("Identity", [turn.result], [state]),
    ]
    inputs = [
        helper.make_tensor_value_info(turn.number, types["int64"], []),
        helper.make_tensor_value_info(goes_on, types["bool"], []),
        helper.make_tensor_value_info(turn.state, types[turn.type], None),
    ]
    outputs = [
        helper.make_tensor_value_info(f"{goes_on}=", types["bool"], []),
        helper.make_tensor_value_info(state, types[turn.type], None),
    ]
    return helper.make_graph(nodes, f"turn {turn.number}", inputs, outputs)


def _port(helper: Any, types: Mapping[str, int], port: Port) -> Any:
    return helper.make_tensor_value_info(port.name, types[port.type], list(port.dimensions), doc_string=port.meaning)


def _attribute(onnx: Any, types: Mapping[str, int], value: Any) -> Any:
    """Return an attribute; types of casts are the only strings that stand for a number."""
    if isinstance(value, Constant):
        return _tensor(onnx, types, "", value)
    if isinstance(value, Turn):
        return _turn(onnx, types, value)
    if isinstance(value, tuple):
        return list(value)
    return types.get(value, value) if isinstance(value, str) else value


def _tensor(onnx: Any, types: Mapping[str, int], name: str, constant: Constant) -> Any:
    if constant.type == "string":
        texts = [value.encode() for value in constant.values]
        return onnx.helper.make_tensor(name, types["string"], list(constant.shape), texts)
    return onnx.numpy_helper.from_array(as_array(constant), name)


def _weights(onnx: Any, name: str, array: np.ndarray[Any, Any], apart: str | None) -> Any:
    tensor = onnx.numpy_helper.from_array(array, name)
    if apart is not None:
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=apart)
    return tensor


def as_array(constant: Constant) -> np.ndarray[Any, Any]:
    """Return a constant as an array; strings as objects."""
    return np.array(constant.values, dtype=object if constant.type == "string" else constant.type).reshape(
        constant.shape
    )
