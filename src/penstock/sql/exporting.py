"""EXPORT MODEL: a model written where its URI says, in the format that the URI's ending says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from penstock.errors import SqlError
from penstock.models import ModelGraph


def export(graph: ModelGraph, uri: str, place: Callable[[str], Path]) -> Path:
    """Write a model and return where: a folder that `ps.load_model` reads, or one file `*.onnx`.

    `place` turns the URI into a path. Raises `SqlError` for an address of a cloud's storage.
    """
    if "://" in uri and not uri.startswith("file://"):
        raise SqlError(f"EXPORT MODEL writes files, and {uri!r} is an address; give a path, such as 'models/bicycle'")
    path = place(uri.removeprefix("file://"))
    if path.suffix == ".onnx":
        raise SqlError(f"EXPORT MODEL to {uri!r}: ONNX is not in penstock yet; a path without .onnx is a folder")
    return graph.save(path)
