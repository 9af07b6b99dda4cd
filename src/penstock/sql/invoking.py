"""A table function of ML in a FROM clause: its arguments checked, and what must run before the query around it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from penstock.core.schema import Field, Schema
from penstock.errors import DataError, DeclarationError, SqlError, UnknownNameError
from penstock.models import ModelGraph
from penstock.models.fitting.trials import check_trial
from penstock.operations import quoted
from penstock.sql.binding import Binding, Inference
from penstock.sql.dialect import Dialect, MachineLearningTable, place
from penstock.sql.inferences import FUNCTIONS, OTHERS
from penstock.sql.scalars import bind_scalar
from penstock.sql.scope import Bound, Scope
from penstock.sql.statements import dotted
from penstock.sql.table_functions import TableFunction, Use, check_settings
from penstock.tables import query


def bind_inference(
    node: MachineLearningTable, scope: Scope, binding: Binding
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Note an inference to run first; return the name of the table that it will give, and its columns."""
    name = str(node.this)
    function, within = _function(name, node), f"ML.{name}{place(node)}"
    inputs = node.args.get("rows") or []
    least, most = function.rows
    if not least <= len(inputs) <= most:
        takes = {(0, 0): "takes no rows", (2, 2): "needs two tables"}.get(function.rows, "needs rows")
        raise SqlError(f"{within} {takes}: {function.usage(name)}")
    given = dict(_settings(node, function, binding, within))
    graph = _graph(node, function, binding, within)
    if graph is not None and (stage := _stage(given, within)) is not None:
        graph = graph.stage(stage)
    settings = check_settings(function, given, within=within)
    _check_trial(graph, function, settings, within, told=not inputs)
    rows = tuple(_rows(item, scope, binding) for item in inputs)
    use = Use(graph=graph, inputs=tuple(_schema(query) for query in rows), settings=settings)
    columns = function.columns(use)
    fresh = binding.fresh(name.lower())
    binding.inferences.append(Inference(function=function, use=use, rows=rows, columns=columns, name=fresh))
    return quoted(fresh), tuple((column.name, column.type) for column in columns)


def _function(name: str, node: exp.Expr) -> TableFunction:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    there = [f"ML.{function}" for function in FUNCTIONS]
    if name in OTHERS:
        raise SqlError(f"ML.{name}{place(node)} is not in penstock yet; there are: {', '.join(there)}")
    raise UnknownNameError("table function", f"ML.{name}", there)


def _graph(node: MachineLearningTable, function: TableFunction, binding: Binding, within: str) -> ModelGraph | None:
    model = node.args.get("model")
    if model is None and function.needs_model:
        raise SqlError(f"{within} needs a model: {function.usage(str(node.this))}")
    if model is None:
        return None
    if not function.needs_model:
        raise SqlError(f"{within} takes no model; leave MODEL {dotted(model)} out")
    return binding.model(dotted(model))


def _stage(given: dict[str, Any], within: str) -> str | None:
    """Take the setting `stage` out, which every function of a model has: it asks a stage of a cascade."""
    name = next((each for each in given if each.lower() == "stage"), None)
    stage = given.pop(name) if name is not None else None
    if not (stage is None or isinstance(stage, str)):
        raise SqlError(f"{within}: the setting stage cannot be {stage!r}; it takes a stage's name, as 'rare_model'")
    return stage


def _check_trial(
    graph: ModelGraph | None, function: TableFunction, settings: dict[str, Any], within: str, *, told: bool
) -> None:
    """Refuse a trial that there is not; and one that is not kept, unless only what is told of it is asked for."""
    trial = settings.get("trial_id")
    if graph is None or trial is None:
        return
    try:
        check_trial(graph, trial, kept=not (told and function.tells_trials))
    except (DataError, DeclarationError) as error:
        raise SqlError(f"{within}: {error}") from error


def _rows(node: exp.Expr, scope: Scope, binding: Binding) -> Bound:
    """Bind the input query. It runs on its own, before the query around it, so it sees common tables and no rows."""
    bound = binding.query(node, dataclasses.replace(binding.root, common=scope.common), binding)
    common = ", ".join(f"{fresh} AS ({query.text})" for fresh, query in scope.common.values())
    return Bound(f"WITH RECURSIVE {common} {bound.text}" if common else bound.text, bound.columns)


def _schema(query: Bound) -> Schema:
    return Schema(tuple(Field(name, type) for name, type in query.columns))


def _settings(
    node: MachineLearningTable, function: TableFunction, binding: Binding, within: str
) -> Iterator[tuple[str, Any]]:
    """Yield the settings by their names, as written: fields of a STRUCT, `name => value`, or a value alone."""
    for item in node.args.get("settings") or ():
        match item:
            case exp.Struct():
                yield from (_named(member, binding, within) for member in item.expressions)
            case exp.Kwarg():
                yield item.this.name, _constant(item.expression, binding)
            case _ if function.bare:
                yield function.bare, _constant(item, binding)
            case _:
                raise SqlError(
                    f"{within} does not take {item.sql(Dialect)}{place(item)}; a setting is a field of a STRUCT"
                    + (f", such as STRUCT(... AS {next(iter(function.settings))})" if function.settings else "")
                )


def _named(member: exp.Expr, binding: Binding, within: str) -> tuple[str, Any]:
    match member:
        case exp.PropertyEQ():
            return member.this.name, _constant(member.expression, binding)
        case exp.Alias():
            return member.alias, _constant(member.this, binding)
    raise SqlError(f"{within}: the setting {member.sql(Dialect)}{place(member)} has no name; add AS and its name")


def _constant(node: exp.Expr, binding: Binding) -> Any:
    """Return the value of an expression without columns; structs become tuples."""
    match node:
        case exp.Array():
            return [_constant(item, binding) for item in node.expressions]
        case exp.Tuple() | exp.Struct():
            return tuple(_constant(item, binding) for item in node.expressions)
        case exp.PropertyEQ() | exp.Alias():
            return _constant(node.expression if isinstance(node, exp.PropertyEQ) else node.this, binding)
    value = bind_scalar(node, binding.root, binding)
    return query(f"SELECT {value.text} AS value").column(0)[0].as_py()
