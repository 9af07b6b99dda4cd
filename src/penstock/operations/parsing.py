"""The SQL front of expressions: BigQuery's dialect, parsed by sqlglot, every node mapped by hand or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from sqlglot import exp

from penstock.core.expression import literal
from penstock.core.schema import SCALAR_TYPES
from penstock.errors import DeclarationError, ExpressionError, SqlError
from penstock.operations import readings
from penstock.operations.construct import call
from penstock.operations.dialect import NamedFunctions, tree
from penstock.operations.encoders import ENCODERS
from penstock.operations.fluent import Expression, feature, lit, request
from penstock.operations.functions import LEARNED_FUNCTIONS, function, near, read_arguments
from penstock.operations.intervals import add_interval, is_interval
from penstock.operations.patterns import read_like
from penstock.operations.table import LEARNED, OPERATIONS
from penstock.operations.text import EXTRACTED, OUR_NAMESPACE
from penstock.operations.thresholds import OPEN, read_threshold

__all__ = ["NamedFunctions", "from_ast", "parse"]


def parse(text: str) -> Expression:
    """Return the expression that a text in BigQuery's dialect stands for. Raises `SqlError`."""
    node = tree(text)
    try:
        return from_ast(node)
    except SqlError as error:
        raise SqlError(f"in {text!r}: {error}") from error


def from_ast(node: exp.Expr) -> Expression:
    """Return the expression that a node of sqlglot's tree stands for, in whichever way sqlglot read its functions.

    Raises `SqlError` that names the function or the syntax that we do not have.
    """
    builder = _NODES.get(type(node))
    try:
        if builder is not None:
            return builder(node)
        reason = next((reason for kinds, reason in _REFUSED.items() if isinstance(node, kinds)), "")
        if isinstance(node, exp.Func) and not reason:
            return _reread(node)
    except (DeclarationError, ExpressionError) as error:
        raise SqlError(f"{node.sql('bigquery')}: {error}") from error
    raise SqlError(f"{node.sql('bigquery')}: {reason or 'this is not an expression over one row'}")


def _reread(node: exp.Expr) -> Expression:
    """Read a function that sqlglot gave a class of its own once more, by its name in BigQuery."""
    kept = node.transform(
        lambda part: (
            exp.Anonymous(this=_AT_ZONE, expressions=[part.this, part.args["zone"]])
            if isinstance(part, exp.AtTimeZone)
            else part
        )
    )
    again = tree(kept.sql("bigquery")).this
    if type(again) is type(node):
        raise SqlError(f"{node.sql('bigquery')}: there is no such operation in penstock")
    return from_ast(again)


_AT_ZONE = "PENSTOCK_AT_ZONE"


def _call(name: str, *arguments: Any) -> Expression:
    return call(Expression, name, *arguments)


def _read(nodes: Sequence[exp.Expr]) -> list[Expression]:
    return [from_ast(node) for node in nodes]


def _binary(name: str) -> Callable[[Any], Expression]:
    return lambda node: _call(name, from_ast(node.this), from_ast(node.expression))


def _bits(name: str) -> Callable[[Any], Expression]:
    """Return the reader of an operator of bits: sqlglot reads them all from left to right, which BigQuery does not."""

    def read(node: exp.Binary) -> Expression:
        for side in (node.this, node.expression):
            if isinstance(side, _BIT_OPERATORS) and not isinstance(side, type(node)):
                raise SqlError(f"{node.sql('bigquery')}: put parentheses between different operators of bits")
        return _call(name, from_ast(node.this), from_ast(node.expression))

    return read


def _added(node: exp.Add) -> Expression:
    """Read +, which also adds an INTERVAL to a date."""
    for x, interval in ((node.this, node.expression), (node.expression, node.this)):
        if is_interval(interval):
            return add_interval(x, interval, 1, from_ast)
    return _call("add", from_ast(node.this), from_ast(node.expression))


def _subtracted(node: exp.Sub) -> Expression:
    if is_interval(node.expression):
        return add_interval(node.this, node.expression, -1, from_ast)
    return _call("subtract", from_ast(node.this), from_ast(node.expression))


_BIT_OPERATORS = (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseLeftShift, exp.BitwiseRightShift)


def _column(node: exp.Column) -> Expression:
    """Read `a`, or `a.b.c` as fields of the struct `a`."""
    first, *fields = [part.name for part in node.parts]
    expr = Expression("column", (first,))
    for name in fields:
        expr = _call("field", expr, name)
    return expr


def _number(text: str) -> Expression:
    return lit(int(text)) if text.isdigit() else lit(float(text))


def _literal(node: exp.Literal) -> Expression:
    return lit(node.this) if node.is_string else _number(node.this)


def _negated(node: exp.Neg) -> Expression:
    if isinstance(node.this, exp.Literal) and not node.this.is_string:
        return _number(f"-{node.this.this}") if not node.this.this.isdigit() else lit(-int(node.this.this))
    return _call("negate", from_ast(node.this))


def _not(node: exp.Not) -> Expression:
    if isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null):
        return _call("is_not_null", from_ast(node.this.this))
    return _call("not", from_ast(node.this))


def _is(node: exp.Is) -> Expression:
    match node.expression:
        case exp.Null():
            return _call("is_null", from_ast(node.this))
        case exp.Boolean(this=value):
            return _call("is_true" if value else "is_false", from_ast(node.this))
    raise SqlError(f"{node.sql('bigquery')}: IS takes NULL, TRUE or FALSE")


def _in(node: exp.In) -> Expression:
    """Read IN over a list: constants at once, others one by one; `IN (..., NULL)` is NULL where nothing is found."""
    x = from_ast(node.this)
    if node.args.get("query") is not None:
        _refuse_subquery(node)
    if node.args.get("unnest") is not None:
        listed = [from_ast(item) for item in node.args["unnest"].expressions]
        if len(listed) == 1 and listed[0].op != "literal":
            return _call("in_array", x, listed[0])
        return _call("in", x, *listed)
    items = _read(node.expressions)
    constants = [item for item in items if item.op == "literal" and item.args[0] is not None]
    found = [_call("in", x, literal(tuple(item.args[0] for item in constants), cls=Expression))] if constants else []
    found += [x.eq(item) for item in items if item.op != "literal"]
    found += [literal(None, as_type="bool", cls=Expression)] * any(
        item.op == "literal" and item.args[0] is None for item in items
    )
    result = found[0]
    for other in found[1:]:
        result = result | other
    return result


def _between(node: exp.Between) -> Expression:
    return from_ast(node.this).between(from_ast(node.args["low"]), from_ast(node.args["high"]))


def _if(node: exp.If) -> Expression:
    otherwise = node.args.get("false")
    return _call(
        "if_else",
        from_ast(node.this),
        from_ast(node.args["true"]),
        lit(None) if otherwise is None else from_ast(otherwise),
    )


def _case(node: exp.Case) -> Expression:
    subject = None if node.this is None else from_ast(node.this)
    default = node.args.get("default")
    result = lit(None) if default is None else from_ast(default)
    for branch in reversed(node.args["ifs"]):
        condition = from_ast(branch.this)
        condition = condition if subject is None else subject.eq(condition)
        result = _call("if_else", condition, from_ast(branch.args["true"]), result)
    return result


def _type(node: exp.Expr) -> str:
    name = node.sql("bigquery").lower()
    if name not in SCALAR_TYPES and not name.startswith("array<"):
        raise SqlError(f"the type {name.upper()} is not one of {', '.join(SCALAR_TYPES).upper()}")
    return name


def _cast(node: exp.Cast) -> Expression:
    """Read CAST; of NULL, of a date's text and of 'inf' it is a literal, as is an array of a stated type."""
    target, inner = _type(node.to), node.this
    if isinstance(inner, exp.Null):
        return literal(None, as_type=target, cls=Expression)
    if isinstance(inner, exp.Array):
        array = _array(inner)
        return array if array.op != "literal" else literal(array.args[0], as_type=target, cls=Expression)
    if isinstance(inner, exp.Literal) and inner.is_string:
        reader = _LITERALS.get(target)
        value = reader(inner.this) if reader else None
        if value is not None:
            return literal(value, cls=Expression)
        if target == "float64" and inner.this.lower() in ("inf", "+inf", "-inf", "nan"):
            return lit(float(inner.this))
    return _call("cast", from_ast(inner), target)


_LITERALS: dict[str, Callable[[str], Any]] = {
    "date": readings.read_date,
    "time": readings.read_time,
    "datetime": readings.read_datetime,
    "timestamp": readings.read_timestamp,
}


def _array(node: exp.Array) -> Expression:
    items = _read(node.expressions)
    if any(item.op != "literal" for item in items):
        return _call("array", *items)
    return lit(tuple(item.args[0] for item in items))


def _extract(node: exp.Extract) -> Expression:
    part, x = node.this.sql("bigquery").upper(), node.expression
    if part == "DATETIME":
        zoned = isinstance(x, exp.AtTimeZone)
        return _call("datetime", from_ast(x.this if zoned else x), from_ast(x.args["zone"]) if zoned else "UTC")
    if part == "WEEK(SUNDAY)":
        part = "WEEK"
    if part not in _PARTS:
        raise SqlError(f"EXTRACT has no part {part}{near(part, _PARTS)}")
    if isinstance(x, exp.AtTimeZone):
        return _call(_PARTS[part], from_ast(x.this), from_ast(x.args["zone"]))
    if isinstance(x, exp.Anonymous) and x.this == _AT_ZONE:
        return _call(_PARTS[part], *_read(x.expressions))
    return _call(_PARTS[part], from_ast(x))


def _bracket(node: exp.Bracket) -> Expression:
    """Read [OFFSET(n)] and [ORDINAL(n)], which counts from 1, and their safe forms."""
    first = node.args.get("offset")
    if first not in (0, 1) or len(node.expressions) != 1:
        raise SqlError(f"{node.sql('bigquery')}: write [OFFSET(n)] or [SAFE_OFFSET(n)]")
    place, safe = from_ast(node.expressions[0]), "safe_" * bool(node.args.get("safe"))
    if first == 1:
        place = lit(place.args[0] - 1) if place.op == "literal" else _call(f"{safe}subtract", place, 1)
    return _call(f"{safe}offset", from_ast(node.this), place)


def _dot(node: exp.Dot) -> Expression:
    """Read `ML.F(...)`, our own `PENSTOCK.F(...)`, or a field of a struct."""
    inner = node.expression
    if isinstance(inner, exp.Identifier):
        return _call("field", from_ast(node.this), inner.name)
    if not isinstance(inner, exp.Anonymous):
        inner = tree(inner.sql("bigquery")).this
    space, name = node.this.name.upper(), inner.name.upper()
    if space == OUR_NAMESPACE and name in ("FEATURE", "REQUEST", "THRESHOLD"):
        return _beyond(name.lower(), inner.expressions)
    if space == OUR_NAMESPACE and name.lower() in {**OPERATIONS, **ENCODERS}:
        return _call(name.lower(), *_read(inner.expressions))
    full = f"{space}.{name}"
    if full in LEARNED_FUNCTIONS:
        raise SqlError(f"{full} learns from the training rows; write {node.sql('bigquery')} OVER ()")
    return function(full, inner.expressions, from_ast)


def _beyond(op: str, arguments: Sequence[exp.Expr]) -> Expression:
    """Read PENSTOCK.FEATURE('set:name') or PENSTOCK.REQUEST('name', 'type'), whose arguments are words."""
    words = [from_ast(argument) for argument in arguments]
    if op == OPEN:
        return read_threshold(words)
    texts = all(word.op == "literal" and word.args[1] == "string" for word in words)
    if not texts or not 1 <= len(words) <= (2 if op == "request" else 1):
        raise SqlError(f"{OUR_NAMESPACE}.{op.upper()} takes texts: FEATURE('set:name'), REQUEST('name', 'float64')")
    names = [word.args[0] for word in words]
    return request(*names) if op == "request" else feature(*names)


def _safe(node: exp.SafeFunc) -> Expression:
    """Read `SAFE.F(...)`: the safe form of the operation that F is, or that itself if it never raises."""
    inner = node.this
    plain = (
        _call("generate_array", *_read(inner.expressions))
        if inner.name.upper() == "GENERATE_ARRAY"
        else from_ast(inner)
    )
    name = f"safe_{plain.op}"
    return Expression(name, plain.args) if name in OPERATIONS else plain


def _window(node: exp.Window) -> Expression:
    inner = node.this
    if isinstance(inner, exp.Dot) and not any(
        node.args.get(name) for name in ("partition_by", "order", "spec", "alias")
    ):
        function = inner.expression
        if not isinstance(function, exp.Anonymous):
            function = tree(function.sql("bigquery")).this
        full = f"{inner.this.name}.{function.name}".upper()
        if full in LEARNED_FUNCTIONS:
            operation = LEARNED[LEARNED_FUNCTIONS[full]]
            return _call(operation.name, *read_arguments(operation, function.expressions, from_ast))
        raise SqlError(f"{full} takes no OVER (){near(full, LEARNED_FUNCTIONS)}")
    raise SqlError(f"{node.sql('bigquery')}: a window reads other rows; only ML.* functions with an empty OVER () can")


def _refuse_subquery(node: exp.Expr) -> NoReturn:
    raise SqlError(f"{node.sql('bigquery')}: {_REFUSED[exp.Subquery, exp.Select, exp.Exists]}")


_PARTS = {part: name for name, part in EXTRACTED.items()}

_NODES: dict[type[Any], Callable[[Any], Expression]] = {
    exp.Column: _column,
    exp.Identifier: lambda node: Expression("column", (node.name,)),
    exp.Literal: _literal,
    exp.RawString: lambda node: lit(node.this),
    exp.Boolean: lambda node: lit(bool(node.this)),
    exp.Null: lambda node: lit(None),
    exp.Array: _array,
    exp.Paren: lambda node: from_ast(node.this),
    exp.Neg: _negated,
    exp.Not: _not,
    exp.Is: _is,
    exp.In: _in,
    exp.Between: _between,
    exp.If: _if,
    exp.Case: _case,
    exp.Cast: _cast,
    exp.TryCast: lambda node: _call("safe_cast", from_ast(node.this), _type(node.to)),
    exp.Extract: _extract,
    exp.Bracket: _bracket,
    exp.Dot: _dot,
    exp.SafeFunc: _safe,
    exp.Window: _window,
    exp.Anonymous: lambda node: function(node.name.upper(), node.expressions, from_ast),
    exp.Floor: lambda node: _call("floor", from_ast(node.this)),
    exp.Ceil: lambda node: _call("ceil", from_ast(node.this)),
    exp.BitwiseAnd: _bits("bit_and"),
    exp.BitwiseOr: _bits("bit_or"),
    exp.BitwiseXor: _bits("bit_xor"),
    exp.BitwiseLeftShift: _bits("shift_left"),
    exp.BitwiseRightShift: _bits("shift_right"),
    exp.BitwiseNot: lambda node: _call("bit_not", from_ast(node.this)),
    exp.DPipe: _binary("concat"),
    exp.Add: _added,
    exp.Sub: _subtracted,
    exp.Mul: _binary("multiply"),
    exp.Div: _binary("divide"),
    exp.IntDiv: _binary("div"),
    exp.Mod: _binary("mod"),
    exp.EQ: _binary("eq"),
    exp.NEQ: _binary("ne"),
    exp.LT: _binary("lt"),
    exp.LTE: _binary("le"),
    exp.GT: _binary("gt"),
    exp.GTE: _binary("ge"),
    exp.And: _binary("and"),
    exp.Or: _binary("or"),
    exp.Like: lambda node: read_like(node, from_ast),
}
"""Node class -> its reader. A class that is not here has no meaning in an expression."""

_REFUSED: dict[tuple[type[Any], ...], str] = {
    (
        exp.Subquery,
        exp.Select,
        exp.Exists,
    ): "a subquery reads other rows; an expression sees one row. Join in the query instead",
    (
        exp.CurrentDate,
        exp.CurrentDatetime,
        exp.CurrentTime,
        exp.CurrentTimestamp,
    ): "it changes from call to call, so training and serving would differ; pass its value in as a column",
    (exp.Interval,): "an INTERVAL is no value here; + and - add it to a date or an instant, as DATE_ADD does",
    (exp.Alias,): "an expression has no alias; the feature's name is its key",
    (exp.Star,): "a star is not an expression; name the columns",
    (exp.ByteString,): "write bytes as FROM_HEX('...')",
}
"""Syntax that we know and refuse, and why."""
