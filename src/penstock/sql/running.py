"""Run a SQL text against a catalog: bind each statement, infer what must be inferred, and return the last result."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace

import duckdb
import pyarrow as pa

from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.schema import Field, Schema
from penstock.errors import ConflictError, SqlError
from penstock.models import ModelGraph
from penstock.sql.altering import said
from penstock.sql.binding import Binding, Inference
from penstock.sql.catalog import Catalog, Reading, View
from penstock.sql.database import locked_database, rows_of
from penstock.sql.declaration import declare
from penstock.sql.dialect import parse_query
from penstock.sql.exporting import export
from penstock.sql.learning import Learning, learned_text, put_in
from penstock.sql.queries import bind_query
from penstock.sql.scope import Bound, Scope
from penstock.sql.showing import described_model, described_table
from penstock.sql.statements import (
    AlterModel,
    CreateModel,
    CreateTable,
    CreateView,
    Describe,
    Drop,
    ExportModel,
    Query,
    Show,
    Statement,
    parse,
)
from penstock.tables import arrow_schema


def run(text: str, catalog: Catalog, *, now: datetime.datetime | None = None) -> pa.Table:
    """Run every statement of a SQL text and return the rows of the last.

    `now` is what CURRENT_TIMESTAMP() answers (default: the clock). A CREATE MODEL answers one row that says what was
    made. Nothing runs before the whole text has been read.
    """
    instant = now or datetime.datetime.now(datetime.UTC)
    results = [_run(statement, catalog, instant) for statement in parse(text)]
    return results[-1]


def run_query(text: str, catalog: Catalog, *, now: datetime.datetime | None = None) -> tuple[pa.Table, Reading]:
    """Run a text that is one query; return its rows, and where they come from."""
    statement, *others = parse(text)
    if others or not isinstance(statement, Query):
        raise SqlError("rows are given by one query, and by nothing else; run other statements before, each by itself")
    binding = _binding(catalog, now or datetime.datetime.now(datetime.UTC))
    rows = _rows(bind_query(statement.tree, Scope(), binding), binding)
    return rows, _reading(text, binding)


def to_model(text: str, catalog: Catalog) -> Model:
    """Return the declaration that a CREATE MODEL stands for: equal to what `ps.model(...)` makes. Nothing is fitted."""
    statement, *others = parse(text)
    if others or not isinstance(statement, CreateModel):
        raise SqlError("only one CREATE MODEL statement stands for a model")
    binding = _binding(catalog, datetime.datetime.now(datetime.UTC))
    return declare(_placed(statement, catalog), _schema(bind_query(statement.query, Scope(), binding)))


def _run(statement: Statement, catalog: Catalog, now: datetime.datetime) -> pa.Table:
    match statement:
        case Query(tree=tree):
            binding = _binding(catalog, now)
            return _rows(bind_query(tree, Scope(), binding), binding)
        case CreateModel():
            return _create(statement, catalog, now)
        case CreateTable():
            return _create_table(statement, catalog, now)
        case CreateView():
            return _create_view(statement, catalog, now)
        case Drop(kind="MODEL", name=name, if_exists=if_exists):
            if if_exists and name not in catalog.model_names():
                return _message(model=name, done="no model of that name to drop")
            catalog.drop(name)
            return _message(model=name, done="dropped")
        case Drop():
            return _drop(statement, catalog)
        case AlterModel():
            return _alter(statement, catalog)
        case ExportModel(name=name, uri=uri, trial_id=trial):
            path = export(catalog.model(name), uri, catalog.path, catalog.learned_rows(name), trial)
            return _message(model=name, done=f"exported to {path}")
        case Show(what=what):
            names = catalog.tables_there() if what == "TABLES" else catalog.model_names()
            return pa.table({what.lower()[:-1]: pa.array(sorted(names), pa.string())})
        case Describe(kind="MODEL", name=name):
            return described_model(catalog.model(name))
        case Describe(name=name):
            return described_table(_binding(catalog, now).table(name).columns)


def _create(statement: CreateModel, catalog: Catalog, now: datetime.datetime) -> pa.Table:
    name = statement.name
    if statement.mode != "replace" and name in catalog.model_names():
        if statement.mode == "if_not_exists":
            return _message(model=name, done="exists already, nothing was trained")
        raise ConflictError(f"a model named '{name}' exists; write CREATE OR REPLACE MODEL to train it anew")
    binding = _binding(catalog, now)
    query = bind_query(statement.query, Scope(), binding)
    model = declare(_placed(statement, catalog), _schema(query))
    rows = _rows(query, binding)
    graph = catalog.fit(model, rows, statement.mode, _reading(statement.text, binding))
    return _description(model, graph, rows.num_rows)


def _placed(statement: CreateModel, catalog: Catalog) -> CreateModel:
    """Return the statement with the path of a model's file as one from the catalog's root."""
    path = statement.options.get("model_path")
    if not isinstance(path, str):
        return statement
    placed = str(catalog.path(path.removeprefix("file://")))
    return replace(statement, options=FrozenMap({**statement.options, "model_path": placed}))


def _create_table(statement: CreateTable, catalog: Catalog, now: datetime.datetime) -> pa.Table:
    name = statement.name
    if statement.mode == "if_not_exists" and name in catalog.tables_there():
        return _message(table=name, done="exists already, nothing was made")
    binding = _binding(catalog, now)
    rows = _rows(bind_query(statement.query, Scope(), binding), binding)
    catalog.create_table(name, rows, statement.mode, _reading(statement.text, binding))
    return pa.Table.from_pylist([{"table": name, "rows": rows.num_rows}])


def _create_view(statement: CreateView, catalog: Catalog, now: datetime.datetime) -> pa.Table:
    """Keep a view's query after it has been bound: a name that is not there is found now, and not when it is read."""
    name = statement.name
    if statement.mode == "if_not_exists" and name in catalog.tables_there():
        return _message(view=name, done="exists already, nothing was made")
    binding = _binding(catalog, now)
    binding.expanding.append(name)
    bind_query(parse_query(statement.query), Scope(), binding)
    catalog.create_table(name, View(statement.query), statement.mode, _reading(statement.text, binding))
    return _message(view=name, done="made")


def _drop(statement: Drop, catalog: Catalog) -> pa.Table:
    """Drop a table or a view, each by its own word: one that is meant for the other is a mistake."""
    name, word = statement.name, statement.kind.lower()
    there = catalog.tables_there().get(name)
    if statement.if_exists and there is None:
        return _message(**{word: name}, done=f"no {word} of that name to drop")
    if there is not None and (there.type == "VIEW") != (statement.kind == "VIEW"):
        is_a, other = ("table", "TABLE") if statement.kind == "VIEW" else ("view", "VIEW")
        raise ConflictError(f"'{name}' is a {is_a}; write DROP {other} {name}")
    catalog.drop_table(name)
    return _message(**{word: name}, done="dropped")


def _reading(text: str, binding: Binding) -> Reading:
    return Reading(statement=text, tables=tuple(binding.declared), models=tuple(binding.models))


def _alter(statement: AlterModel, catalog: Catalog) -> pa.Table:
    if statement.if_exists and statement.name not in catalog.model_names():
        return _message(model=statement.name, done="no model of that name to alter")
    catalog.alter(statement.name, said(statement.options))
    return _message(model=statement.name, done="altered")


def _binding(catalog: Catalog, now: datetime.datetime) -> Binding:
    return Binding(catalog=catalog, query=bind_query, now=now)


def _schema(query: Bound) -> Schema:
    return Schema(tuple(Field(name, type) for name, type in query.columns))


def _rows(query: Bound, binding: Binding) -> pa.Table:
    with locked_database(binding.files) as database:
        for name, table in binding.tables.items():
            database.register(name, table)
        learned: dict[str, str] = {}
        for before in binding.inferences:
            match before:
                case Learning():
                    learned[before.name] = learned_text(before, learned, database)
                case Inference():
                    database.register(before.name, _infer(before, learned, database))
        return rows_of(database, put_in(query.text, learned))


def _infer(inference: Inference, learned: Mapping[str, str], database: duckdb.DuckDBPyConnection) -> pa.Table:
    rows = [rows_of(database, put_in(query.text, learned)) for query in inference.rows]
    return inference.function.table(inference.use, rows).cast(arrow_schema(inference.columns))


def _description(model: Model, graph: ModelGraph, rows: int) -> pa.Table:
    """One row for the person at the prompt: what was made, from how many rows, and how good it is."""
    made = {"model": model.name, "model_type": model.type, "label": model.label, "rows": rows}
    known = {name: graph.facts[name] for name in ("version", "evaluated_on") if name in graph.facts}
    return pa.Table.from_pylist([{**made, **known, **graph.facts.get("evaluation", {})}])


def _message(**columns: str) -> pa.Table:
    return pa.Table.from_pylist([columns])
