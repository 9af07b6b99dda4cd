"""LIKE against one pattern or several: how its syntax reads as operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from penstock.core.expression import Expr, literal
from penstock.errors import SqlError
from penstock.operations.construct import call
from penstock.operations.fluent import Expression, lit
from penstock.operations.functions import Read


def read_like(node: exp.Like, read: Read) -> Expression:
    """Read LIKE, NOT LIKE and each with ANY, SOME or ALL of a list of patterns or of UNNEST([...])."""
    x, quantifier = read(node.this), node.expression
    negated = bool(node.args.get("negate"))
    if not isinstance(quantifier, exp.Any | exp.All):
        return _one(x, read(quantifier), negated)
    found = [_one(x, pattern, negated) for pattern in _patterns(quantifier.this, node, read)]
    if not found:
        return lit(isinstance(quantifier, exp.All))
    result = found[0]
    for other in found[1:]:
        result = result & other if isinstance(quantifier, exp.All) else result | other
    return result


def _one(x: Expression, pattern: Expression, negated: bool) -> Expression:
    if pattern.op == "literal" and pattern.args[0] is None:
        return literal(None, as_type="bool", cls=Expression)
    found = call(Expression, "like", x, pattern)
    return ~found if negated else found


def _patterns(listed: Any, node: exp.Like, read: Read) -> Sequence[Expression]:
    if isinstance(listed, exp.Tuple):
        return [read(item) for item in listed.expressions]
    if not isinstance(listed, exp.Unnest) and not (
        isinstance(listed, exp.Anonymous) and listed.name.upper() == "UNNEST"
    ):
        return [read(listed)]
    array: list[Expr] = [read(item) for item in listed.expressions]
    if len(array) != 1 or array[0].op != "literal" or not isinstance(array[0].args[0], tuple):
        raise SqlError(f"{node.sql('bigquery')}: the patterns are a list, or UNNEST of an array of constants")
    return [lit(pattern) for pattern in array[0].args[0]]
