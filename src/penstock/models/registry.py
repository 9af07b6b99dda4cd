"""The registry: numbered versions of named models, and aliases that point at them, in a metadata store handed in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.core.run import AliasChange, ModelVersion
from penstock.errors import ConflictError, DeclarationError, UnknownNameError

CHAMPION = "champion"
"""The alias that a bare model name stands for, once it is set."""
_ATTEMPTS = 100


def register(
    metadata: MetadataStore,
    name: str,
    artifact: Artifact,
    *,
    metrics: Mapping[str, Any] | None = None,
    lineage: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Record a model graph as the next version of a model; the same graph again is the version it has already."""
    if not name or any(character in name for character in "@/"):
        raise DeclarationError(f"model name {name!r}: a name is not empty and has no '@' or '/'")
    for _ in range(_ATTEMPTS):
        there = metadata.find(ModelVersion, model=name)
        same = [version for version in there if version.digest == artifact.digest]
        if same:
            return same[0]
        made = ModelVersion(
            model=name,
            version=max((version.version for version in there), default=0) + 1,
            digest=artifact.digest,
            metrics=dict(metrics or {}),
            lineage=dict(lineage or {}),
            created=time.time(),
        )
        try:
            metadata.insert(made)
        except ConflictError:
            continue  # another process took that number: look again
        return made
    raise ConflictError(f"model '{name}': {_ATTEMPTS} other registrations came first; try again")


def set_alias(metadata: MetadataStore, name: str, alias: str, version: int, *, reason: str = "") -> AliasChange:
    """Point an alias at a version; the history keeps every change. Pointing it where it points already changes nothing.

    Raises `UnknownNameError` for a version that is not there.
    """
    if not alias or any(character in alias for character in "@/") or alias.isdigit():
        raise DeclarationError(f"alias {alias!r}: an alias is a word, without '@' and '/', and no number")
    _version(metadata, name, str(version))
    for _ in range(_ATTEMPTS):
        history = alias_history(metadata, name, alias)
        if history and history[-1].version == version:
            return history[-1]
        made = AliasChange(
            model=name,
            alias=alias,
            sequence=history[-1].sequence + 1 if history else 1,
            version=version,
            reason=reason,
            created=time.time(),
        )
        try:
            metadata.insert(made)
        except ConflictError:
            continue  # another process moved it in the meantime: look again
        return made
    raise ConflictError(f"alias '{name}@{alias}': {_ATTEMPTS} other changes came first; try again")


def resolve_version(metadata: MetadataStore, reference: str) -> ModelVersion:
    """Return the version that a reference names: `bicycle/3`, `bicycle@champion`, or `bicycle`, which is the champion
    if there is one and the newest version otherwise.

    Raises `UnknownNameError` listing the models, aliases or versions that there are.
    """
    name, separator, rest = _parted(reference)
    if separator == "/":
        return _version(metadata, name, rest)
    pointing = aliases(metadata, name)
    if separator == "@":
        if rest not in pointing:
            raise UnknownNameError("alias", rest, sorted(pointing), within=f"model '{name}'")
        return _version(metadata, name, str(pointing[rest]))
    if CHAMPION in pointing:
        return _version(metadata, name, str(pointing[CHAMPION]))
    return versions(metadata, name)[-1]


def versions(metadata: MetadataStore, name: str) -> list[ModelVersion]:
    """Return the versions of a model, the oldest first; raises `UnknownNameError` if there is no such model."""
    found = metadata.find(ModelVersion, model=name)
    if not found:
        raise UnknownNameError("model", name, model_names(metadata))
    return sorted(found, key=lambda version: version.version)


def model_names(metadata: MetadataStore) -> list[str]:
    """Return the names of the models that have a version."""
    return sorted({version.model for version in metadata.find(ModelVersion)})


def aliases(metadata: MetadataStore, name: str) -> dict[str, int]:
    """Return where each alias of a model points now; raises `UnknownNameError` if there is no such model."""
    versions(metadata, name)
    changes = sorted(metadata.find(AliasChange, model=name), key=lambda change: change.sequence)
    return {change.alias: change.version for change in changes}


def alias_history(metadata: MetadataStore, name: str, alias: str | None = None) -> list[AliasChange]:
    """Return every change of a model's aliases (or of one alias), the oldest first."""
    found = [change for change in metadata.find(AliasChange, model=name) if alias in (None, change.alias)]
    return sorted(
        found, key=lambda change: (change.created, change.sequence) if alias is None else (0.0, change.sequence)
    )


def _parted(reference: str) -> tuple[str, str, str]:
    for separator in "@/":
        if separator in reference:
            name, _, rest = reference.partition(separator)
            return name, separator, rest
    return reference, "", ""


def _version(metadata: MetadataStore, name: str, number: str) -> ModelVersion:
    there = versions(metadata, name)
    for version in there:
        if str(version.version) == number:
            return version
    raise UnknownNameError("version", number, [str(version.version) for version in there], within=f"model '{name}'")
