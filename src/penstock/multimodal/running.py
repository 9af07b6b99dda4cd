"""A trained network as files, and the session that runs it: nothing here needs what trained it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from penstock.errors import MissingExtraError
from penstock.multimodal.recording import ports, record_network
from penstock.multimodal.spec import Spec
from penstock.multimodal.tensors import Array, Batch
from penstock.operations.tensors import Recorder
from penstock.operations.tensors.onnx_file import Port, session, to_bytes

SPEC_FILE, WEIGHTS_FILE, GRAPH_FILE = "network.json", "network.safetensors", "network.onnx"
_OUTPUT = "totals"


@dataclass(frozen=True, slots=True)
class Running:
    """A network in memory, ready to run."""

    spec: Spec
    session: Any
    reads: tuple[str, ...]

    def totals(self, given: Batch) -> Array:
        """Return the totals (rows, outputs), as floats of double precision."""
        found = self.session.run([_OUTPUT], {name: given[name] for name in self.reads})
        made: Array = found[0].astype(np.float64)
        return made


def network_files(spec: Spec, weights: Mapping[str, Array]) -> dict[str, bytes]:
    """Return a network as files: its spec, its weights, and the graph that reads these by their names."""
    recorder, inputs = Recorder(), ports(spec)
    totals = record_network(recorder, spec, {port.name: port.name for port in inputs}, weights)
    output = Port(name=_OUTPUT, type="float32", dimensions=("rows", spec.outputs))
    graph = to_bytes(
        recorder, name="network", inputs=inputs, outputs={output: totals}, metadata={}, weights_in=WEIGHTS_FILE
    )
    kept = {name: np.asarray(weights[name], order="C") for name in sorted(recorder.weights)}
    return {
        SPEC_FILE: msgspec.json.encode(spec, order="sorted"),
        WEIGHTS_FILE: _safetensors().save(kept),
        GRAPH_FILE: graph,
    }


def network_of(files: Mapping[str, bytes]) -> Running:
    """Return a network that runs; the last few that were read are kept."""
    return _read(files[SPEC_FILE], files[WEIGHTS_FILE], files[GRAPH_FILE])


def spread_network_of(files: Mapping[str, bytes]) -> Running:
    """Return a network that takes what encoders read as one row, beside many rows of all else: it is encoded once."""
    return _read(files[SPEC_FILE], files[WEIGHTS_FILE], files[GRAPH_FILE], one_row_for_all=True)


def weights_of(files: Mapping[str, bytes]) -> dict[str, Array]:
    """Return the weights by their names."""
    found: dict[str, Array] = _safetensors().load(files[WEIGHTS_FILE])
    return found


@lru_cache(maxsize=16)
def _read(spec: bytes, weights: bytes, graph: bytes, *, one_row_for_all: bool = False) -> Running:
    known = msgspec.json.decode(spec, type=Spec)
    learned = _safetensors().load(weights)
    running = session(graph, threads=1, weights=learned, one_row_for_all=one_row_for_all)
    return Running(known, running, tuple(port.name for port in running.get_inputs()))


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError("safetensors", extra="networks", purpose="the weights of a network") from error
    return safetensors.numpy
