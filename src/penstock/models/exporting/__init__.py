"""A model graph in forms that others run: format -> the function that writes it."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from penstock.core.graph import ModelGraph
from penstock.errors import UnknownNameError
from penstock.models.graphs.lookups import joined_graph

FORMATS = {
    "mlflow": "penstock.models.exporting.mlflow_model:export_mlflow",
    "onnx": "penstock.models.exporting.onnx_model:export_onnx",
    "sql": "penstock.models.exporting.query:export_sql",
}
"""Format -> the function `(graph, path, **options)` that writes a graph, whole or not at all; loaded when used."""


def export(graph: ModelGraph, format: str, path: str | Path, **options: Any) -> Path:
    """Write a graph in a format; return the path. Raises `UnknownNameError` for a format that is not there.

    A file has no feature store: features that the graph looks up are inputs there, named by their references.
    """
    if format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    module, _, name = FORMATS[format].partition(":")
    function = getattr(importlib.import_module(module), name)
    takes = [parameter for parameter in inspect.signature(function).parameters if parameter not in ("graph", "path")]
    for option in options:
        if option not in takes:
            raise UnknownNameError("option", option, takes, within=f"the export as {format}")
    written: Path = function(joined_graph(graph), Path(path), **options)
    return written
