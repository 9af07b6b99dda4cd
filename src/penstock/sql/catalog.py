"""What a SQL text may reach: the tables and models of a catalog that is handed in, and one that lives in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from penstock.core.artifact import Source
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.errors import ConflictError, UnknownNameError
from penstock.models import ModelGraph, fit
from penstock.sql.statements import Mode
from penstock.tables import to_arrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Where the rows of a statement come from: its text, and the names of the tables and models that it read."""

    statement: str
    tables: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


class Catalog(Protocol):
    """The tables that may be read and made, and the models. Nothing else is reachable from SQL.

    A name that is not there raises `UnknownNameError`. `fit` and `create_table` raise `ConflictError` where the mode is
    `create` and the name is taken, and `create_table` and `drop_table` where the table is not one that SQL made.
    """

    def table_names(self) -> Sequence[str]:
        """Return the names of the tables that may be read."""
        ...

    def source(self, name: str) -> Source | pa.Table:
        """Return the rows that a table stands for just now."""
        ...

    def model_names(self) -> Sequence[str]:
        """Return the names of the models."""
        ...

    def model(self, name: str) -> ModelGraph:
        """Return the model graph that a name, or `name@alias`, stands for."""
        ...

    def learned_rows(self, name: str) -> pa.Table | None:
        """Return the rows that it learned from, if they are kept."""
        ...

    def fit(self, model: Model, rows: pa.Table, mode: Mode, reading: Reading) -> ModelGraph:
        """Fit a model and keep it under its name; with `if_not_exists` return the one that is there."""
        ...

    def alter(self, name: str, said: Mapping[str, Any]) -> None:
        """Keep what people say about a model: `description`, `friendly_name`, `labels`; None takes it back."""
        ...

    def drop(self, name: str) -> None:
        """Forget a model."""
        ...

    def path(self, uri: str) -> Path:
        """Return the file or folder that a statement may read a model from, or write one to; `SqlError` for others."""
        ...

    def create_table(self, name: str, rows: pa.Table, mode: Mode, reading: Reading) -> None:
        """Keep rows under a name, which later statements read."""
        ...

    def drop_table(self, name: str) -> None:
        """Forget a table that `create_table` made."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryCatalog:
    """Tables and models in dicts: for tests, and for SQL over tables in memory without a project."""

    tables: Mapping[str, Source | pa.Table]
    models: dict[str, ModelGraph] = field(default_factory=dict)
    made: dict[str, pa.Table] = field(default_factory=dict)

    def table_names(self) -> Sequence[str]:
        """Return the names of the tables."""
        return (*self.tables, *self.made)

    def source(self, name: str) -> Source | pa.Table:
        """Return a table by name."""
        if name in self.made:
            return self.made[name]
        if name not in self.tables:
            raise UnknownNameError("table", name, self.table_names())
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

    def learned_rows(self, name: str) -> pa.Table | None:
        """Return None: no rows are kept."""
        return None

    def fit(self, model: Model, rows: pa.Table, mode: Mode, reading: Reading) -> ModelGraph:
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

    def alter(self, name: str, said: Mapping[str, Any]) -> None:
        """Keep what people say about a model among the facts of its graph."""
        graph = self.model(name)
        self.models[name] = replace(graph, facts=FrozenMap({**graph.facts, **said}))

    def path(self, uri: str) -> Path:
        """Return a path from the current folder."""
        return Path(uri)

    def create_table(self, name: str, rows: pa.Table, mode: Mode, reading: Reading) -> None:
        """Keep rows in memory."""
        if name in self.tables:
            raise ConflictError(f"table '{name}' is declared; it cannot be overwritten: choose another name")
        if name in self.made and mode == "create":
            raise ConflictError(f"a table named '{name}' exists; write CREATE OR REPLACE TABLE to make it anew")
        if name not in self.made or mode == "replace":
            self.made[name] = rows

    def drop_table(self, name: str) -> None:
        """Forget a table that was made."""
        if name in self.tables:
            raise ConflictError(f"table '{name}' is declared, and not made by CREATE TABLE; it cannot be dropped")
        if name not in self.made:
            raise UnknownNameError("table", name, self.made)
        del self.made[name]
