"""Model graphs read back from files or a directory."""

from __future__ import annotations

from pathlib import Path

from penstock.models.graph import ModelGraph, from_files
from penstock.models.graphs.package import read_directory


def load_model(directory: str | Path) -> ModelGraph:
    """Return the graph that `graph.save(directory)` wrote; every byte is checked, and nothing is run.

    Raises `CorruptArtifactError` naming the file that is missing, changed, or not one of the graph's.
    """
    return from_files(read_directory(Path(directory)))
