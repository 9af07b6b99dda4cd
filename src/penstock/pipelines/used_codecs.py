"""Which codecs of the user's own types a step went through: their code decides what it gives, and what it got."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore
from penstock.errors import PenstockError
from penstock.pipelines.fingerprint import fingerprint
from penstock.values import COLLECTIONS, codec_named, items


def used_codecs(values: Iterable[Any], store: ArtifactStore) -> dict[str, str]:
    """Return what is observed of the codecs that keep these artifacts: "codec:shapes:Shape" -> digest of its code."""
    references = {reference for value in values for reference in _references(value, store)}
    return {f"codec:{reference}": codec_digest(reference) for reference in sorted(references)}


def codec_digest(reference: str) -> str:
    """Return the digest of the code of a declared codec, "" where it is gone."""
    try:
        codec = codec_named(reference)
        return fingerprint((codec.save, codec.load)).digest
    except PenstockError:
        return ""


def _references(value: Any, store: ArtifactStore) -> Iterator[str]:
    match value:
        case Artifact(kind="object"):
            yield value.facts["codec"]
        case Artifact() if value.kind in COLLECTIONS and {"object", *COLLECTIONS}.intersection(value.facts["of"]):
            for item in items(value, store):
                yield from _references(item, store)
        case list() | tuple():
            for item in value:
                yield from _references(item, store)
        case Mapping():
            for item in value.values():
                yield from _references(item, store)
