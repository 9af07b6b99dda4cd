"""CREATE TEMP FUNCTION: an expression with a name, put in where later statements of the same text call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from penstock.errors import SqlError, UnknownNameError
from penstock.sql.dialect import Dialect, place


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryFunction:
    """A function of a text: its parameters, each with its type (None: any), its type, and its expression."""

    name: str
    parameters: Mapping[str, exp.DataType | None]
    returns: exp.DataType | None
    body: exp.Expr


def declared_function(tree: exp.Create, known: Mapping[str, TemporaryFunction]) -> TemporaryFunction:
    """Return the function that a CREATE TEMP FUNCTION declares; its expression may call those before it."""
    name = tree.this.this.name
    where = f"the function {name}{place(tree)}"
    if name.upper() in Dialect.Parser.FUNCTIONS:
        raise SqlError(f"{where} has the name of one of BigQuery's; choose another name")
    returns = None
    for item in tree.args["properties"].expressions if tree.args.get("properties") else ():
        match item:
            case exp.TemporaryProperty():
                continue
            case exp.ReturnsProperty():
                returns = _type(item.this)
            case _:
                raise SqlError(f"{where} is made of {item.sql(Dialect)}; penstock has functions of SQL expressions")
    if not isinstance(tree.expression, exp.Paren):
        raise SqlError(f"{where} is an expression in parentheses: CREATE TEMP FUNCTION {name}(x FLOAT64) AS (x * 2)")
    parameters = {item.name.lower(): _type(item.args.get("kind")) for item in tree.this.expressions}
    body = expanded(tree.expression.copy(), known)
    for column in body.find_all(exp.Column):
        if column.table or column.name.lower() not in parameters:
            raise UnknownNameError("parameter", column.sql(Dialect), parameters, within=where)
    return TemporaryFunction(name=name, parameters=parameters, returns=returns, body=body)


def expanded(tree: exp.Expr, known: Mapping[str, TemporaryFunction]) -> exp.Expr:
    """Return a tree with every call of a temporary function replaced by what it stands for; innermost calls first."""
    for call in reversed(list(tree.find_all(exp.Anonymous))):
        function = known.get(call.name.lower())
        if function is None:
            continue
        made = _applied(function, call)
        if call is tree:
            return made
        call.replace(made)
    return tree


def _applied(function: TemporaryFunction, call: exp.Anonymous) -> exp.Expr:
    if len(call.expressions) != len(function.parameters):
        takes = ", ".join(function.parameters)
        raise SqlError(f"{call.sql(Dialect)}{place(call)}: {function.name} takes {takes or 'no arguments'}")
    given = {
        name: _cast(argument, type)
        for (name, type), argument in zip(function.parameters.items(), call.expressions, strict=True)
    }
    body = function.body.transform(
        lambda node: given[node.name.lower()].copy() if isinstance(node, exp.Column) else node
    )
    return _cast(body, function.returns)


def _cast(node: exp.Expr, type: exp.DataType | None) -> exp.Expr:
    inside = exp.Paren(this=node)
    return inside if type is None else exp.Cast(this=inside, to=type.copy())


def _type(node: exp.Expr | None) -> exp.DataType | None:
    return node if isinstance(node, exp.DataType) and node.this != exp.DataType.Type.VARIANT else None
