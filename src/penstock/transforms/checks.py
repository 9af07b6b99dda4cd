"""Checks: what a schema and rules say of each row, as DuckDB texts that are true where a row is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock import operations
from penstock.core.expression import Expr, columns_of, transform
from penstock.core.schema import Schema
from penstock.errors import DeclarationError
from penstock.operations import quoted, sql, sql_literal, sql_type, type_of
from penstock.transforms.anomalies import Severity
from penstock.transforms.rules import Rule, other_table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Check:
    """What can be asked of one row by itself. `shown` are the columns whose values are its examples; `known` is true
    for the rows whose range is told. `beyond` is true of the least `v0` and the greatest `v1` of its column where some
    row is wrong, if these tell it."""

    kind: str
    wrong: str
    text: str  # what is said of the rows that are wrong
    column: str | None = None
    shown: tuple[str, ...] = ()
    expected: Any = None
    at_most: float = 0.0  # the share of rows that may be wrong
    severity: Severity | None = None
    known: str = "true"
    beyond: str = ""


def column_checks(expected: dict[str, Any], type: str) -> Iterator[Check]:
    """Yield the checks of one column, whose values have the type that is expected."""
    name, text = expected["name"], quoted(expected["name"])

    def check(kind: str, wrong: str, said: str, wanted: Any) -> Check:
        return Check(kind=kind, wrong=wrong, text=said, column=name, shown=(name,), expected=wanted)

    if expected.get("finite"):
        yield check("not_finite", f"NOT isfinite({text})", "has NaN or infinities, where none were", 0)
    if (domain := expected.get("domain")) is not None:
        yield check("out_of_domain", _outside(text, domain, type), "has values never seen before", domain)
    low, high = expected.get("min"), expected.get("max")
    if beyond := [f"{text} {sign} {constant(end, type)}" for sign, end in (("<", low), (">", high)) if end is not None]:
        wrong = f"({' OR '.join(beyond)})"
        known = f"isfinite({text})" if type == "float64" else "true"
        signs = (("v0 <", low), ("v1 >", high))
        ends = [f"{sign} {constant(end, type)}" for sign, end in signs if end is not None]
        told = "" if type == "float64" else f"({' OR '.join(ends)})"  # NaN and infinities are ends of no range
        yield replace(check("out_of_range", f"{known} AND {wrong}", "", [low, high]), known=known, beyond=told)
    shortest, longest = expected.get("min_length"), expected.get("max_length")
    if lengths := [
        f"length({text}) {sign} {int(end)}" for sign, end in (("<", shortest), (">", longest)) if end is not None
    ]:
        yield check("wrong_length", f"({' OR '.join(lengths)})", "has texts of another length", [shortest, longest])
    if (pattern := expected.get("matches")) is not None:
        matched = f"regexp_full_match({text}, {sql_literal(pattern, 'string')}, 's')"
        yield check("no_match", f"NOT {matched}", f"has texts that do not match {pattern!r}", pattern)


def rule_check(rule: Rule, schema: Schema, empty: Mapping[str, str]) -> Check:
    """Return the check of a rule about each row; columns that are `empty` are read as of the type that is given."""
    name, severity = rule["name"], rule["severity"]
    if "found_in" in rule:
        table, column = other_table(rule)
        text, key = quoted(rule["column"]), quoted(column)
        wrong = f"({text} IS NOT NULL AND {text} NOT IN (SELECT {key} FROM {quoted(table)} WHERE {key} IS NOT NULL))"
        return Check(
            kind="not_found",
            wrong=wrong,
            text=f"has values that '{rule['found_in']}' lacks",
            column=rule["column"],
            shown=(rule["column"],),
            expected=rule["found_in"],
            severity=severity,
        )
    expr = transform(operations.parse(rule["holds"]), lambda each: _as_empty(each, empty))
    if (type := type_of(expr, schema)) != "bool":
        raise DeclarationError(f"the rule {rule['holds']!r} is {type}, and a rule is true or false: compare it")
    share = f" in all but {rule['at_most']:.0%} of the rows" if rule.get("at_most") else ""
    return Check(
        kind="rule",
        wrong=f"NOT ({sql(expr, schema)})",
        text=f"rule '{name}' does not hold{share}",
        shown=tuple(columns_of(expr)),
        expected=rule["holds"],
        at_most=rule.get("at_most", 0.0),
        severity=severity,
    )


def _as_empty(expr: Expr, empty: Mapping[str, str]) -> Expr:
    return (
        operations.col(expr.args[0]).cast(empty[expr.args[0]])
        if expr.op == "column" and expr.args[0] in empty
        else expr
    )


def constant(value: Any, type: str) -> str:
    """Return a value of a schema as SQL: times are ISO texts there."""
    return f"CAST({sql_literal(str(value), 'string')} AS {sql_type(type)})"


def _outside(text: str, domain: Sequence[Any], type: str) -> str:
    """A short list is compared with, a longer one joined: DuckDB goes through a list anew for each row."""
    constants = [constant(value, type) for value in domain]
    if not constants:
        return f"{text} IS NOT NULL"
    if len(constants) <= 3:
        return f"{text} NOT IN ({', '.join(constants)})"
    rows = ", ".join(f"({each})" for each in constants)
    return f"{text} NOT IN (SELECT v FROM (VALUES {rows}) AS domain(v))"
