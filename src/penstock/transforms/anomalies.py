"""An anomaly: what in rows is not as a schema or a rule says, in words, with examples, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from penstock.errors import UnknownNameError

Anomaly: TypeAlias = dict[str, Any]
"""Plain JSON: `column` (None: the whole table), `kind`, `severity`, `message`, `expected`, `found`, `count` (the rows
concerned; None where that is not known), `examples` (up to 5 values, or rows) and `do`."""
Severity: TypeAlias = Literal["error", "warning", "ignore"]
SEVERITIES = ("error", "warning", "ignore")

EXAMPLES = 5

_DO = {
    "missing_column": "bring the column back where the rows are made; if it is gone for good, evolve the schema",
    "extra_column": "if it is meant, evolve the schema; else leave it out where the rows are made",
    "type_changed": "cast it where the rows are read; if the new type is meant, evolve the schema",
    "unexpected_null": 'fill or drop them before; if they are meant: reviewed={column: {"nullable": True}}',
    "too_many_nulls": "look why values are missing; if that is meant, raise max_nulls",
    "not_finite": 'find the division or the parse that makes NaN; if it is meant: reviewed={column: {"finite": False}}',
    "out_of_domain": "correct the values; if they are new categories, add them to the domain (evolve)",
    "out_of_range": "look whether the values are real; if so, widen the range (evolve)",
    "wrong_length": "look whether texts were cut or padded; if not, change min_length or max_length",
    "no_match": "look at the examples: correct the texts, or the expression in matches",
    "duplicates": "drop the repeated rows, or look whether a batch was delivered twice",
    "rule": "look at the example rows; correct them, or the rule",
    "rows": "look whether a batch is missing, cut off or doubled",
    "stale": "look whether the source is still fed",
    "not_increasing": "sort the rows, or look whether a batch came late or twice",
    "not_found": "add what is missing to the other table, or correct the values",
    "skew": "compare both statistics (ps.plot_statistics); if the change is real, train on newer rows",
    "drift": "compare both statistics (ps.plot_statistics); if the change is real, train on newer rows",
    "unit_changed": "convert the values where the rows are read",
}
KINDS = tuple(_DO)
"""Every kind of anomaly."""
_WARNINGS = ("extra_column", "out_of_range")  # what tomorrow's rows may bring without being wrong


def anomaly(
    kind: str,
    text: str,
    *,
    column: str | None = None,
    expected: Any = None,
    found: Any = None,
    count: int | None = None,
    examples: Sequence[Any] = (),
    severity: Severity | None = None,
) -> Anomaly:
    """Return one anomaly as plain JSON; without a `severity` it has that of its kind."""
    subject = "" if column is None else f"column '{column}' "
    rows = "" if count is None else f" ({count} {'row' if count == 1 else 'rows'})"
    return {
        "column": column,
        "kind": kind,
        "severity": severity or ("warning" if kind in _WARNINGS else "error"),
        "message": f"{subject}{text}{rows}",
        "expected": expected,
        "found": found,
        "count": count,
        "examples": list(examples),
        "do": _DO[kind],
    }


def check_severities(severity: Mapping[str, str]) -> None:
    """Raise `UnknownNameError` for a kind of anomaly, or a severity, that there is not."""
    for kind, level in severity.items():
        if kind not in KINDS:
            raise UnknownNameError("kind of anomaly", kind, KINDS, within="severity")
        if level not in SEVERITIES:
            raise UnknownNameError("severity", str(level), SEVERITIES, within=f"severity['{kind}']")


def in_words(values: Sequence[Any]) -> str:
    """Return examples as they stand in a message."""
    return ", ".join(map(repr, values))
