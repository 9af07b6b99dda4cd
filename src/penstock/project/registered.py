"""The project's registered models, as the registry has them now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from penstock import models
from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.run import AliasChange, ModelVersion
from penstock.errors import CorruptArtifactError, UnknownNameError
from penstock.models import ModelGraph
from penstock.project.codecs import load_artifact
from penstock.project.verification import training_rows


class RegisteredModel:
    """One name of the registry: its versions, and the names that point at them."""

    def __init__(
        self, name: str, metadata: MetadataStore, store: ArtifactStore, export: Export, moving: Moving
    ) -> None:
        self.name = name
        self.metadata, self._store, self._export, self._moving = metadata, store, export, moving

    @property
    def versions(self) -> list[ModelVersion]:
        """All versions, oldest first."""
        return models.versions(self.metadata, self.name)

    @property
    def aliases(self) -> dict[str, int]:
        """The aliases and the versions that they point at."""
        return models.aliases(self.metadata, self.name)

    @property
    def history(self) -> list[AliasChange]:
        """Every change of an alias, oldest first; nothing is ever taken out of it."""
        return models.alias_history(self.metadata, self.name)

    def alias(self, alias: str) -> ModelVersion:
        """Return the version that an alias points at: `project.models["bicycle"].alias("champion")`."""
        return models.resolve_version(self.metadata, f"{self.name}@{alias}")

    def standing(self, version: int | str | None = None) -> ModelVersion:
        """Return the version of a number or an alias; without one, what the server serves."""
        reference = {int: f"{self.name}/{version}", str: f"{self.name}@{version}"}.get(type(version), self.name)
        return models.resolve_version(self.metadata, reference)

    def load(self, version: int | str | None = None) -> ModelGraph:
        """Return the model graph of a version number or an alias; without one, what the server serves."""
        return load_version(self.standing(version), self.metadata, self._store)

    def rows(self, version: int | str | None = None) -> pa.Table | None:
        """Return the rows that a version learned from; None where they are not recorded."""
        return training_rows(self.standing(version), self.metadata, self._store)

    def promote(self, version: int, alias: str = models.CHAMPION, *, reason: str = "", by: str = "") -> AliasChange:
        """Point an alias at a version by hand; the history keeps who (by default the user of this process), and why."""
        return self._moving(self.name, "promote", {"version": version, "alias": alias, "reason": reason, "by": by})

    def rollback(self, alias: str = models.CHAMPION, *, reason: str = "", by: str = "") -> AliasChange:
        """Point an alias back at the version it pointed at before: what serves and what infers follow it."""
        return self._moving(self.name, "rollback", {"alias": alias, "reason": reason, "by": by})

    def export(self, format: str, path: str | Path, *, version: int | str | None = None, **options: Any) -> Path:
        """Write a version in a form that others run; what is compared on rows is, on those that it learned from."""
        return self._export(self, format, Path(path), version, options)

    def __repr__(self) -> str:
        return f"<model {self.name}: {len(self.versions)} versions, {self.aliases}>"


class RegisteredModels(Mapping[str, RegisteredModel]):
    """The models of a project by name; `export` says how one is written in a form that others run, `moving` how an
    alias is moved."""

    def __init__(
        self,
        metadata: MetadataStore,
        store: ArtifactStore,
        export: Export | None = None,
        moving: Moving | None = None,
    ) -> None:
        self._metadata, self._store, self._export = metadata, store, export or export_version
        self._moving = moving or partial(move_alias, metadata)

    def __getitem__(self, name: str) -> RegisteredModel:
        if not self._metadata.find(ModelVersion, model=name, limit=1):
            raise UnknownNameError("model", name, tuple(self))
        return RegisteredModel(name, self._metadata, self._store, self._export, self._moving)

    def __contains__(self, name: object) -> bool:
        return bool(self._metadata.find(ModelVersion, model=name, limit=1))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({version.model for version in self._metadata.find(ModelVersion)}))

    def __len__(self) -> int:
        return len(list(iter(self)))


Export: TypeAlias = Callable[[RegisteredModel, str, Path, int | str | None, Mapping[str, Any]], Path]
"""Writes a version of a model (its number, its alias, None what is served) in a format, with options, to a path."""

Moving: TypeAlias = Callable[[str, Literal["promote", "rollback"], Mapping[str, Any]], AliasChange]
"""Moves an alias of a model: the model's name, what is done, and with which of its parameters."""

COMPARED = ("onnx",)
"""Formats whose export compares predictions on rows before it writes."""


def export_version(
    model: RegisteredModel, format: str, path: Path, version: int | str | None, options: Mapping[str, Any]
) -> Path:
    """Write a version in a format; one that compares on rows, and is given none, gets those that it learned from."""
    rows = {"rows": model.rows(version)} if format in COMPARED and "rows" not in options else {}
    return model.load(version).export(format, path, **options, **rows)


def move_alias(
    metadata: MetadataStore, name: str, verb: Literal["promote", "rollback"], how: Mapping[str, Any]
) -> AliasChange:
    """Move an alias in the registry of this project."""
    return models.promote(metadata, name, **how) if verb == "promote" else models.rollback(metadata, name, **how)


def load_version(version: ModelVersion, metadata: MetadataStore, store: ArtifactStore) -> ModelGraph:
    """Return the model graph of a version; every byte of it is checked."""
    found = metadata.get(Artifact, version.digest)
    if found is None:
        raise CorruptArtifactError(
            f"the graph {version.digest[:12]} of model '{version.model}' version {version.version} is not recorded; "
            "fit and push it again",
            digest=version.digest,
        )
    graph: ModelGraph = load_artifact(found, store)
    return graph
