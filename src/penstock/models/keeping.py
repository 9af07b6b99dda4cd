"""Model graphs in the artifact store."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from penstock.core.artifact import Artifact
from penstock.core.graph import ModelGraph as CoreModelGraph
from penstock.core.ports import ArtifactStore
from penstock.models.graph import ModelGraph, from_files
from penstock.models.graphs.package import to_files
from penstock.models.routing import check_generation


class ModelCodec:
    """Keeps model graphs in the artifact store: the files of the graph's directory as one tar file, equal for equal
    graphs. One blob and not one a file: then `has` says whether all of it is there."""

    kind = "model"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a model graph."""
        return isinstance(value, CoreModelGraph)

    def save(self, value: CoreModelGraph, store: ArtifactStore) -> Artifact:
        """Store a graph; the facts are its metrics and what it takes and gives. Raises `ConflictError` for a cascade
        of mixed generations, which nobody can push then."""
        check_generation(value)
        files = to_files(value)
        digest = store.put(_packed(files))
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
                **({"features": [node.name for node in value.of("feature")]} if value.of("feature") else {}),
                "evaluation": value.facts.get("evaluation", {}),
                "size_bytes": sum(map(len, files.values())),
            },
        )

    def load(self, artifact: Artifact, store: ArtifactStore) -> ModelGraph:
        """Return the graph; every byte is checked. Raises `CorruptArtifactError`; the next run then makes it anew."""
        content = store.path(artifact.digest).read_bytes()
        if blake3(content).hexdigest() != artifact.digest:
            store.verify(artifact.digest)
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            files = {member.name: tar.extractfile(member) for member in tar.getmembers()}
            return from_files({name: file.read() for name, file in files.items() if file is not None})


def digest_of(graph: CoreModelGraph) -> str:
    """Return the digest that a graph has, or would have, as an artifact."""
    return blake3(_packed(to_files(graph))).hexdigest()


def _packed(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
