"""Expressions and other plain values as JSON, exactly: every float, date and type comes back as it was."""

from __future__ import annotations

import base64
import datetime
import math
from typing import Any

from penstock.core.expression import Expr
from penstock.core.schema import element_type
from penstock.operations.fluent import Expression


def expression_to_json(expr: Expr) -> list[Any]:
    """Return `["add", ["column", "km"], ["literal", "float64", 1.5]]`."""
    match expr.op:
        case "column" | "feature" | "request" | "threshold":
            return [expr.op, *expr.args]
        case "literal":
            value, type = expr.args
            return ["literal", type, value_to_json(value, type)]
    return [expr.op, *map(expression_to_json, expr.args)]


def expression_from_json(tree: list[Any]) -> Expression:
    """Return the expression of such a tree."""
    match tree:
        case [("column" | "feature") as op, str() as name]:
            return Expression(op, (name,))
        case ["request", str() as name, str() as type]:
            return Expression("request", (name, type))
        case ["threshold", low, high, int() as steps, name]:
            return Expression("threshold", (float(low), float(high), steps, name))
        case ["literal", str() as type, value]:
            return Expression("literal", (value_from_json(value, type), type))
    return Expression(tree[0], tuple(map(expression_from_json, tree[1:])))


def value_to_json(value: Any, type: str) -> Any:
    """Return a value of one of our types as JSON: what JSON lacks becomes text."""
    match value:
        case float() if not math.isfinite(value):
            return repr(value)
        case bytes():
            return base64.b64encode(value).decode()
        case datetime.date() | datetime.time():
            return value.isoformat()
        case tuple() | list():
            return [value_to_json(item, element_type(type)) for item in value]
    return value


def value_from_json(value: Any, type: str) -> Any:
    """Return the value that `value_to_json` wrote."""
    match type, value:
        case _, None:
            return None
        case "float64", _:
            return float(value)
        case "bytes", str():
            return base64.b64decode(value)
        case "date", str():
            return datetime.date.fromisoformat(value)
        case "time", str():
            return datetime.time.fromisoformat(value)
        case (("datetime" | "timestamp"), str()):
            return datetime.datetime.fromisoformat(value)
        case _, list():
            return tuple(value_from_json(item, element_type(type)) for item in value)
    return value
