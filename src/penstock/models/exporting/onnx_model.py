"""A model graph as one ONNX file, which is written only if it predicts what the graph predicts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

from penstock.core.graph import ModelGraph
from penstock.errors import DeclarationError, StorageError
from penstock.models.exporting.onnx_graph import file_of, record
from penstock.models.exporting.onnx_parity import Parity, compare
from penstock.models.predicting.imported import FILE, is_imported
from penstock.models.routing import is_routed, stages_within
from penstock.operations.tensors.onnx_file import told
from penstock.tables import TableLike, to_arrow

_PARITY = "penstock.parity"


def export_onnx(graph: ModelGraph, path: Path, *, rows: TableLike | None = None) -> Path:
    """Write a graph as one ONNX file: raw columns in, predictions out, core operators alone.

    All the rows, and rows at the edges of the inputs' types, are predicted by both first; what was found stands in the
    file, see `parity_of`. Raises `ExpressionError` naming the feature that has no form in ONNX, and `DataError` naming
    the one by which a prediction differs; the file is then not written. A
    cascade is a `DeclarationError`. A model that came as an ONNX file is that file.
    """
    if is_imported(graph):
        _write(path, graph.blobs[FILE])
        return path
    if is_routed(graph):
        names = [path for path, _ in stages_within(graph)]
        raise DeclarationError(
            f"cascade '{graph.name}' is no ONNX file: one computes all that is in it for every row, and cannot leave "
            f"out the stages that a row does not take; export its stages ({', '.join(names)}) one by one, "
            f"graph.stage('{names[0]}').export('onnx', ...), or the whole as 'sql' or 'mlflow'"
        )
    made = record(graph)
    found = compare(made, file_of(made), None if rows is None else to_arrow(rows))
    _write(path, file_of(made, told={_PARITY: msgspec.json.encode(found).decode()}))
    return path


def parity_of(path: Path) -> Parity:
    """Return how a file that was exported compared with its graph."""
    return msgspec.json.decode(told(path.read_bytes())[_PARITY], type=Parity)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as scratch:
            scratch.write(content)
        os.chmod(scratch.name, 0o644)
        os.replace(scratch.name, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
