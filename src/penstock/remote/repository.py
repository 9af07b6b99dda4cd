"""The artifact repository of a project that is served elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from penstock.artifacts import Collection, Lineage, Usage
from penstock.core.artifact import Artifact
from penstock.core.run import NamedVersion
from penstock.project.config import Config
from penstock.project.repository import Names, Repository
from penstock.project.runs import ArtifactView
from penstock.remote.connection import Server
from penstock.remote.runs import RemoteRecords


class RemoteRepository:
    """What the steps of a project made: the local one over the server's stores, but for what is long to tell."""

    def __init__(self, server: Server, recorded: RemoteRecords) -> None:
        self._server = server
        self._over = Repository(Config(root=Path()), recorded.metadata, recorded.artifacts)
        self.names: Names = self._over.names

    def __getitem__(self, reference: str) -> ArtifactView:
        """Return an artifact by a name, by what made it, or by the beginning of its digest."""
        return self._over[reference]

    def find(
        self, *, kind: str | None = None, made_by: str | None = None, min_bytes: int = 0, limit: int | None = None
    ) -> list[ArtifactView]:
        """Return artifacts, newest first: of a kind, made by a run, a step or `<run>/<step>`, of a size."""
        return self._over.find(kind=kind, made_by=made_by, min_bytes=min_bytes, limit=limit)

    def name(self, artifact: ArtifactView | Artifact | str, name: str, **how: Any) -> NamedVersion:
        """Make an artifact (or what names one) the next version of a name, and point `alias` at it."""
        return self._over.name(artifact, name, **how)

    def alias(self, version: str, alias: str, *, reason: str = "") -> NamedVersion:
        """Point an alias at a version of a name."""
        return self._over.alias(version, alias, reason=reason)

    def lineage(self, what: str, *, up: bool = True, down: bool = True) -> Lineage:
        """Return what a thing comes from (`up`), and what came of it (`down`)."""
        direction = None if up and down else "up" if up else "down"
        found = self._server.get(f"/v1/lineage/{what}", direction=direction)
        return msgspec.convert(found, Lineage)

    def gc(self, *, dry_run: bool = True, **keep: Any) -> Collection:
        """Find what nothing needs any more, and with `dry_run=False` take it away; `keep_runs`, `older_than`,
        `runs_older_than` and `grace` as for the local one."""
        given = {name: value for name, value in keep.items() if value is not None and name != "on_progress"}
        return msgspec.convert(self._server.post("/v1/gc", {"dry_run": dry_run, **given}), Collection)

    def usage(self) -> Usage:
        """Return what takes how much room in the store and in the project's state."""
        return msgspec.convert(self._server.get("/v1/usage"), Usage)
