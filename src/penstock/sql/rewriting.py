"""Short forms of BigQuery's SQL, written out as the longer ones that say the same, right after a text is parsed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from sqlglot import exp


def written_out(tree: exp.Expr) -> exp.Expr:
    """Return a tree without the short forms below, the innermost first."""
    for node in reversed(list(tree.find_all(exp.Like, exp.In, exp.Cast, exp.NullSafeEQ, exp.NullSafeNEQ))):
        made = _longer(node)
        if made is not None and node is tree:
            tree = made
        elif made is not None:
            node.replace(made)
    return tree


def _longer(node: exp.Expr) -> exp.Expr | None:
    match node:
        case exp.Like(expression=exp.Any() | exp.All()) if not node.args.get("negate"):
            return _any_pattern(node)
        case exp.In(this=exp.Tuple() as row) if node.expressions and not node.args.get("query"):
            return _any_row(row, node)
        case exp.NullSafeEQ():
            return _same(node)
        case exp.NullSafeNEQ():
            return exp.Not(this=exp.Paren(this=_same(node)))
        case exp.Cast(to=exp.DataType() as type) if type.this == exp.DataType.Type.STRUCT:
            return _typed(node.this, type)
        case exp.Cast(this=exp.Array() as array, to=exp.DataType(expressions=[exp.DataType() as type])):
            if type.this == exp.DataType.Type.STRUCT and array.expressions:
                typed = [_typed(item, type) for item in array.expressions]
                return None if None in typed else exp.Array(expressions=typed)
    return None


def _any_pattern(node: exp.Like) -> exp.Expr | None:
    """`x LIKE ANY ('a', 'b')`, as `x LIKE 'a' OR x LIKE 'b'`; ALL with AND."""
    several = node.expression.this
    patterns = several.expressions if isinstance(several, exp.Tuple) else [several.unnest()]
    if isinstance(several, exp.Unnest | exp.Query):
        return None
    each = [exp.Like(this=node.this.copy(), expression=pattern.copy()) for pattern in patterns]
    return _joined(exp.Or if isinstance(node.expression, exp.Any) else exp.And, each)


def _any_row(row: exp.Tuple, node: exp.In) -> exp.Expr | None:
    """`(a, b) IN ((1, 2), (3, 4))`, as `(a = 1 AND b = 2) OR (a = 3 AND b = 4)`."""
    rows = []
    for given in node.expressions:
        if not isinstance(given, exp.Tuple) or len(given.expressions) != len(row.expressions):
            return None
        pairs = zip(row.expressions, given.expressions, strict=True)
        rows.append(_joined(exp.And, [exp.EQ(this=one.copy(), expression=other.copy()) for one, other in pairs]))
    return _joined(exp.Or, rows)


def _same(node: exp.Expr) -> exp.Expr:
    """`a IS NOT DISTINCT FROM b`: equal, or both NULL; never NULL itself."""
    one, other = exp.Paren(this=node.this.copy()), exp.Paren(this=node.expression.copy())
    both = exp.And(
        this=exp.Is(this=one.copy(), expression=exp.Null()), expression=exp.Is(this=other, expression=exp.Null())
    )
    equal = exp.EQ(this=one, expression=other.copy())
    return exp.Coalesce(this=equal, expressions=[both])


def _typed(value: exp.Expr, type: exp.DataType) -> exp.Expr | None:
    """`STRUCT<a INT64>(1)`, as `STRUCT(CAST(1 AS INT64) AS a)`; None where the type does not name its fields."""
    fields = type.expressions
    given = value.expressions if isinstance(value, exp.Tuple | exp.Struct) else [value.unnest()]
    if len(fields) != len(given) or not all(isinstance(field, exp.ColumnDef) for field in fields):
        return None
    members: list[exp.Expr] = []
    for field, item in zip(fields, given, strict=True):
        if isinstance(item, exp.PropertyEQ | exp.Alias):
            return None
        plain = field.kind.this not in (exp.DataType.Type.STRUCT, exp.DataType.Type.ARRAY)
        cast = (
            exp.Cast(this=item.copy(), to=field.kind.copy())
            if plain
            else written_out(exp.Cast(this=item, to=field.kind))
        )
        members.append(exp.PropertyEQ(this=exp.to_identifier(field.name, quoted=True), expression=cast))
    return exp.Struct(expressions=members)


def _joined(word: type[exp.And | exp.Or], parts: Sequence[exp.Expr]) -> exp.Expr:
    return exp.Paren(this=reduce(lambda one, other: word(this=one, expression=other), map(_inside, parts)))


def _inside(part: exp.Expr) -> exp.Expr:
    return part if isinstance(part, exp.Paren) else exp.Paren(this=part)
