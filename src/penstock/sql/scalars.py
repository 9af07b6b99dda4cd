"""One scalar expression of a query as DuckDB text: columns, aggregates, windows and subqueries are its leaves, and all
that stands between them is our operations, so that a function means in a query what it means in a model."""

from __future__ import annotations

import dataclasses
import datetime
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from sqlglot import exp

from penstock.core.expression import Expr, walk
from penstock.core.schema import Field, Schema, element_type, struct_fields
from penstock.errors import ExpressionError, SqlError, UnknownNameError
from penstock.operations import LEARNED, from_ast, is_learned, quoted, sql, sql_literal, type_of
from penstock.sql.aggregates import Aggregate, Call, aggregate_of, apply
from penstock.sql.binding import Binding
from penstock.sql.dialect import Dialect, is_machine_learning, place
from penstock.sql.learning import Learning, is_volatile, put_in
from penstock.sql.scope import Scalar, Scope, field_of, resolve

_WRAPPERS = (exp.IgnoreNulls, exp.RespectNulls)
_CURRENT = (exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentDatetime, exp.CurrentTime)


def bind_scalar(node: exp.Expr, scope: Scope, binding: Binding) -> Scalar:
    """Return a scalar expression as DuckDB text with its type; errors name what has no meaning, and where it is."""
    leaves: dict[str, Scalar] = {}
    written: dict[str, str] = {}

    def replace(part: exp.Expr) -> exp.Expr:
        if isinstance(part, exp.Bracket) and part.args.get("offset") == 1:
            return _from_zero(part)
        leaf = _leaf(part, scope, binding)
        if leaf is None:
            return part
        name = f"leaf {len(leaves)}"
        leaves[name], written[f"`{name}`"] = leaf, part.sql(Dialect)
        return exp.column(exp.to_identifier(name, quoted=True))

    tree = node.transform(replace)
    if isinstance(tree, exp.Column):
        return leaves[tree.name]
    with _said_of(node, written):
        expression = from_ast(cast(exp.Expression, tree))  # every node is one; sqlglot's own types say less
        schema = Schema(tuple(Field(name, leaf.type) for name, leaf in leaves.items()))
        type = type_of(expression, schema)
        texts = {name: leaf.text for name, leaf in leaves.items()}
        if is_learned(expression):
            return Scalar(_learned(expression, schema, texts, scope, binding), type)
        return Scalar(put_in(sql(expression, schema), texts), type)


def _learned(expression: Expr, columns: Schema, texts: Mapping[str, str], scope: Scope, binding: Binding) -> str:
    """Return the name that keeps the place of an expression whose constants are found before the statement runs."""
    function = next(LEARNED[part.op].bigquery for part in walk(expression) if part.op in LEARNED)
    if scope.rows is None:
        raise SqlError(
            f"{function} learns from the rows that a query reads; it stands in the select list of a query without "
            "GROUP BY, or in the TRANSFORM of CREATE MODEL"
        )
    common = ", ".join(f"{fresh} AS ({query.text})" for fresh, query in scope.common.values())
    values = ", ".join(f"{text} AS {quoted(name)}" for name, text in texts.items()) or "NULL"
    rows = f"{f'WITH RECURSIVE {common} ' if common else ''}SELECT {values}{scope.rows}"
    if is_volatile(rows):
        raise SqlError(f"{function} learns from rows that RAND() or GENERATE_UUID() makes anew each time they are read")
    name = binding.fresh("(learned)")
    binding.inferences.append(
        Learning(name=name, function=function, expression=expression, columns=columns, texts=texts, rows=rows)
    )
    return quoted(name)


def _from_zero(node: exp.Bracket) -> exp.Bracket:
    """Read `array[ORDINAL(n)]` as `array[OFFSET(n - 1)]`."""
    node.set("offset", 0)
    node.set(
        "expressions",
        [exp.Sub(this=exp.Paren(this=item), expression=exp.Literal.number(1)) for item in node.expressions],
    )
    return node


@contextmanager
def _said_of(node: exp.Expr, written: Mapping[str, str] | None = None) -> Iterator[None]:
    """Add to an error which part of the text it is about; `written` is what the user wrote for the name of a leaf."""
    try:
        yield
    except (ExpressionError, SqlError) as error:
        message = str(error)
        for name, text in (written or {}).items():
            message = message.replace(name, text)
        about = node.sql(Dialect)
        raise type(error)(f"{message}{'' if about in message else f', in {about}'}{place(node)}") from None


def bind_condition(node: exp.Expr, scope: Scope, binding: Binding, *, clause: str) -> str:
    """Return a condition as DuckDB text; an expression that is not a bool is an error that names the clause."""
    bound = bind_scalar(node, scope, binding)
    if bound.type not in ("bool", "null"):
        raise SqlError(f"{clause} takes a bool, but {node.sql(Dialect)}{place(node)} is {bound.type}")
    return bound.text


def bind_order(items: Sequence[exp.Ordered], scope: Scope, binding: Binding) -> str:
    """Return the keys of an ORDER BY; NULLs come first when ascending and last when descending, as in BigQuery."""
    return ", ".join(order_key(item, bind_scalar(item.this, scope, binding)) for item in items)


def order_key(item: exp.Ordered, value: Scalar) -> str:
    """Return one key of an ORDER BY. NaN is less than every number in BigQuery's order, greater in DuckDB's."""
    text = value.text
    if value.type == "float64":
        text = f"CASE WHEN isnan({text}) THEN CAST('-inf' AS DOUBLE) ELSE {text} END"
    order = "DESC" if item.args.get("desc") else "ASC"
    return f"{text} {order} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


def _leaf(node: exp.Expr, scope: Scope, binding: Binding) -> Scalar | None:
    """Return what a node stands for if it is a leaf of the expression around it, None if it is an operation."""
    match node:
        case exp.Column():
            if isinstance(node.this, exp.Star):
                raise SqlError(f"{node.sql(Dialect)}{place(node)} can stand alone in a select list, and nowhere else")
            return resolve(node, scope)
        case exp.Dot(expression=exp.Identifier()) if not is_machine_learning(node):
            return field_of(bind_scalar(node.this, scope, binding), node.expression.name)
        case exp.Subquery() | exp.Exists():
            return _subquery(node, scope, binding)
        case exp.In() if node.args.get("query") or node.args.get("unnest"):
            return _membership(node, scope, binding)
        case exp.Array() if any(isinstance(item, exp.Query) for item in node.expressions):
            text, type = _values(node.expressions[0], node, scope, binding)
            return Scalar(f"ARRAY({text})", f"array<{type}>")
        case exp.Array() if any(isinstance(item, exp.Struct | exp.Tuple) for item in node.expressions):
            return _structs(node, scope, binding)
        case exp.Struct() | exp.Tuple():
            return _struct(node, scope, binding)
        case exp.Window() if not is_machine_learning(node.this):
            return _window(node, scope, binding)
        case exp.Parameter() | exp.Placeholder():
            raise SqlError(f"the query parameter {node.sql(Dialect)}{place(node)} has no value here; write the value")
        case exp.Grouping(expressions=[key]):
            return Scalar(f"CAST(grouping({bind_scalar(key, scope, binding).text}) AS BIGINT)", "int64")
        case exp.Rand():
            return Scalar("random()", "float64")
        case exp.Uuid():
            return Scalar("CAST(uuid() AS VARCHAR)", "string")
    if isinstance(node, _CURRENT):
        return _now(node, binding.now)
    function = node.this if isinstance(node, _WRAPPERS) else node
    if isinstance(function, exp.AnyValue) and isinstance(having := function.this, exp.HavingMax):
        by = exp.ArgMax if having.args.get("max") else exp.ArgMin
        return _leaf(by(this=having.this, expression=having.expression), scope, binding)
    if (aggregate := aggregate_of(function)) is not None:
        if aggregate.window_only:
            raise SqlError(f"{aggregate.name}{place(node)} needs a window; write {aggregate.name}(...) OVER (...)")
        return _aggregate(node, aggregate, "", scope, binding)
    return None


def _subquery(node: exp.Expr, scope: Scope, binding: Binding) -> Scalar:
    if isinstance(node, exp.Exists):
        inner = binding.query(node.this, Scope(outer=scope, common=scope.common), binding)
        return Scalar(f"EXISTS ({inner.text})", "bool")
    text, type = _values(node, node, scope, binding)
    return Scalar(f"({text})", type)


def _values(query: exp.Expr, node: exp.Expr, scope: Scope, binding: Binding) -> tuple[str, str]:
    """Return a query of one column, or of structs, as text, and the type of its values."""
    inner = binding.query(query, Scope(outer=scope, common=scope.common), binding)
    if not inner.row:
        if len(inner.columns) != 1:
            given = len(inner.columns)
            raise SqlError(
                f"a subquery used as a value{place(node)} gives one column; this one gives {given}: choose one, or "
                "write SELECT AS STRUCT"
            )
        return inner.text, inner.columns[0][1]
    fresh = quoted(binding.fresh("rows"))
    pairs = ", ".join(f"{quoted(name)} := {fresh}.{quoted(name)}" for name, _ in inner.columns)
    members = ", ".join(f"{name} {type}" for name, type in inner.columns)
    return f"SELECT struct_pack({pairs}) FROM ({inner.text}) AS {fresh}", f"struct<{members}>"


def _membership(node: exp.In, scope: Scope, binding: Binding) -> Scalar:
    """`x IN (SELECT ...)` and `x IN UNNEST(array)`, with SQL's three-valued answer."""
    value = bind_scalar(node.this, scope, binding)
    if value.type.startswith("struct<"):
        raise SqlError(
            f"{node.sql(Dialect)}{place(node)} looks for a row; write EXISTS (SELECT 1 FROM ... WHERE a = x AND b = y)"
        )
    if query := node.args.get("query"):
        members, member_type = _values(query.unnest(), query, scope, binding)
    else:
        array = bind_scalar(node.args["unnest"].expressions[0], scope, binding)
        members, member_type = f"SELECT unnest({array.text})", element_type(array.type)
    types = Schema((Field("value", value.type), Field("member", member_type)))
    with _said_of(node):  # what cannot be compared is an error
        type_of(Expr("eq", (Expr("column", ("value",)), Expr("column", ("member",)))), types)
    return Scalar(f"(({value.text}) IN ({members}))", "bool")


def _struct(node: exp.Struct | exp.Tuple, scope: Scope, binding: Binding, called: Sequence[str] = ()) -> Scalar:
    """Bind a struct; `called` are the names of its fields where it stands in an array after one that names them."""
    names, values = list(called), []
    for position, item in enumerate(node.expressions, start=1):
        named = isinstance(item, exp.PropertyEQ)
        if not called:
            own = item.this.name if named else item.alias_or_name if isinstance(item, exp.Alias | exp.Column) else ""
            names.append(own or f"_field_{position}")
        values.append(bind_scalar(item.expression if named else item.unalias(), scope, binding))
    if len(names) != len(values):
        raise SqlError(f"{node.sql(Dialect)}{place(node)} has {len(values)} fields; the first one has {len(names)}")
    pairs = ", ".join(f"{quoted(name)} := {value.text}" for name, value in zip(names, values, strict=True))
    members = ", ".join(f"{name} {value.type}" for name, value in zip(names, values, strict=True))
    return Scalar(f"struct_pack({pairs})", f"struct<{members}>")


def _structs(node: exp.Array, scope: Scope, binding: Binding) -> Scalar:
    """`[STRUCT(1 AS a), STRUCT(2)]`: the first struct says how the fields are called."""
    [first, *others] = node.expressions
    built = isinstance(first, exp.Struct | exp.Tuple)
    bound = [_struct(first, scope, binding) if built else bind_scalar(first, scope, binding)]
    called = [name for name, _ in struct_fields(bound[0].type)] if built else ()
    type = bound[0].type
    for item in others:
        bound.append(
            _struct(item, scope, binding, called)
            if isinstance(item, exp.Struct | exp.Tuple)
            else bind_scalar(item, scope, binding)
        )
        common = _common_struct(type, bound[-1].type)
        if common is None:
            raise SqlError(f"an array holds values of one type; here are {type} and {bound[-1].type}{place(item)}")
        type = common
    return Scalar(f"[{', '.join(value.text for value in bound)}]", f"array<{type}>")


def _common_struct(one: str, other: str) -> str | None:
    """Return the type of two structs of which a field may be NULL in one; None where there is none."""
    if one == other or not (one.startswith("struct<") and other.startswith("struct<")):
        return one if one == other else None
    pairs = list(zip(struct_fields(one), struct_fields(other), strict=False))
    members = [(name, given if type == "null" else type) for (name, type), (_, given) in pairs]
    fits = all(
        name == called and (given in (type, "null") or type == "null") for (name, type), (called, given) in pairs
    )
    same = len(struct_fields(one)) == len(struct_fields(other))
    return f"struct<{', '.join(f'{name} {type}' for name, type in members)}>" if fits and same else None


def _window(node: exp.Window, scope: Scope, binding: Binding) -> Scalar:
    function = node.this.this if isinstance(node.this, _WRAPPERS) else node.this
    aggregate = aggregate_of(function)
    if aggregate is None:
        raise SqlError(f"{function.sql(Dialect)}{place(node)} is no window function that penstock has")
    named = scope.windows.get(node.alias.lower()) if node.alias else node
    if named is None:
        raise UnknownNameError("window", node.alias, scope.windows)
    partition, order, frame = (
        node.args.get(name) or named.args.get(name) for name in ("partition_by", "order", "spec")
    )
    parts = []
    if partition:
        parts.append("PARTITION BY " + ", ".join(bind_scalar(item, scope, binding).text for item in partition))
    if order:
        parts.append("ORDER BY " + bind_order(order.expressions, scope, binding))
    if frame:
        parts.append(_frame(frame))
    return _aggregate(node.this, aggregate, f" OVER ({' '.join(parts)})", scope, binding)


def _frame(spec: exp.WindowSpec) -> str:
    def bound(edge: str) -> str:
        value = spec.args.get(edge) or "CURRENT ROW"
        if isinstance(value, exp.Expr):
            if not (isinstance(value, exp.Literal) and value.is_int):
                raise SqlError(f"a window frame{place(value)} is bounded by a number of rows")
            value = value.name
        side = spec.args.get(f"{edge}_side") or ""
        return f"{value} {side}".strip()

    return f"{spec.args['kind']} BETWEEN {bound('start')} AND {bound('end')}"


def bind_aggregate(node: exp.Expr, after: str, scope: Scope, binding: Binding) -> Scalar:
    """Return a call of an aggregate, with `after` it; an error for what calls none."""
    aggregate = aggregate_of(node.this if isinstance(node, _WRAPPERS) else node)
    if aggregate is None or aggregate.window_only:
        raise SqlError(f"{node.sql(Dialect)}{place(node)} is no aggregate: SUM(x), COUNT(*), ...")
    return _aggregate(node, aggregate, after, scope, binding)


def _aggregate(node: exp.Expr, aggregate: Aggregate, over: str, scope: Scope, binding: Binding) -> Scalar:
    """Bind a call of an aggregate with what stands around its arguments: DISTINCT, ORDER BY, LIMIT, IGNORE NULLS."""
    inside = dataclasses.replace(scope, aliases={})  # an aggregate reads rows, where select aliases are not there yet
    ignore_nulls = isinstance(node, exp.IgnoreNulls)
    function = node.this if isinstance(node, _WRAPPERS) else node
    first, distinct, order, limit = _unwrap(function.this)
    others = [function.args.get(key) for key in function.arg_types if key != "this"]
    nodes = [item for item in (first, *others) if isinstance(item, exp.Expr) and not isinstance(item, exp.Star)]
    values = [bind_scalar(item, inside, binding) for item in nodes]
    suffix = f" ORDER BY {bind_order(order.expressions, inside, binding)}" if order else ""
    if ignore_nulls and aggregate.window_only:
        suffix += " IGNORE NULLS"
    elif ignore_nulls:
        over = f" FILTER (({values[0].text}) IS NOT NULL){over}"
    call = Call(
        arguments=[value.text for value in values],
        types=[value.type for value in values],
        constants=[item.name if isinstance(item, exp.Literal) else None for item in nodes],
        distinct=distinct,
        inside=suffix,
        after=over,
        limit=limit,
    )
    with _said_of(node):
        text, type = apply(aggregate, call)
    return Scalar(text, type)


def _unwrap(argument: exp.Expr | None) -> tuple[exp.Expr | None, bool, exp.Order | None, str]:
    """Take the first argument of an aggregate out of `DISTINCT argument ORDER BY keys LIMIT number`."""
    limit, distinct = "", False
    order: exp.Order | None = None
    if isinstance(argument, exp.Limit):
        limit = argument.expression.name
        if not limit.isdigit():
            raise SqlError(f"LIMIT{place(argument)} inside an aggregate takes a whole number")
        argument = argument.this
    if isinstance(argument, exp.Order):
        order = argument
        argument = order.this
    if isinstance(argument, exp.Distinct):
        if len(argument.expressions) != 1:
            raise SqlError(f"DISTINCT{place(argument)} takes one expression inside an aggregate")
        argument, distinct = argument.expressions[0], True
    if isinstance(argument, exp.HavingMax):
        raise SqlError(f"HAVING MAX{place(argument)} is not in penstock yet; write MAX_BY(value, key) or MIN_BY")
    return argument, distinct, order, limit


def _now(node: exp.Expr, now: datetime.datetime) -> Scalar:
    """`CURRENT_TIMESTAMP()` and its kin: one instant for the whole statement."""
    zone = "UTC"
    if node.this is not None:
        zone = node.this.name if isinstance(node.this, exp.Literal) else ""
        if zone not in zoneinfo.available_timezones():
            raise SqlError(f"{node.sql(Dialect)}{place(node)} takes the name of a time zone, such as 'Europe/London'")
    local = now.astimezone(zoneinfo.ZoneInfo(zone))
    match node:
        case exp.CurrentDate():
            return Scalar(sql_literal(local.date(), "date"), "date")
        case exp.CurrentTime():
            return Scalar(sql_literal(local.time(), "time"), "time")
        case exp.CurrentDatetime():
            return Scalar(sql_literal(local.replace(tzinfo=None), "datetime"), "datetime")
    return Scalar(sql_literal(now, "timestamp"), "timestamp")
