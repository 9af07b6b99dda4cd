"""What the binding of one statement knows and gathers: the catalog, the tables read, what must run first."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from penstock.core.artifact import Source
from penstock.core.schema import Schema
from penstock.models import ModelGraph
from penstock.operations import quoted
from penstock.sql.catalog import Catalog
from penstock.sql.learning import Learning
from penstock.sql.scope import Bound, Scope
from penstock.sql.table_functions import TableFunction, Use
from penstock.tables import normalize, read, scan_sql, schema_of, source_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """A table function of ML over the rows of queries; its result is the table `name` of the text around."""

    function: TableFunction
    use: Use
    rows: tuple[Bound, ...]
    columns: Schema
    name: str


@dataclass(slots=True, kw_only=True)
class Binding:
    """The state of one statement's binding.

    `query` binds a query inside an expression or a FROM clause. `declared` are the catalog's tables met so far, `files`
    the sources that the text scans, `tables` what must be registered under which name before it runs, and `inferences`
    what must run before it, in order: inferences, and what ML.* functions of the query learn.
    """

    catalog: Catalog
    query: Callable[[exp.Expr, Scope, Binding], Bound]
    now: datetime.datetime
    declared: dict[str, Bound] = field(default_factory=dict)
    files: list[Source] = field(default_factory=list)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    inferences: list[Inference | Learning] = field(default_factory=list)
    models: dict[str, ModelGraph] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self, name: str) -> str:
        """Return a name that nothing else in the DuckDB text has."""
        return f"{name}_{next(self.numbers)}"

    def model(self, name: str) -> ModelGraph:
        """Return the model graph of a name."""
        if name not in self.models:
            self.models[name] = self.catalog.model(name)
        return self.models[name]

    def table(self, name: str) -> Bound:
        """Return a declared table as the text of an item of a FROM clause."""
        if name not in self.declared:
            self.declared[name] = self._read(name)
        return self.declared[name]

    def _read(self, name: str) -> Bound:
        source = self.catalog.source(name)
        if isinstance(source, Source) and source.format != "arrow":
            self.files.append(source)
            return Bound(scan_sql(source), _columns(source_schema(source)))
        rows = read(source) if isinstance(source, Source) else normalize(source)
        registered = self.fresh("table")
        self.tables[registered] = rows
        return Bound(quoted(registered), _columns(schema_of(rows.schema)))


def _columns(schema: Schema) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, column.type) for column in schema)
