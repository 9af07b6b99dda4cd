"""What SQL may reach in a project: its declared tables and its registered models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from penstock.core.artifact import Source
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.run import AliasChange, ModelVersion
from penstock.errors import UnknownNameError
from penstock.models import ModelGraph
from penstock.project.config import Config
from penstock.project.driving import resolve_source
from penstock.project.registered import RegisteredModels
from penstock.sql import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCatalog:
    """The catalog of a project; `fit_rows` fits a model on rows as a run of the project."""

    config: Config
    models: RegisteredModels
    fit_rows: Callable[[Model, pa.Table], ModelGraph]

    def table_names(self) -> Sequence[str]:
        """Return the names of the tables that penstock.toml declares."""
        return tuple(self.config.tables)

    def source(self, name: str) -> Source:
        """Return the rows that a declared table stands for just now."""
        if name not in self.config.tables:
            raise UnknownNameError("table", name, self.config.tables)
        return resolve_source(self.config, name)

    def model_names(self) -> Sequence[str]:
        """Return the names of the registered models."""
        return tuple(self.models)

    def model(self, name: str) -> ModelGraph:
        """Return the model graph that a name stands for: its champion, or the newest where none was promoted."""
        bare, _, alias = name.partition("@")
        return self.models[bare].load(alias or None)

    def fit(self, model: Model, rows: pa.Table, mode: Mode) -> ModelGraph:
        """Fit a model, register it and make it the champion: the name now stands for it."""
        graph = self.fit_rows(model, rows)
        version = self.models[model.name].alias("champion").version
        return replace(graph, facts=FrozenMap({**graph.facts, "version": version}))

    def drop(self, name: str) -> None:
        """Forget a model: its versions and its aliases. Its runs and artifacts stay."""
        metadata = self.models[name].metadata
        metadata.delete(AliasChange, model=name)
        metadata.delete(ModelVersion, model=name)
