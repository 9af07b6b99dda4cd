"""What SQL may reach in a project: its declared tables, those that it made itself, and its registered models."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock.cascades import Cascade
from penstock.core.artifact import Artifact, Source
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.pipeline import Pipeline
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.run import AliasChange, ModelVersion
from penstock.errors import ConflictError, SqlError, UnknownNameError
from penstock.models import CHAMPION, ModelGraph
from penstock.production.reading import is_logged, read_requests
from penstock.project.codecs import load_artifact
from penstock.project.config import Config
from penstock.project.driving import resolve_source
from penstock.project.fitting import fit_pipeline, saved_rows
from penstock.project.looking_up import check_features
from penstock.project.registered import RegisteredModels
from penstock.project.requests import REQUESTS
from penstock.project.tabling import (
    Made,
    Read,
    expire_others,
    find_made,
    forget_table,
    made_tables,
    table_pipeline,
    view_pipeline,
)
from penstock.sql import Entry, Join, Mode, Reading, View, as_they_are, check_made, untold

_SAID = "said"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCatalog:
    """The catalog of a project. `run` runs a pipeline of it, and returns what its step of that name gave.

    A table is what penstock.toml declares under a name, what Python has handed over under one (`given`), or a named
    artifact that is a table: CREATE TABLE makes such. A view is a named text that CREATE VIEW made.
    """

    config: Config
    models: RegisteredModels
    metadata: MetadataStore
    store: ArtifactStore
    run: Callable[[Pipeline, str], Any]
    given: Mapping[str, pa.Table] = field(default_factory=dict)
    joined: Join = as_they_are

    def tables_there(self) -> Mapping[str, Entry]:
        """Return the names of the tables that penstock.toml declares, of those that Python handed over, and of the
        tables and views that were made."""
        declared = {name: Entry("EXTERNAL") for name in (*self.config.tables, *self.given)}
        made = {name: Entry(found.type, found.created) for name, found in made_tables(self.metadata).items()}
        logged = {REQUESTS: Entry("EXTERNAL")} if self._is_log(REQUESTS) else {}
        return made | logged | declared

    def source(self, name: str, as_of: datetime.datetime | None = None) -> Source | pa.Table | View:
        """Return the rows that a table stands for just now, or a view."""
        if name in self.given and as_of is None:
            return self.given[name]
        if as_of is None and self._is_log(name):
            return read_requests(self.config.requests)
        match self._found(name, as_of):
            case Source() as found:
                return found
            case Made(type="VIEW", artifact=artifact):
                return View(load_artifact(artifact, self.store))
            case Made(artifact=artifact):
                rows: pa.Table = load_artifact(artifact, self.store)
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

    def fit(self, model: Model | Cascade, rows: pa.Table, mode: Mode, reading: Reading) -> ModelGraph:
        """Fit a model, register it and make it the champion: the name now stands for it."""
        graph: ModelGraph = self.run(self.fitting(model, rows, reading, alias=CHAMPION), "fit")
        version = self.models[model.name].alias(CHAMPION).version
        return replace(graph, facts=FrozenMap({**graph.facts, "version": version}))

    def fitting(self, model: Model | Cascade, rows: pa.Table, reading: Reading, *, alias: str | None) -> Pipeline:
        """Return the pipeline that fits a model on the rows of a statement and registers it; what the statement read is
        an input of it, so that lineage knows it."""
        check_features(model, self.metadata)
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

    def create_table(self, name: str, rows: pa.Table | View, mode: Mode, reading: Reading) -> None:
        """Make rows, or the text of a query, the next version of a named artifact, by a run that says what they come
        from."""
        self._refuse_declared(name, "overwritten")
        check_made(name, rows, mode, self.tables_there().get(name))
        if isinstance(rows, View):
            self.run(view_pipeline(name, rows.query, self._read(reading)), "name")
        else:
            given = saved_rows(rows, self.metadata, self.store)
            self.run(table_pipeline(name, given, reading.statement, self._read(reading)), "name")
        expire_others(self.metadata, name)

    def drop_table(self, name: str) -> None:
        """Forget a table or a view that a CREATE statement made."""
        self._refuse_declared(name, "dropped")
        forget_table(self.metadata, name)

    def _refuse_declared(self, name: str, what: str) -> None:
        where = "declared in penstock.toml" if name in self.config.tables else "handed over by Python"
        if name in (*self.config.tables, *self.given):
            raise ConflictError(f"table '{name}' is {where}; it cannot be {what}")
        if name == REQUESTS:
            raise ConflictError(f"table '{name}' is the log of what servers have answered; it cannot be {what}")

    def _found(self, name: str, as_of: datetime.datetime | None = None) -> Source | Made:
        if name in self.config.tables:
            return resolve_source(self.config, name, as_of=as_of)
        found = find_made(self.metadata, name)
        is_log = found is None and self._is_log(name)
        if found is None and name not in self.given and not is_log:
            raise UnknownNameError("table", name, self.tables_there())
        if as_of is not None:
            raise untold(name, as_of)
        if found is None:
            rows = read_requests(self.config.requests) if is_log else self.given[name]
            artifact = saved_rows(rows, self.metadata, self.store)
            return Made(type="BASE TABLE", artifact=artifact, created=artifact.created)
        return found

    def _is_log(self, name: str) -> bool:
        """Tell whether a name is that of the log of requests, and there is one."""
        return name == REQUESTS and name not in self.config.tables and is_logged(self.config.requests)

    def _version(self, name: str) -> ModelVersion:
        bare, _, alias = name.partition("@")
        return self.models[bare].standing(alias or None)

    def _read(self, reading: Reading) -> Read:
        graphs = {name: self.metadata.get(Artifact, self._version(name).digest) for name in reading.models}
        tables: dict[str, Any] = {}
        for name, as_of in reading.tables:
            found = self._found(name, as_of)
            shown = name if as_of is None else f"{name} at {as_of.isoformat()}"
            tables[shown] = found if isinstance(found, Source) else found.artifact
        return Read(tables=tables, models=graphs)
