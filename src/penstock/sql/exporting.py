"""EXPORT MODEL: a model written where its URI says, in the format that the URI's ending says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from penstock.errors import DataError, DeclarationError, SqlError
from penstock.models import ModelGraph
from penstock.models.fitting.trials import check_trial


def export(
    graph: ModelGraph, uri: str, place: Callable[[str], Path], rows: pa.Table | None, trial: int | None = None
) -> Path:
    """Write a model and return where: a folder that `ps.load_model` reads, or one file `*.onnx`.

    `place` turns the URI into a path; the ONNX file is compared with the model on the rows. Raises `SqlError` for an
    address of a cloud's storage, and for a trial of a tuned model that is not the one kept.
    """
    try:
        if trial is not None:
            check_trial(graph, trial)
    except (DataError, DeclarationError) as error:
        raise SqlError(f"EXPORT MODEL: {error}") from error
    if "://" in uri and not uri.startswith("file://"):
        raise SqlError(f"EXPORT MODEL writes files, and {uri!r} is an address; give a path, such as 'models/bicycle'")
    path = place(uri.removeprefix("file://"))
    if path.suffix == ".onnx":
        return graph.export("onnx", path, rows=rows)
    return graph.save(path)
