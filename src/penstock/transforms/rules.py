"""Rules: what rows must be beyond the types and ranges of a schema, as plain JSON that a schema can hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from penstock import operations
from penstock.core.expression import Expr
from penstock.core.units import seconds
from penstock.errors import DeclarationError, UnknownNameError

Rule: TypeAlias = dict[str, Any]
"""Plain JSON: {"name": ..., "severity": "error" or "warning", and what must be: one of KINDS}."""

KINDS = ("holds", "unique", "rows", "fresh", "increasing", "found_in")
_BESIDE = {"holds": ("at_most",), "fresh": ("within",), "found_in": ("column",)}
_OF_ALL = ("name", "severity")


def rule(
    holds: str | Expr | None = None,
    *,
    at_most: float = 0.0,
    unique: str | Sequence[str] | None = None,
    rows: tuple[int | None, int | None] | None = None,
    fresh: str | None = None,
    within: float | str | None = None,
    increasing: str | None = None,
    column: str | None = None,
    found_in: str | None = None,
    name: str = "",
    severity: str = "error",
) -> Rule:
    """Declare what rows must be, for `validate(rules=[...])` and `schema(rules=[...])`; a text alone is a rule too.

        ps.rule("dep_delay < 24 * 60")                          an expression of our dialect, true (or NULL) in each row
        ps.rule(ps.col("wind").is_not_null(), at_most=0.1)      in all but a tenth of the rows
        ps.rule(unique=["carrier", "flight", "time_hour"])      no key twice
        ps.rule(rows=(1000, None))                              at least a thousand rows
        ps.rule(fresh="time_hour", within="2d")                 the newest row is at most two days old
        ps.rule(increasing="id")                                no value is less than the one before
        ps.rule(column="dest", found_in="airports.faa")         each value is one of another table's column

    With `severity="warning"` it is reported and nothing more.
    """
    given: dict[str, Any] = {
        "holds": _as_text(holds),
        "unique": [unique] if isinstance(unique, str) else unique and list(unique),
        "rows": list(rows) if isinstance(rows, tuple) else rows,
        "fresh": fresh,
        "increasing": increasing,
        "found_in": found_in,
        "at_most": at_most or None,
        "within": within,
        "column": column,
    }
    made = {key: value for key, value in given.items() if value is not None}
    return checked_rule({"name": name, "severity": severity, **made})


def rules_of(given: Sequence[Any]) -> list[Rule]:
    """Return rules as they may be written: values of `rule`, texts, expressions."""
    return [checked_rule(each) if isinstance(each, Mapping) else rule(each) for each in given]


def checked_rule(given: Mapping[str, Any]) -> Rule:
    """Return a rule with all that belongs to its kind; `DeclarationError` says what does not."""
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        what = f"says {' and '.join(kinds)}; write a rule for each" if kinds else "says nothing"
        raise DeclarationError(f"a rule {what}; a rule is one of: {', '.join(KINDS)}")
    [kind] = kinds
    known = (*_OF_ALL, kind, *_BESIDE.get(kind, ()))
    if odd := [key for key in given if key not in known]:
        raise UnknownNameError("setting", odd[0], known, within=f"a rule of kind '{kind}'")
    if missing := [key for key in _BESIDE.get(kind, ()) if key not in given and key != "at_most"]:
        raise DeclarationError(f"the rule {kind}={given[kind]!r} needs {missing[0]}=")
    if given.get("severity", "error") not in ("error", "warning"):
        raise DeclarationError(f"the severity of a rule is error or warning, not {given['severity']!r}")
    for problem in _problems(kind, given):
        raise DeclarationError(problem)
    return {**given, "name": given.get("name") or _name(kind, given), "severity": given.get("severity", "error")}


def columns_of_rule(given: Rule) -> tuple[str, ...]:
    """Return the columns that a rule reads, those of an expression left out."""
    match given:
        case {"unique": names}:
            return tuple(names)
        case {"fresh": name} | {"increasing": name} | {"column": name}:
            return (name,)
    return ()


def other_table(given: Rule) -> tuple[str, str]:
    """Return the table and the column in which a rule's values must be found."""
    table, _, column = given["found_in"].rpartition(".")
    return table, column


def _problems(kind: str, given: Mapping[str, Any]) -> Iterator[str]:
    if kind == "fresh":
        seconds(given["within"], f"within= of the rule fresh={given['fresh']!r}")
    ends = given.get("rows")
    if kind == "rows" and not (isinstance(ends, list) and len(ends) == 2 and any(end is not None for end in ends)):
        yield f"rows={given['rows']!r} is no range; write the least and the greatest count: rows=(1000, None)"
    if kind == "holds" and not 0 <= given.get("at_most", 0) < 1:
        yield f"at_most={given['at_most']!r} is no share of rows: from 0 to below 1"
    if kind == "found_in" and "." not in given["found_in"]:
        yield f"found_in={given['found_in']!r} names no column; write it behind the table: 'airports.faa'"
    if kind == "unique" and not given["unique"]:
        yield "unique=[] names no column"


def _as_text(holds: str | Expr | None) -> str | None:
    if holds is None:
        return None
    if isinstance(holds, Expr):
        return operations.text(holds)
    operations.parse(holds)  # a text that is no expression is an error here, where it is written
    return holds


def _name(kind: str, given: Mapping[str, Any]) -> str:
    match kind:
        case "holds":
            return str(given["holds"])
        case "unique":
            return f"unique {', '.join(given['unique'])}"
        case "rows":
            least, most = given["rows"]
            return f"rows {'' if least is None else least} to {'' if most is None else most}"
        case "fresh":
            return f"{given['fresh']} within {given['within']}"
        case "increasing":
            return f"{given['increasing']} increasing"
    return f"{given['column']} in {given['found_in']}"
