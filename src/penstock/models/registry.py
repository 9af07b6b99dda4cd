"""The registry: numbered versions of named models, and aliases that point at them, in a metadata store handed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.artifacts import versions as numbers
from penstock.artifacts.versions import MODELS
from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.core.run import AliasChange, ModelVersion

CHAMPION = MODELS.standing
"""The alias that a bare model name stands for, once it is set."""


def register(
    metadata: MetadataStore,
    name: str,
    artifact: Artifact,
    *,
    metrics: Mapping[str, Any] | None = None,
    lineage: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Record a model graph as the next version of a model; the same graph again is the version it has already."""
    facts = {"metrics": dict(metrics or {}), "lineage": dict(lineage or {})}
    return numbers.add_version(metadata, MODELS, name, artifact.digest, **facts)


def set_alias(
    metadata: MetadataStore, name: str, alias: str, version: int, *, reason: str = "", after: int | None = None
) -> AliasChange:
    """Point an alias at a version; the history keeps every change. Pointing it where it points already changes nothing.

    With `after` it is moved only if its newest change has that number. Raises `ConflictError` where it was moved since,
    `UnknownNameError` for a version that is not there.
    """
    return numbers.point(metadata, MODELS, name, alias, version, reason=reason, after=after)


def resolve_version(metadata: MetadataStore, reference: str) -> ModelVersion:
    """Return the version that a reference names: `bicycle/3`, `bicycle@champion`, or `bicycle`, which is the champion
    if there is one and the newest version otherwise.

    Raises `UnknownNameError` listing the models, aliases or versions that there are.
    """
    return numbers.resolve(metadata, MODELS, reference)


def versions(metadata: MetadataStore, name: str) -> list[ModelVersion]:
    """Return the versions of a model, the oldest first; raises `UnknownNameError` if there is no such model."""
    return numbers.versions(metadata, MODELS, name)


def model_names(metadata: MetadataStore) -> list[str]:
    """Return the names of the models that have a version."""
    return numbers.names(metadata, MODELS)


def aliases(metadata: MetadataStore, name: str) -> dict[str, int]:
    """Return where each alias of a model points now; raises `UnknownNameError` if there is no such model."""
    return numbers.pointers(metadata, MODELS, name)


def alias_history(metadata: MetadataStore, name: str, alias: str | None = None) -> list[AliasChange]:
    """Return every change of a model's aliases (or of one alias), the oldest first."""
    return numbers.changes(metadata, MODELS, name, alias)
