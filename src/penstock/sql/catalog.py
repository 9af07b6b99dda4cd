"""What a SQL text may reach: the tables and models of a catalog that is handed in, and one that lives in memory."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa

from penstock.cascades import Cascade, train
from penstock.core.artifact import Source
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.errors import ConflictError, SqlError, UnknownNameError
from penstock.models import ModelGraph, fit
from penstock.sql.statements import Mode
from penstock.tables import to_arrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Where the rows of a statement come from: its text, and the names of the tables and models that it read; each
    table with the instant as of which it was read, if the statement names one."""

    statement: str
    tables: tuple[tuple[str, datetime.datetime | None], ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A query under a name: it is run when the name is read."""

    query: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a catalog says of a table without reading it, in BigQuery's words; `created` in seconds since 1970, UTC."""

    type: Literal["BASE TABLE", "EXTERNAL", "VIEW"]
    created: float | None = None


Join = Callable[[ModelGraph, pa.Table], pa.Table]


def as_they_are(graph: ModelGraph, rows: pa.Table) -> pa.Table:
    """Return the rows: where there is no feature store."""
    return rows


class Catalog(Protocol):
    """The tables and views that may be read and made, and the models. Nothing else is reachable from SQL.

    A name that is not there raises `UnknownNameError`. `fit` and `create_table` raise `ConflictError` where the mode is
    `create` and the name is taken, and `create_table` and `drop_table` where the table is not one that SQL made, or is
    a view where it should be a table. `joined` gives rows for a model with the features that it looks up.
    """

    @property
    def joined(self) -> Join:
        """What joins rows with the features that a model looks up; it returns others as they are."""
        ...

    def tables_there(self) -> Mapping[str, Entry]:
        """Return the names of the tables and views that may be read, and what is known of them."""
        ...

    def source(self, name: str, as_of: datetime.datetime | None = None) -> Source | pa.Table | View:
        """Return the rows that a table stands for just now, or stood for at an instant; `SqlError` where no one knows
        what it was."""
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

    def fit(self, model: Model | Cascade, rows: pa.Table, mode: Mode, reading: Reading) -> ModelGraph:
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

    def create_table(self, name: str, rows: pa.Table | View, mode: Mode, reading: Reading) -> None:
        """Keep rows, or a query, under a name, which later statements read."""
        ...

    def drop_table(self, name: str) -> None:
        """Forget a table or a view that `create_table` made."""
        ...


def untold(name: str, as_of: datetime.datetime) -> SqlError:
    """Return the error for a table whose past is asked for and not kept."""
    return SqlError(
        f"what '{name}' was at {as_of.isoformat()} is not known; FOR SYSTEM_TIME AS OF reads declared Delta tables, "
        "which keep their versions"
    )


def check_made(name: str, rows: pa.Table | View, mode: Mode, there: Entry | None) -> None:
    """Refuse to make a table where a view is, a view where a table is, and either where one is and must not be."""
    kind, other = ("VIEW", "TABLE") if isinstance(rows, View) else ("TABLE", "VIEW")
    if there is None:
        return
    if (there.type == "VIEW") != (kind == "VIEW"):
        raise ConflictError(f"'{name}' is a {other.lower()}; DROP {other} {name} before, or choose another name")
    if mode == "create":
        raise ConflictError(f"a {kind.lower()} named '{name}' exists; write CREATE OR REPLACE {kind} to make it anew")


@dataclass(frozen=True, slots=True)
class MemoryCatalog:
    """Tables and models in dicts: for tests, and for SQL over tables in memory without a project."""

    tables: Mapping[str, Source | pa.Table]
    models: dict[str, ModelGraph] = field(default_factory=dict)
    made: dict[str, pa.Table | View] = field(default_factory=dict)
    joined: Join = as_they_are

    def tables_there(self) -> Mapping[str, Entry]:
        """Return the names of the tables and views."""
        declared = {name: Entry("EXTERNAL") for name in self.tables}
        return declared | {
            name: Entry("VIEW" if isinstance(rows, View) else "BASE TABLE") for name, rows in self.made.items()
        }

    def source(self, name: str, as_of: datetime.datetime | None = None) -> Source | pa.Table | View:
        """Return a table or a view by name."""
        if as_of is not None:
            raise untold(name, as_of)
        if name in self.made:
            return self.made[name]
        if name not in self.tables:
            raise UnknownNameError("table", name, self.tables_there())
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

    def fit(self, model: Model | Cascade, rows: pa.Table, mode: Mode, reading: Reading) -> ModelGraph:
        """Fit a model and keep the graph."""
        if model.name in self.models and mode != "replace":
            if mode == "if_not_exists":
                return self.models[model.name]
            raise ConflictError(f"a model named '{model.name}' exists; write CREATE OR REPLACE MODEL to make it anew")
        self.models[model.name] = train(model, rows) if isinstance(model, Cascade) else fit(model, rows)
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

    def create_table(self, name: str, rows: pa.Table | View, mode: Mode, reading: Reading) -> None:
        """Keep rows, or a query, in memory."""
        if name in self.tables:
            raise ConflictError(f"table '{name}' is declared; it cannot be overwritten: choose another name")
        check_made(name, rows, mode, self.tables_there().get(name))
        if name not in self.made or mode == "replace":
            self.made[name] = rows

    def drop_table(self, name: str) -> None:
        """Forget a table that was made."""
        if name in self.tables:
            raise ConflictError(f"table '{name}' is declared, and not made by CREATE TABLE; it cannot be dropped")
        if name not in self.made:
            raise UnknownNameError("table", name, self.made)
        del self.made[name]
