"""What the binding of one statement knows and gathers: the catalog, the tables read, what must run first."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from penstock.core.artifact import Source
from penstock.core.schema import Schema
from penstock.errors import ExpressionError, SqlError
from penstock.models import ModelGraph
from penstock.operations import quoted
from penstock.sql.catalog import Catalog, Reading, View
from penstock.sql.dialect import parse_query
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

    `query` binds a query inside an expression or a FROM clause; `root` is where a query by itself begins: nothing but
    the variables of the text is in sight. `temporary` are the text's tables, `through` what those that were met were
    read from. `declared` are the catalog's tables met so far (each
    as of an instant, or as it is), `views` its views, and `expanding` those of them whose queries are just being bound.
    `files` are the sources that the text scans, `tables` what must be registered under which name before it runs, and
    `inferences` what must run before it, in order: inferences, and what ML.* functions of the query learn.
    """

    catalog: Catalog
    query: Callable[[exp.Expr, Scope, Binding], Bound]
    now: datetime.datetime
    declared: dict[tuple[str, datetime.datetime | None], Bound] = field(default_factory=dict)
    views: dict[str, Bound] = field(default_factory=dict)
    expanding: list[str] = field(default_factory=list)
    files: list[Source] = field(default_factory=list)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    inferences: list[Inference | Learning] = field(default_factory=list)
    models: dict[str, ModelGraph] = field(default_factory=dict)
    root: Scope = field(default_factory=Scope)
    temporary: Mapping[str, tuple[pa.Table, Reading]] = field(default_factory=dict)
    held: dict[str, Bound] = field(default_factory=dict)
    through: list[Reading] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self, name: str) -> str:
        """Return a name that nothing else in the DuckDB text has."""
        return f"{name}_{next(self.numbers)}"

    def model(self, name: str) -> ModelGraph:
        """Return the model graph of a name."""
        if name not in self.models:
            self.models[name] = self.catalog.model(name)
        return self.models[name]

    def table(self, name: str, as_of: datetime.datetime | None = None) -> Bound:
        """Return a table or a view as the text of an item of a FROM clause: a temporary one, or the catalog's."""
        if name in self.temporary and as_of is None and not self.expanding:
            if name not in self.held:
                rows, reading = self.temporary[name]
                self.held[name] = self._read(rows)
                self.through.append(reading)
            return self.held[name]
        if name in self.views and as_of is None:
            return self.views[name]
        if (name, as_of) in self.declared:
            return self.declared[name, as_of]
        if name in self.expanding:
            circle = " -> ".join([*self.expanding[self.expanding.index(name) :], name])
            raise SqlError(f"the view '{name}' reads itself: {circle}")
        match self.catalog.source(name, as_of):
            case View(query=query):
                self.views[name] = self._expanded(name, query)
                return self.views[name]
            case source:
                self.declared[name, as_of] = self._read(source)
                return self.declared[name, as_of]

    def _expanded(self, name: str, query: str) -> Bound:
        """Bind the query of a view, which sees nothing of the query around it."""
        self.expanding.append(name)
        try:
            inner = self.query(parse_query(query), Scope(), self)
        except (SqlError, ExpressionError) as error:
            said = str(error)
            raise error if said.startswith("the view '") else SqlError(f"the view '{name}': {said}") from error
        finally:
            self.expanding.pop()
        return Bound(f"({inner.text})", inner.columns)

    def _read(self, source: Source | pa.Table) -> Bound:
        if isinstance(source, Source) and source.format != "arrow":
            self.files.append(source)
            return Bound(scan_sql(source), _columns(source_schema(source)))
        rows = read(source) if isinstance(source, Source) else normalize(source)
        registered = self.fresh("table")
        self.tables[registered] = rows
        return Bound(quoted(registered), _columns(schema_of(rows.schema)))


def _columns(schema: Schema) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, column.type) for column in schema)
