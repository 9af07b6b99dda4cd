"""INTERVAL in SQL: there is no such type, but what is added to a date or an instant is read part by part."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from penstock.errors import SqlError
from penstock.operations.construct import call
from penstock.operations.fluent import Expression, lit
from penstock.operations.functions import Read, amount_of

_UNITS = ("year", "month", "day", "hour", "minute", "second")
_SIGN = "([+-]?)"
_SIZES = {"year": (12, "month"), "quarter": (3, "month"), "week": (7, "day")}
"""Part -> how many of another it is."""


def is_interval(node: exp.Expr) -> bool:
    """Tell whether a node is an INTERVAL: a literal, one of an expression, or MAKE_INTERVAL."""
    made = isinstance(node, exp.Anonymous) and node.name.upper() == "MAKE_INTERVAL"
    return made or isinstance(node, exp.Interval | exp.MakeInterval)


def add_interval(x: exp.Expr, interval: exp.Expr, sign: int, read: Read) -> Expression:
    """Return the expression of `x + INTERVAL` (or -): months are added first, then days, then the time."""
    moved = read(x)
    for number, part in _parts(interval, read):
        signed = number if sign > 0 else lit(-number.args[0]) if number.op == "literal" else -number
        moved = call(Expression, "add_interval", moved, signed, part)
    return moved


def _parts(node: exp.Expr, read: Read) -> list[tuple[Expression, str]]:
    if not isinstance(node, exp.Interval):
        return _made(node, read)
    unit = node.args.get("unit")
    if isinstance(unit, exp.IntervalSpan):
        return _together([(lit(number), name) for number, name in _spanned(node, unit)])
    return [_scaled(*amount_of(node, read))]


def _made(node: exp.Expr, read: Read) -> list[tuple[Expression, str]]:
    """Read MAKE_INTERVAL(year, month, day, hour, minute, second), by position or by name."""
    if isinstance(node, exp.MakeInterval):
        given: dict[str, Any] = {name: node.args[name] for name in _UNITS if node.args.get(name) is not None}
    else:
        given = {}
        for place, item in enumerate(node.expressions):
            name = item.this.name.lower() if isinstance(item, exp.Kwarg) else _UNITS[min(place, 5)]
            if name not in _UNITS or name in given:
                raise SqlError(f"{node.sql('bigquery')}: MAKE_INTERVAL takes each of {', '.join(_UNITS)} once")
            given[name] = item
    values = {name: item.expression if isinstance(item, exp.Kwarg) else item for name, item in given.items()}
    return _together([(read(values[name]), name) for name in _UNITS if name in values])


def _together(parts: list[tuple[Expression, str]]) -> list[tuple[Expression, str]]:
    """Bring parts to months, days and what is less, months as one: the day is cut to the length of one month only.

    What is 0 is left out, unless all is: a date becomes a datetime even so.
    """
    scaled = [_scaled(number, name) for number, name in parts]
    months = [number for number, name in scaled if name == "month"]
    kept = [(number, name) for number, name in scaled if name != "month"]
    if months:
        total = months[0]
        for other in months[1:]:
            total = lit(total.args[0] + other.args[0]) if total.op == other.op == "literal" else total + other
        kept = [(total, "month"), *kept]
    return [part for part in kept if part[0].op != "literal" or part[0].args[0] != 0] or [(lit(0), "day")]


def _scaled(number: Expression, part: str) -> tuple[Expression, str]:
    size, of = _SIZES.get(part, (1, part))
    if size == 1:
        return number, part
    return lit(number.args[0] * size) if number.op == "literal" else number * size, of


def _spanned(node: exp.Interval, span: exp.IntervalSpan) -> list[tuple[int, str]]:
    """Read `INTERVAL '1-2 3 4:5:6.7' YEAR TO SECOND` and its like; a sign holds for what it stands before."""
    first, last = (span.this.name.lower(), span.expression.name.lower())
    if not {first, last} <= {*_UNITS} or _UNITS.index(first) >= _UNITS.index(last):
        raise SqlError(f"{node.sql('bigquery')}: there is no INTERVAL {first.upper()} TO {last.upper()}")
    units = _UNITS[_UNITS.index(first) : _UNITS.index(last) + 1]
    groups = [[name for name in units if name in group] for group in (_UNITS[:2], _UNITS[2:3], _UNITS[3:])]
    forms = [
        _SIGN + mark.join(r"(\d+(?:\.\d{1,6})?)" if name == "second" else r"(\d+)" for name in group)
        for group, mark in zip(groups, "- :", strict=True)
        if group
    ]
    text = node.this.name if isinstance(node.this, exp.Literal) else ""
    match = re.fullmatch(" ".join(forms), text)
    if match is None:
        raise SqlError(f"{node.sql('bigquery')}: {text!r} is no INTERVAL {first.upper()} TO {last.upper()}")
    found, values = [], iter(match.groups())
    for group in [group for group in groups if group]:
        sign = -1 if next(values) == "-" else 1
        for name in group:
            whole, _, fraction = next(values).partition(".")
            found.append((sign * int(whole), name))
            if fraction:
                found.append((sign * int(fraction.ljust(6, "0")), "microsecond"))
    return found
