"""Every kind of artifact that this installation can keep, and how a stored one is read back."""

from __future__ import annotations

from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.graph import ModelGraph
from penstock.core.ports import ArtifactStore, Codec
from penstock.errors import UnknownNameError
from penstock.stores import PLAIN_CODECS, with_collections


class ModelCodecOnUse:
    """The codec of model graphs, whose room is loaded with the first graph: most workers never see one."""

    kind = "model"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a model graph."""
        return isinstance(value, ModelGraph)

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store a graph."""
        return self._codec().save(value, store)

    def load(self, artifact: Artifact, store: ArtifactStore) -> Any:
        """Return the graph."""
        return self._codec().load(artifact, store)

    def _codec(self) -> Codec:
        from penstock.models import ModelCodec

        return ModelCodec()


CODECS: tuple[Codec, ...] = with_collections((ModelCodecOnUse(), *PLAIN_CODECS))


def save_json(store: ArtifactStore, value: Any) -> Artifact:
    """Store a plain value."""
    return next(codec for codec in CODECS if codec.kind == "json").save(value, store)


def load_artifact(artifact: Artifact, store: ArtifactStore) -> Any:
    """Return the value of a stored artifact."""
    for codec in CODECS:
        if codec.kind == artifact.kind:
            return codec.load(artifact, store)
    raise UnknownNameError("kind of artifact", artifact.kind, [codec.kind for codec in CODECS])
