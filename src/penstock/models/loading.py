"""Model graphs read back from files, a directory, or the artifact store."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3

from penstock.core.artifact import Artifact
from penstock.core.graph import ModelGraph as CoreModelGraph
from penstock.core.ports import ArtifactStore
from penstock.errors import CorruptArtifactError
from penstock.models.graph import ModelGraph
from penstock.models.package import read_directory, read_files, to_files


def from_files(files: Mapping[str, bytes]) -> ModelGraph:
    """Return the graph that files hold, by their names; raises `CorruptArtifactError` naming a file that is wrong."""
    graph = read_files(files)
    return ModelGraph(**{field.name: getattr(graph, field.name) for field in dataclasses.fields(graph)})


def load_model(directory: str | Path) -> ModelGraph:
    """Return the graph that `graph.save(directory)` wrote; every byte is checked, and nothing is run.

    Raises `CorruptArtifactError` naming the file that is missing, changed, or not one of the graph's.
    """
    return from_files(read_directory(Path(directory)))


class ModelCodec:
    """Keeps model graphs in the artifact store: a blob for each file, and a blob that lists them by digest, whose
    digest is the artifact's. Graphs that share files (the same trees) share blobs."""

    kind = "model"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a model graph."""
        return isinstance(value, CoreModelGraph)

    def save(self, value: CoreModelGraph, store: ArtifactStore) -> Artifact:
        """Store a graph; the facts are its metrics and what it takes and gives."""
        files = to_files(value)
        digests = {name: store.put(content) for name, content in sorted(files.items())}
        digest = store.put(msgspec.json.encode(digests))
        return Artifact(
            digest=digest,
            kind=self.kind,
            uri=str(store.path(digest)),
            facts={
                "name": value.name,
                "label": value.label,
                "type": value.facts.get("type", ""),
                "inputs": {field.name: field.type for field in value.signature.inputs},
                "outputs": {field.name: field.type for field in value.signature.outputs},
                "evaluation": value.facts.get("evaluation", {}),
                "size_bytes": sum(map(len, files.values())),
            },
        )

    def load(self, artifact: Artifact, store: ArtifactStore) -> ModelGraph:
        """Return the graph; every byte is checked. Raises `CorruptArtifactError`."""
        listing = store.path(artifact.digest).read_bytes()
        if blake3(listing).hexdigest() != artifact.digest:
            raise CorruptArtifactError(
                f"the list of files of model {artifact.digest[:12]} has changed", digest=artifact.digest
            )
        digests = msgspec.json.decode(listing, type=dict[str, str])
        return from_files({name: store.path(digest).read_bytes() for name, digest in digests.items()})
