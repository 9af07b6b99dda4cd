"""Every kind of artifact that this installation can keep, and how a stored one is read back."""

from __future__ import annotations

from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, Codec
from penstock.errors import UnknownNameError
from penstock.models import ModelCodec
from penstock.stores import PLAIN_CODECS, with_collections

CODECS: tuple[Codec, ...] = with_collections((ModelCodec(), *PLAIN_CODECS))


def load_artifact(artifact: Artifact, store: ArtifactStore) -> Any:
    """Return the value of a stored artifact."""
    for codec in CODECS:
        if codec.kind == artifact.kind:
            return codec.load(artifact, store)
    raise UnknownNameError("kind of artifact", artifact.kind, [codec.kind for codec in CODECS])
