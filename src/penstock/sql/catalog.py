"""What a SQL text may reach: the tables and models of a catalog that is handed in, and one that lives in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from penstock.core.artifact import Source
from penstock.core.model import Model
from penstock.errors import ConflictError, UnknownNameError
from penstock.models import ModelGraph, fit
from penstock.sql.statements import Mode
from penstock.tables import to_arrow


class Catalog(Protocol):
    """The tables that may be read and the models that may be used and made. Nothing else is reachable from SQL.

    `source`, `model` and `drop` raise `UnknownNameError` for a name that is not there; `fit` raises `ConflictError`
    where the mode is `create` and the model is there.
    """

    def table_names(self) -> Sequence[str]:
        """Return the names of the declared tables."""
        ...

    def source(self, name: str) -> Source | pa.Table:
        """Return the rows that a declared table stands for just now."""
        ...

    def model_names(self) -> Sequence[str]:
        """Return the names of the models."""
        ...

    def model(self, name: str) -> ModelGraph:
        """Return the model graph that a name, or `name@alias`, stands for."""
        ...

    def fit(self, model: Model, rows: pa.Table, mode: Mode) -> ModelGraph:
        """Fit a model and keep it under its name; with `if_not_exists` return the one that is there."""
        ...

    def drop(self, name: str) -> None:
        """Forget a model."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryCatalog:
    """Tables and models in dicts: for tests, and for SQL over tables in memory without a project."""

    tables: Mapping[str, Source | pa.Table]
    models: dict[str, ModelGraph] = field(default_factory=dict)

    def table_names(self) -> Sequence[str]:
        """Return the names of the tables."""
        return tuple(self.tables)

    def source(self, name: str) -> Source | pa.Table:
        """Return a table by name."""
        if name not in self.tables:
            raise UnknownNameError("table", name, self.tables)
        rows = self.tables[name]
        return rows if isinstance(rows, Source) else to_arrow(rows)

    def model_names(self) -> Sequence[str]:
        """Return the names of the models."""
        return tuple(self.models)

    def model(self, name: str) -> ModelGraph:
        """Return a model graph by name."""
        if name not in self.models:
            raise UnknownNameError("model", name, self.models)
        return self.models[name]

    def fit(self, model: Model, rows: pa.Table, mode: Mode) -> ModelGraph:
        """Fit a model and keep the graph."""
        if model.name in self.models and mode != "replace":
            if mode == "if_not_exists":
                return self.models[model.name]
            raise ConflictError(f"a model named '{model.name}' exists; write CREATE OR REPLACE MODEL to make it anew")
        self.models[model.name] = fit(model, rows)
        return self.models[model.name]

    def drop(self, name: str) -> None:
        """Forget a model."""
        self.model(name)
        del self.models[name]
