"""Run a SQL text against a catalog: bind each statement, infer what must be inferred, and return the last result."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from penstock.cascades import Cascade
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.errors import ConflictError, SqlError
from penstock.models import ModelGraph
from penstock.sql.altering import said
from penstock.sql.cascading import CASCADE, Known, declare_cascade, known_model
from penstock.sql.catalog import Catalog, Reading, View
from penstock.sql.changing import changed
from penstock.sql.declaration import declare
from penstock.sql.dialect import parse_query
from penstock.sql.executing import (
    Session,
    bound_query,
    declare_variables,
    reading_of,
    rows_of_query,
    schema_of_query,
    set_variables,
)
from penstock.sql.exporting import export
from penstock.sql.queries import bind_query
from penstock.sql.scope import Bound, Scope
from penstock.sql.showing import described_model, described_table
from penstock.sql.statements import (
    AlterModel,
    Change,
    CreateModel,
    CreateTable,
    CreateView,
    Declare,
    Describe,
    Drop,
    ExportModel,
    Mode,
    Query,
    SetVariables,
    Show,
    Statement,
    parse,
)


def run(text: str, catalog: Catalog, *, now: datetime.datetime | None = None) -> pa.Table:
    """Run every statement of a SQL text and return the rows of the last.

    `now` is what CURRENT_TIMESTAMP() answers (default: the clock). A CREATE MODEL answers one row that says what was
    made. Nothing runs before the whole text has been read.
    """
    session = Session(catalog=catalog, now=now or datetime.datetime.now(datetime.UTC))
    results = [_run(statement, session) for statement in parse(text)]
    return results[-1]


def run_query(text: str, catalog: Catalog, *, now: datetime.datetime | None = None) -> tuple[pa.Table, Reading]:
    """Run a text that is one query; return its rows, and where they come from."""
    statement, *others = parse(text)
    if others or not isinstance(statement, Query):
        raise SqlError("rows are given by one query, and by nothing else; run other statements before, each by itself")
    binding = Session(catalog=catalog, now=now or datetime.datetime.now(datetime.UTC)).binding()
    rows = rows_of_query(bound_query(statement.tree, binding), binding)
    return rows, reading_of(text, binding)


def to_model(text: str, catalog: Catalog) -> Model | Cascade:
    """Return the declaration that a CREATE MODEL stands for: equal to what Python makes of it. Nothing is fitted.

    Of several statements it is that of the last, a cascade, which may name the models of those before it.
    """
    before: dict[str, Known] = {}
    for statement in parse(text):
        if not isinstance(statement, CreateModel):
            raise SqlError("only CREATE MODEL statements stand for a model")
        binding = Session(catalog=catalog, now=datetime.datetime.now(datetime.UTC)).binding()
        query = bound_query(statement.query, binding)
        found = _declared(statement, query, catalog, before)
        before[statement.name] = Known(found)
    return found


def _run(statement: Statement, session: Session) -> pa.Table:
    catalog = session.catalog
    match statement:
        case Query(tree=tree):
            binding = session.binding()
            return rows_of_query(bound_query(tree, binding), binding)
        case CreateModel():
            return _create(statement, session)
        case CreateTable():
            return _create_table(statement, session)
        case CreateView():
            return _create_view(statement, session)
        case Change():
            return _change(statement, session)
        case Declare(names=names):
            declare_variables(statement, session)
            return _message(variables=", ".join(names), done="declared")
        case SetVariables(names=names):
            set_variables(statement, session)
            return _message(variables=", ".join(names), done="set")
        case Drop(kind="MODEL", name=name, if_exists=if_exists):
            if if_exists and name not in catalog.model_names():
                return _message(model=name, done="no model of that name to drop")
            catalog.drop(name)
            return _message(model=name, done="dropped")
        case Drop():
            return _drop(statement, session)
        case AlterModel():
            return _alter(statement, catalog)
        case ExportModel(name=name, uri=uri, trial_id=trial):
            path = export(catalog.model(name), uri, catalog.path, catalog.learned_rows(name), trial)
            return _message(model=name, done=f"exported to {path}")
        case Show(what=what):
            there = sorted(catalog.tables_there() if what == "TABLES" else catalog.model_names())
            return pa.table({what.lower()[:-1]: pa.array(there, pa.string())})
        case Describe(kind="MODEL", name=name):
            return described_model(catalog.model(name))
        case Describe(name=name):
            return described_table(session.binding().table(name).columns)


def _create(statement: CreateModel, session: Session) -> pa.Table:
    name, catalog = statement.name, session.catalog
    if statement.mode != "replace" and name in catalog.model_names():
        if statement.mode == "if_not_exists":
            return _message(model=name, done="exists already, nothing was trained")
        raise ConflictError(f"a model named '{name}' exists; write CREATE OR REPLACE MODEL to train it anew")
    binding = session.binding()
    query = bound_query(statement.query, binding)
    model = _declared(statement, query, catalog)
    rows = rows_of_query(query, binding)
    graph = catalog.fit(model, rows, statement.mode, reading_of(statement.text, binding))
    return _description(model, graph, rows.num_rows)


def _declared(
    statement: CreateModel, query: Bound, catalog: Catalog, before: Mapping[str, Known] = FrozenMap({})
) -> Model | Cascade:
    """Return what a CREATE MODEL declares; `before` are the models that a cascade may name beside the catalog's."""
    columns = schema_of_query(query)
    if str(statement.options.get("model_type")).lower() != CASCADE:
        return declare(_placed(statement, catalog), columns)
    return declare_cascade(
        statement, columns, lambda name: before[name] if name in before else known_model(catalog.model(name))
    )


def _placed(statement: CreateModel, catalog: Catalog) -> CreateModel:
    """Return the statement with the path of a model's file as one from the catalog's root."""
    path = statement.options.get("model_path")
    if not isinstance(path, str):
        return statement
    placed = str(catalog.path(path.removeprefix("file://")))
    return replace(statement, options=FrozenMap({**statement.options, "model_path": placed}))


def _create_table(statement: CreateTable, session: Session) -> pa.Table:
    name = statement.name
    there = session.temporary if statement.temporary else session.catalog.tables_there()
    if statement.mode == "if_not_exists" and name in there:
        return _message(table=name, done="exists already, nothing was made")
    if statement.temporary and statement.mode == "create" and name in there:
        raise ConflictError(f"a temporary table '{name}' exists; write CREATE OR REPLACE TEMP TABLE to make it anew")
    binding = session.binding()
    rows = rows_of_query(bound_query(statement.query, binding), binding)
    return _kept(name, rows, statement.mode, reading_of(statement.text, binding), session, statement.temporary)


def _kept(name: str, rows: pa.Table, mode: Mode, reading: Reading, session: Session, temporary: bool) -> pa.Table:
    if temporary:
        session.temporary[name] = (rows, reading)
    else:
        session.catalog.create_table(name, rows, mode, reading)
    return pa.Table.from_pylist([{"table": name, "rows": rows.num_rows}])


def _change(statement: Change, session: Session) -> pa.Table:
    """Make the table anew, with the rows that the statement leaves; what it was is a version before."""
    binding = session.binding()
    rows = rows_of_query(changed(statement, binding), binding)
    reading = reading_of(statement.text, binding)
    return _kept(statement.name, rows, "replace", reading, session, statement.name in session.temporary)


def _create_view(statement: CreateView, session: Session) -> pa.Table:
    """Keep a view's query after it has been bound: a name that is not there is found now, and not when it is read."""
    name, catalog = statement.name, session.catalog
    if statement.mode == "if_not_exists" and name in catalog.tables_there():
        return _message(view=name, done="exists already, nothing was made")
    binding = session.binding()
    binding.expanding.append(name)
    bind_query(parse_query(statement.query), Scope(), binding)
    catalog.create_table(name, View(statement.query), statement.mode, reading_of(statement.text, binding))
    return _message(view=name, done="made")


def _drop(statement: Drop, session: Session) -> pa.Table:
    """Drop a table or a view, each by its own word: one that is meant for the other is a mistake."""
    name, word = statement.name, statement.kind.lower()
    if statement.kind == "TABLE" and session.temporary.pop(name, None) is not None:
        return _message(table=name, done="dropped")
    there = session.catalog.tables_there().get(name)
    if statement.if_exists and there is None:
        return _message(**{word: name}, done=f"no {word} of that name to drop")
    if there is not None and (there.type == "VIEW") != (statement.kind == "VIEW"):
        is_a, other = ("table", "TABLE") if statement.kind == "VIEW" else ("view", "VIEW")
        raise ConflictError(f"'{name}' is a {is_a}; write DROP {other} {name}")
    session.catalog.drop_table(name)
    return _message(**{word: name}, done="dropped")


def _alter(statement: AlterModel, catalog: Catalog) -> pa.Table:
    if statement.if_exists and statement.name not in catalog.model_names():
        return _message(model=statement.name, done="no model of that name to alter")
    catalog.alter(statement.name, said(statement.options))
    return _message(model=statement.name, done="altered")


def _description(model: Model | Cascade, graph: ModelGraph, rows: int) -> pa.Table:
    """One row for the person at the prompt: what was made, from how many rows, and how good it is; of a cascade also
    how good one model of all rows is."""
    made = {"model": model.name, "model_type": graph.facts["type"], "label": model.label, "rows": rows}
    if isinstance(model, Cascade):
        made[f"baseline_{model.metric}"] = graph.facts["baseline"].get(model.metric)
    known = {name: graph.facts[name] for name in ("version", "evaluated_on") if name in graph.facts}
    return pa.Table.from_pylist([{**made, **known, **graph.facts.get("evaluation", {})}])


def _message(**columns: str) -> pa.Table:
    return pa.Table.from_pylist([columns])
