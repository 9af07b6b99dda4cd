"""The Python form: an expression written as the code that declares it. `eval(python(e)) == e`."""

from __future__ import annotations

import keyword
import math
from typing import Any

from penstock.core.expression import Expr, literal
from penstock.errors import DeclarationError
from penstock.operations.construct import method_name
from penstock.operations.modules import arguments_of

_OPERATORS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "and": "&",
    "or": "|",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
}
_ARITHMETIC = ("add", "subtract", "multiply", "divide")
_PREFIXES = {"not": "~", "negate": "-"}


def python(expr: Expr) -> str:
    """Write an expression as Python code, over `import penstock as ps` (and `import datetime` for dates and times)."""
    match expr.op, expr.args:
        case "column", (name,):
            return f"ps.col({_quoted(name)})"
        case "literal", _:
            return _declared(expr)
        case "feature", (reference,):
            return f"ps.feature({_quoted(reference)})"
        case "request", (name, type):
            return f"ps.request({_quoted(name)}{'' if type == 'float64' else f', {_quoted(type)}'})"
        case "threshold", (low, high, steps, name):
            return f"ps.threshold({low!r}, {high!r}, {steps}{'' if name is None else f', name={_quoted(name)}'})"
        case op, (x, y) if op in _OPERATORS:
            left = _value(x) if op in _ARITHMETIC and _is_number(x) and y.op != "literal" else _operand(x)
            return f"{left} {_OPERATORS[op]} {_argument(y) if y.op == 'literal' else _operand(y)}"
        case op, (x,) if op in _PREFIXES:
            return f"{_PREFIXES[op]}{_operand(x)}"
        case "struct", (names, *values):
            return _struct(names.args[0], [_argument(value) for value in values])
        case "module", (x, *others, arguments) if len(others) == 2:
            named = [f"{name}={value_text(value)}" for name, value in arguments_of(arguments.args[0]).items()]
            return f"{_operand(x)}.module({', '.join([*map(_argument, others), *named])})"
    receiver, *others = expr.args
    applied = f"({python(receiver)})" if receiver.op in _PREFIXES else _operand(receiver)
    return f"{applied}.{method_name(expr.op)}({', '.join(map(_argument, others))})"


def _operand(expr: Expr) -> str:
    """Write what an operator is applied to; the two prefixes bind closer than every operator between two."""
    return f"({python(expr)})" if expr.op in _OPERATORS else python(expr)


def _argument(expr: Expr) -> str:
    """Write an argument: a plain value where Python makes the same literal of it."""
    return _value(expr) if expr.op == "literal" and _is_plain(expr) else python(expr)


def _declared(expr: Expr) -> str:
    """Write a literal by itself; its type is written where the value does not tell."""
    return f"ps.lit({_value(expr)})" if _is_plain(expr) else f"ps.lit({_value(expr)}, type={_quoted(expr.args[1])})"


def _is_plain(expr: Expr) -> bool:
    try:
        return literal(expr.args[0]) == expr
    except DeclarationError:
        return False


def _is_number(expr: Expr) -> bool:
    return expr.op == "literal" and isinstance(expr.args[0], int | float) and _is_plain(expr)


def _value(expr: Expr) -> str:
    return value_text(expr.args[0])


def value_text(value: Any) -> str:
    """Write a plain value as Python code; a tuple as the list that a user would write."""
    match value:
        case str():
            return _quoted(value)
        case float() if not math.isfinite(value):
            return f'float("{value}")'
        case tuple() | list():
            return f"[{', '.join(map(value_text, value))}]"
        case dict():
            return f"{{{', '.join(f'{value_text(key)}: {value_text(item)}' for key, item in value.items())}}}"
    return repr(value).replace("datetime.timezone.utc", "datetime.UTC")


def _quoted(text: str) -> str:
    """Write a string in double quotes, as formatters do, unless that needs more escapes."""
    written = repr(text)
    return written if '"' in text or "\\'" in written or written[0] == '"' else f'"{written[1:-1]}"'


def _struct(names: tuple[str, ...], values: list[str]) -> str:
    if all(name.isidentifier() for name in names) and not any(map(keyword.iskeyword, names)):
        return f"ps.struct({', '.join(f'{name}={value}' for name, value in zip(names, values, strict=True))})"
    pairs = ", ".join(f"{_quoted(name)}: {value}" for name, value in zip(names, values, strict=True))
    return f"ps.struct(**{{{pairs}}})"
