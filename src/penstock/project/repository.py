"""The artifact repository of a project: everything that was made, found by digest, step or name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from penstock import artifacts
from penstock.artifacts import NAMES, Collection, Lineage, OnProgress, Usage, versions
from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.run import NameChange, NamedVersion
from penstock.errors import UnknownNameError
from penstock.project.collecting import feature_folders, gc_place, gc_policy, metadata_bytes
from penstock.project.config import Config
from penstock.project.runs import ArtifactView
from penstock.stores import Member, members_of


def _nobody(what: str, done: int, of: int) -> None:
    """Progress that nobody watches."""


class NamedArtifact:
    """One name of an artifact: its versions, and the aliases that point at them."""

    def __init__(self, name: str, metadata: MetadataStore) -> None:
        self.name = name
        self._metadata = metadata

    @property
    def versions(self) -> list[NamedVersion]:
        """All versions, oldest first."""
        return versions.versions(self._metadata, NAMES, self.name)

    @property
    def aliases(self) -> dict[str, int]:
        """The aliases and the versions that they point at."""
        return versions.pointers(self._metadata, NAMES, self.name)

    @property
    def history(self) -> list[NameChange]:
        """Every change of an alias, oldest first; nothing is ever taken out of it."""
        return versions.changes(self._metadata, NAMES, self.name)

    def __repr__(self) -> str:
        return f"<artifact {self.name}: {len(self.versions)} versions, {self.aliases}>"


class Names(Mapping[str, NamedArtifact]):
    """The names that artifacts have."""

    def __init__(self, metadata: MetadataStore) -> None:
        self._metadata = metadata

    def __getitem__(self, name: str) -> NamedArtifact:
        if name not in self:
            raise UnknownNameError("artifact", name, tuple(self))
        return NamedArtifact(name, self._metadata)

    def __contains__(self, name: object) -> bool:
        return bool(self._metadata.find(NamedVersion, name=name, limit=1))

    def __iter__(self) -> Iterator[str]:
        return iter(versions.names(self._metadata, NAMES))

    def __len__(self) -> int:
        return len(versions.names(self._metadata, NAMES))


class Repository:
    """What the steps of a project made: `project.repository["prices@latest"].load()`.

    `names` are the artifacts with a name: `project.repository.names["prices"].versions`.
    """

    def __init__(self, config: Config, metadata: MetadataStore, store: ArtifactStore) -> None:
        self.names = Names(metadata)
        self._config, self._metadata, self._store = config, metadata, store

    def __getitem__(self, reference: str) -> ArtifactView:
        """Return an artifact by a name (`prices`, `prices@latest`, `prices/3`), by what made it (`<run>/<step>`,
        `<run>/<step>.<output>`; the run may be `latest`), or by the beginning of its digest."""
        return ArtifactView(artifacts.find_artifact(self._metadata, reference), self._store)

    def find(
        self, *, kind: str | None = None, made_by: str | None = None, min_bytes: int = 0, limit: int | None = None
    ) -> list[ArtifactView]:
        """Return artifacts, newest first: of a kind, made by a run, a step or `<run>/<step>`, of a size."""
        found = artifacts.find_artifacts(self._metadata, kind=kind, made_by=made_by, min_bytes=min_bytes, limit=limit)
        return [ArtifactView(record, self._store) for record in found]

    def name(
        self,
        artifact: ArtifactView | Artifact | str,
        name: str,
        *,
        alias: str | None = None,
        expires: float | str | None = None,
        reason: str = "",
    ) -> NamedVersion:
        """Make an artifact (or what names one) the next version of a name, and point `alias` at it.

        The same artifact again is the same version. A name keeps its artifact; with `expires` ("30d") for so long.
        """
        record = self._record(artifact)
        return artifacts.name_artifact(
            self._metadata, self._store, record, name, alias=alias, expires=expires, reason=reason
        )

    def alias(self, version: str, alias: str, *, reason: str = "") -> NamedVersion:
        """Point an alias at a version of a name: `alias("prices/3", "reviewed")`; the history keeps every change."""
        found = versions.resolve(self._metadata, NAMES, version)
        versions.point(self._metadata, NAMES, found.name, alias, found.version, reason=reason)
        return found

    def lineage(self, what: str, *, up: bool = True, down: bool = True) -> Lineage:
        """Return what a thing comes from (`up`), and what came of it (`down`): a run, `<run>/<step>`, an artifact, a
        model (`bicycle@champion`), a name (`prices@latest`)."""
        start = artifacts.find_start(self._metadata, what)
        return artifacts.trace_lineage(start, self._metadata, self._store, up=up, down=down)

    def gc(
        self,
        *,
        dry_run: bool = True,
        keep_runs: int | None = None,
        older_than: float | str | None = None,
        runs_older_than: float | str | None = None,
        firings_older_than: float | str | None = None,
        keep_firings: int | None = None,
        grace: float | str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Collection:
        """Find what nothing needs any more, and with `dry_run=False` take it away; runs may go on meanwhile.

        Kept is what names, models and kept runs need: every recorded run, or with `keep_runs` and `older_than` ("30d")
        the newest so many of each pipeline and those younger. Records of runs are deleted only with `runs_older_than`,
        firings of triggers only with `firings_older_than`, but for the newest `keep_firings` (100) of each trigger.
        What was used within `grace` stays. What is not given here is as `[gc]` of penstock.toml says.
        """
        given = {
            "keep_runs": keep_runs,
            "older_than": older_than,
            "runs_older_than": runs_older_than,
            "firings_older_than": firings_older_than,
            "keep_firings": keep_firings,
            "grace": grace,
        }
        policy = gc_policy(self._config, given)
        place = gc_place(self._config, self._metadata, self._store)
        return artifacts.collect(place, policy, dry_run=dry_run, on_progress=on_progress or _nobody)

    def usage(self) -> Usage:
        """Return what takes how much room in the store and in the project's state."""
        place = gc_place(self._config, self._metadata, self._store)
        records, features = metadata_bytes(self._config), feature_folders(self._config)
        return artifacts.usage(place, gc_policy(self._config), metadata_bytes=records, features=features)

    def forget_project(self, name: str) -> Member:
        """Forget another project that kept artifacts in the same store and is gone for good."""
        return members_of(self._store).leave(name)

    def _record(self, artifact: ArtifactView | Artifact | str) -> Artifact:
        if isinstance(artifact, ArtifactView):
            return artifact.record
        return artifacts.find_artifact(self._metadata, artifact) if isinstance(artifact, str) else artifact
