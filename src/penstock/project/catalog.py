"""What SQL may reach in a project: its declared tables, those that it made itself, and its registered models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock.core.artifact import Artifact, Source
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.pipeline import Pipeline
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.run import AliasChange, ModelVersion
from penstock.errors import ConflictError, SqlError, UnknownNameError
from penstock.models import CHAMPION, ModelGraph
from penstock.project.codecs import load_artifact
from penstock.project.config import Config
from penstock.project.driving import resolve_source
from penstock.project.fitting import fit_pipeline, saved_rows
from penstock.project.registered import RegisteredModels
from penstock.project.tabling import Read, expire_others, find_table, forget_table, named_tables, table_pipeline
from penstock.sql import Mode, Reading

_SAID = "said"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCatalog:
    """The catalog of a project. `run` runs a pipeline of it, and returns what its step of that name gave.

    A table is what penstock.toml declares under a name, or a named artifact that is a table: CREATE TABLE makes such.
    """

    config: Config
    models: RegisteredModels
    metadata: MetadataStore
    store: ArtifactStore
    run: Callable[[Pipeline, str], Any]

    def table_names(self) -> Sequence[str]:
        """Return the names of the tables that penstock.toml declares, and of those that were made."""
        made = (name for name in named_tables(self.metadata) if name not in self.config.tables)
        return (*self.config.tables, *made)

    def source(self, name: str) -> Source | pa.Table:
        """Return the rows that a table stands for just now."""
        found = self._found(name)
        if isinstance(found, Source):
            return found
        rows: pa.Table = load_artifact(found, self.store)
        return rows

    def model_names(self) -> Sequence[str]:
        """Return the names of the registered models."""
        return tuple(self.models)

    def model(self, name: str) -> ModelGraph:
        """Return the model graph that a name stands for: its champion, or the newest where none was promoted."""
        version = self._version(name)
        bare, _, alias = name.partition("@")
        graph = self.models[bare].load(alias or None)
        said = version.lineage.get(_SAID, {})
        return replace(graph, facts=FrozenMap({**graph.facts, **said})) if said else graph

    def learned_rows(self, name: str) -> pa.Table | None:
        """Return the rows that it learned from."""
        bare, _, alias = name.partition("@")
        return self.models[bare].rows(alias or None)

    def fit(self, model: Model, rows: pa.Table, mode: Mode, reading: Reading) -> ModelGraph:
        """Fit a model, register it and make it the champion: the name now stands for it."""
        graph: ModelGraph = self.run(self.fitting(model, rows, reading, alias=CHAMPION), "fit")
        version = self.models[model.name].alias(CHAMPION).version
        return replace(graph, facts=FrozenMap({**graph.facts, "version": version}))

    def fitting(self, model: Model, rows: pa.Table, reading: Reading, *, alias: str | None) -> Pipeline:
        """Return the pipeline that fits a model on the rows of a statement and registers it; what the statement read is
        an input of it, so that lineage knows it."""
        given = saved_rows(rows, self.metadata, self.store)
        return fit_pipeline(model, given, alias=alias, statement=reading.statement, read=self._read(reading))

    def alter(self, name: str, said: Mapping[str, Any]) -> None:
        """Keep what people say about a model beside the version that the name stands for."""
        version = self._version(name)
        kept = {**version.lineage.get(_SAID, {}), **said}
        self.metadata.write(replace(version, lineage={**version.lineage, _SAID: kept}))

    def drop(self, name: str) -> None:
        """Forget a model: its versions and its aliases. Its runs and artifacts stay."""
        metadata = self.models[name].metadata
        metadata.delete(AliasChange, model=name)
        metadata.delete(ModelVersion, model=name)

    def path(self, uri: str) -> Path:
        """Return a path from the project's root; a statement, which may come over REST, reaches no file outside it."""
        root, state = self.config.root.resolve(), self.config.state.resolve()
        path = (root / uri).resolve()
        if not path.is_relative_to(root) or path.is_relative_to(state):
            raise SqlError(
                f"{uri!r} lies outside the project's folder, or where penstock keeps its state; SQL reads and writes "
                "files of the project alone: give a path from its folder, or use `penstock export`, or Python"
            )
        return path

    def create_table(self, name: str, rows: pa.Table, mode: Mode, reading: Reading) -> None:
        """Make rows the next version of a named artifact, by a run that says what they come from."""
        if name in self.config.tables:
            raise ConflictError(f"table '{name}' is declared in penstock.toml; it cannot be overwritten")
        if mode == "create" and find_table(self.metadata, name) is not None:
            raise ConflictError(f"a table named '{name}' exists; write CREATE OR REPLACE TABLE to make it anew")
        given = saved_rows(rows, self.metadata, self.store)
        self.run(table_pipeline(name, given, reading.statement, self._read(reading)), "name")
        expire_others(self.metadata, name)

    def drop_table(self, name: str) -> None:
        """Forget a table that CREATE TABLE made."""
        if name in self.config.tables:
            raise ConflictError(f"table '{name}' is declared in penstock.toml; it cannot be dropped")
        forget_table(self.metadata, name)

    def _found(self, name: str) -> Source | Artifact:
        if name in self.config.tables:
            return resolve_source(self.config, name)
        found = find_table(self.metadata, name)
        if found is None:
            raise UnknownNameError("table", name, self.table_names())
        return found

    def _version(self, name: str) -> ModelVersion:
        bare, _, alias = name.partition("@")
        return self.models[bare].standing(alias or None)

    def _read(self, reading: Reading) -> Read:
        graphs = {name: self.metadata.get(Artifact, self._version(name).digest) for name in reading.models}
        return Read(tables={name: self._found(name) for name in reading.tables}, models=graphs)
