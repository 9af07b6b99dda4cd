"""One text of SQL while it runs: its variables and temporary tables, and how a bound query becomes rows."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
from sqlglot import exp

from penstock.core.schema import Field, Schema
from penstock.errors import ExpressionError, SqlError
from penstock.models import looked_up
from penstock.operations import sql_literal
from penstock.sql.binding import Binding, Inference
from penstock.sql.catalog import Catalog, Join, Reading
from penstock.sql.database import locked_database, rows_of
from penstock.sql.learning import Learning, learned_text, put_in
from penstock.sql.queries import bind_query
from penstock.sql.scalars import bind_scalar
from penstock.sql.scope import Bound, Column, Scalar, Scope
from penstock.sql.statements import Declare, SetVariables
from penstock.tables import arrow_schema


@dataclass(slots=True, kw_only=True)
class Session:
    """What the statements of one text share: the catalog, an instant, variables by their names in small letters, and
    temporary tables, each with what it was read from."""

    catalog: Catalog
    now: datetime.datetime
    variables: dict[str, Column] = field(default_factory=dict)
    temporary: dict[str, tuple[pa.Table, Reading]] = field(default_factory=dict)

    def binding(self) -> Binding:
        """Return the state of the binding of one statement, in which the variables are what names mean last."""
        outer = Scope(columns=tuple(self.variables.values()))
        root = Scope(outer=outer) if self.variables else Scope()
        return Binding(catalog=self.catalog, query=bind_query, now=self.now, root=root, temporary=self.temporary)


def bound_query(tree: exp.Expr, binding: Binding) -> Bound:
    """Bind a query that stands by itself."""
    return bind_query(tree, binding.root, binding)


def reading_of(text: str, binding: Binding) -> Reading:
    """Return what a statement has read, with what the temporary tables among it were read from."""
    tables = [*binding.declared, *(table for reading in binding.through for table in reading.tables)]
    models = [*binding.models, *(model for reading in binding.through for model in reading.models)]
    return Reading(statement=text, tables=tuple(dict.fromkeys(tables)), models=tuple(dict.fromkeys(models)))


def schema_of_query(query: Bound) -> Schema:
    """Return the columns that a query gives."""
    return Schema(tuple(Field(name, type) for name, type in query.columns))


def rows_of_query(query: Bound, binding: Binding) -> pa.Table:
    """Run a query, after what must run before it."""
    with locked_database(binding.files) as database:
        for name, table in binding.tables.items():
            database.register(name, table)
        learned: dict[str, str] = {}
        for before in binding.inferences:
            match before:
                case Learning():
                    learned[before.name] = learned_text(before, learned, database)
                case Inference():
                    database.register(before.name, _infer(before, learned, database, binding.catalog.joined))
        return rows_of(database, put_in(query.text, learned))


def declare_variables(statement: Declare, session: Session) -> None:
    """Give variables their type, and the value that they begin with: NULL, where none is given."""
    type = None
    if statement.type is not None:
        type = bind_scalar(exp.cast(exp.Null(), statement.type), Scope(), session.binding()).type
    value = statement.value if statement.value is not None else exp.Null()
    given = _value(value, statement.names[0], type, session)
    for name in statement.names:
        session.variables[name.lower()] = Column(name, given)


def set_variables(statement: SetVariables, session: Session) -> None:
    """Give variables new values, of the types that they have; all are found before one is set."""
    found = {}
    for name, value in zip(statement.names, statement.values, strict=True):
        found[name.lower()] = _value(value, name, session.variables[name.lower()].value.type, session)
    for name, given in found.items():
        session.variables[name] = Column(session.variables[name].name, given)


def _value(node: exp.Expr, name: str, type: str | None, session: Session) -> Scalar:
    binding = session.binding()
    query = bound_query(
        exp.Select(expressions=[exp.Alias(this=exp.Paren(this=node.copy()), alias=exp.to_identifier("value"))]), binding
    )
    [(_, given)] = query.columns
    wanted = type or given
    if given not in (wanted, "null") and (given, wanted) != ("int64", "float64"):
        raise SqlError(f"the variable {name} is {wanted}, and cannot be {given}; CAST the value")
    [value] = rows_of_query(query, binding)["value"].to_pylist()
    try:
        return Scalar(sql_literal(value, wanted), wanted)
    except ExpressionError:
        raise SqlError(
            f"the variable {name} cannot hold {wanted}; a variable is one value, or an array of them"
        ) from None


def _infer(
    inference: Inference, learned: Mapping[str, str], database: duckdb.DuckDBPyConnection, joined: Join
) -> pa.Table:
    rows = [rows_of(database, put_in(query.text, learned)) for query in inference.rows]
    graph = inference.use.graph
    if graph is None or not looked_up(graph):
        return inference.function.table(inference.use, rows).cast(arrow_schema(inference.columns))
    made = inference.function.table(inference.use, [joined(graph, table) for table in rows])
    return made.select(list(inference.columns.names)).cast(arrow_schema(inference.columns))
