"""Names of artifacts: versions that never change, aliases with a history, and how long a name keeps its artifact."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from penstock.artifacts import versions
from penstock.artifacts.versions import NAMES
from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.run import NamedVersion
from penstock.core.units import seconds
from penstock.errors import CorruptArtifactError


def name_artifact(
    metadata: MetadataStore,
    store: ArtifactStore,
    artifact: Artifact,
    name: str,
    *,
    alias: str | None = None,
    expires: float | str | None = None,
    reason: str = "",
    lineage: Mapping[str, Any] | None = None,
    now: float | None = None,
) -> NamedVersion:
    """Make an artifact the next version of a name, and point `alias` at it; the same artifact is the same version.

    With `expires` ("30d", or seconds from now) the name keeps the artifact so long; of two times the longer counts.
    """
    if not store.has(artifact.digest):  # asked first: what is asked for is not collected for a while
        raise CorruptArtifactError(
            f"artifact {artifact.digest[:12]} cannot be named '{name}': its bytes are not in the store; run again",
            digest=artifact.digest,
        )
    ends = None if expires is None else (time.time() if now is None else now) + seconds(expires, "expires")
    made = versions.add_version(metadata, NAMES, name, artifact.digest, expires=ends, lineage=dict(lineage or {}))
    if made.expires is not None and (ends is None or ends > made.expires):
        made = replace(made, expires=ends)
        metadata.write(made)
    if alias is not None:
        versions.point(metadata, NAMES, name, alias, made.version, reason=reason)
    return made


def find_named(metadata: MetadataStore, reference: str) -> Artifact:
    """Return the artifact that `prices`, `prices@latest` or `prices/3` names."""
    version = versions.resolve(metadata, NAMES, reference)
    found = metadata.get(Artifact, version.digest)
    if found is None:
        raise CorruptArtifactError(_gone(version), digest=version.digest)
    return found


def expired(version: NamedVersion, now: float) -> bool:
    """Tell whether a name does not keep its artifact any more."""
    return version.expires is not None and version.expires <= now


def _gone(version: NamedVersion) -> str:
    what = f"artifact '{version.name}' version {version.version} ({version.digest[:12]})"
    if expired(version, time.time()):
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.expires))
        return f"{what} expired on {day} and was collected; run its pipeline again, or choose another version"
    return f"{what} is not recorded any more; run its pipeline again"
