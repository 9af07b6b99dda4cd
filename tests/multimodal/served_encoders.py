"""An encoder as it is served, beside the PyTorch module that has learned."""

from __future__ import annotations

from typing import Any

from penstock.multimodal.encoders import Form, Weights
from penstock.operations.tensors import Recorder
from penstock.operations.tensors.onnx_file import Port, session, to_bytes


def served(form: Form, module: Any, settings: dict[str, Any], shape: tuple[int, ...]) -> Any:
    """Return the function from what enters to the vectors, by ONNX Runtime."""
    recorder = Recorder()
    weights = Weights(recorder, {key: value.numpy() for key, value in module.state_dict().items()})
    made = form.record(recorder, "x", settings, shape, weights)
    port = Port(name="x", type=form.dtype, dimensions=("rows", *form.dimensions(shape)))
    output = Port(name="y", type="float32", dimensions=("rows", form.width(settings, shape)))
    run = session(to_bytes(recorder, name="test", inputs=[port], outputs={output: made}, metadata={}), threads=1)
    return lambda x: run.run(None, {"x": x})[0]
