"""The process that makes an ONNX file of a Keras file: `python -m penstock.models.keras_conversion FOLDER [run]`.

The only place where Keras is imported, and where Lambdas run. Its last line of errors says what is wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

_PROBES = (0.0, 1.0, -1.0, 0.5, 3.0, 17.0, -73.98, 40.75)
"""What floats are when both are compared; whole numbers are 0 and 1, which every vocabulary has."""
_TOLERANCE = 1e-4  # of float32, in which Keras computes


def convert(folder: Path, *, run_lambdas: bool) -> None:
    """Write `model.onnx` beside `model.keras`, with the names that its inputs and outputs have in Keras."""
    import keras
    import onnx

    model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=not run_lambdas)
    feeds = _feeds(model)
    expected = [
        keras.ops.convert_to_numpy(tensor)
        for tensor in keras.tree.flatten(model(keras.tree.pack_sequence_as(model.input, list(feeds.values()))))
    ]
    raw = folder / "raw.onnx"
    model.export(str(raw), format="onnx", verbose=False)
    made = onnx.load(raw)
    _rename(made.graph, model.output_names)
    content = made.SerializeToString()
    _hold(content, feeds, expected, model.output_names)
    (folder / "model.onnx").write_bytes(content)


def _feeds(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return a few rows of every input, by its name."""
    feeds = {}
    for place, tensor in enumerate(model.inputs):
        shape = tuple(tensor.shape[1:])
        if None in shape:
            raise SystemExit(f"the input '{tensor.name}' has the shape {tensor.shape}; a row is one value or one list")
        whole = np.dtype(tensor.dtype).kind != "f"
        values = np.roll(np.array([0, 1] * 4) if whole else np.array(_PROBES), place).reshape(-1, *([1] * len(shape)))
        feeds[tensor.name] = np.broadcast_to(values, (len(_PROBES), *shape)).astype(tensor.dtype)
    return feeds


def _rename(graph: Any, names: list[str]) -> None:
    """Give the outputs, which the exporter numbers, the names of the layers that made them."""
    taken = {port.name for port in graph.input}
    for port, wanted in zip(graph.output, names, strict=True):
        old, name = port.name, f"{wanted}_output" if wanted in taken else wanted
        for node in graph.node:
            for sides in (node.input, node.output):
                for place, tensor in enumerate(sides):
                    if tensor == old:
                        sides[place] = name
        port.name = name
        taken.add(name)


def _hold(content: bytes, feeds: dict[str, Any], expected: list[Any], names: list[str]) -> None:
    """Refuse a file that predicts otherwise than Keras, many rows or one at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for rows in (slice(None), *(slice(row, row + 1) for row in range(len(_PROBES)))):
        found = session.run(None, {port.name: feeds[port.name][rows] for port in session.get_inputs()})
        for name, one, other in zip(names, found, expected, strict=True):
            if not np.allclose(one, other[rows], rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True):
                raise SystemExit(f"the output '{name}' is {one.tolist()} in ONNX and {other[rows].tolist()} in Keras")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), run_lambdas=sys.argv[2:] == ["run"])
