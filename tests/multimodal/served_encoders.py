"""An encoder as it is served, beside the PyTorch module that has learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.multimodal.encoders import Form, Weights
from penstock.operations.tensors import Recorder
from penstock.operations.tensors.onnx_file import Port, session, to_bytes


def served(
    form: Form,
    module: Any,
    settings: dict[str, Any],
    shape: tuple[int, ...],
    constants: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> Any:
    """Return the function from what enters to the vectors, by ONNX Runtime; `constants` are arrays beside the state."""
    recorder = Recorder()
    weights = Weights(recorder, {key: value.numpy() for key, value in module.state_dict().items()} | (constants or {}))
    made = form.record(recorder, "x", settings, shape, weights)
    port = Port(name="x", type=form.dtype, dimensions=("rows", *form.dimensions(shape)))
    output = Port(name="y", type="float32", dimensions=("rows", form.width(settings, shape)))
    run = session(to_bytes(recorder, name="test", inputs=[port], outputs={output: made}, metadata={}), threads=1)
    return lambda x: run.run(None, {"x": x})[0]
