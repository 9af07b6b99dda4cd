"""Keep a table in any of its forms, and get it back in any other."""

from __future__ import annotations

from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.ports import Codec
from penstock.stores import CODECS, LocalArtifactStore

BY_KIND: dict[str, Codec] = {codec.kind: codec for codec in CODECS}


def save(value: Any, store: LocalArtifactStore) -> Artifact:
    assert BY_KIND["table"].accepts(value)
    return BY_KIND["table"].save(value, store)


def read(artifact: Artifact, store: LocalArtifactStore, form: str = "table") -> Any:
    return BY_KIND[form].load(artifact, store)
