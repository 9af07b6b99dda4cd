"""Safe forms: SAFE.LN(x) is LN(x), but NULL where LN raises; what raises in its arguments still raises, as in BigQuery.

They are made from the table: one for each operation that has an example that raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from penstock.core.operation import Operation
from penstock.errors import ExpressionError
from penstock.operations.literals import without_failures
from penstock.operations.parts import OPERATIONS as PARTS

_NAMES = {
    **{name: f"SAFE_{name.upper()}" for name in ("add", "subtract", "multiply", "negate")},
    **{name: f"SAFE.{name.upper()}" for name in ("date_add", "datetime_add", "timestamp_add")},
}
"""Operation -> BigQuery's name of its safe form, where that is not `SAFE.` before its own."""

_OTHERWISE = {
    "divide",
    "cast",
    "offset",
    "shift_left",
    "shift_right",
    "add_interval",
}  # operators have no SAFE.; safe_divide and so on are operations
_NO_FUNCTIONS = {part.name for part in PARTS}

_WIDE = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "negate": "- {0}",
    "abs": "abs({0})",
    "div": "{0} // nullif({1}, 0)",
    "mod": "{0} % nullif({1}, 0)",
}
"""Operation on integers that DuckDB itself refuses -> the same in 128 bits, which hold every result."""


def attempt(compute: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the function gives, None where it raises what an operation raises."""
    try:
        return compute(*arguments)
    except (ArithmeticError, ValueError, ExpressionError):
        return None


def safe_forms(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Return the safe form of each operation that can raise; parts of dates, which are no functions, have none."""
    return tuple(
        _safe(operation)
        for operation in operations
        if any(example.raises for example in operation.examples) and operation.name not in _OTHERWISE | _NO_FUNCTIONS
    )


def _safe(operation: Operation) -> Operation:
    prefixed = f"SAFE.{operation.bigquery}" if operation.bigquery else ""
    return replace(
        operation,
        name=f"safe_{operation.name}",
        meaning=f"As {operation.name}, but NULL where that raises.",
        sql=_sql(operation),
        row=_row(operation),
        nulls="handles" if operation.nulls == "handles" else "makes",
        names={**operation.names, "attempt": attempt},
        examples=tuple(replace(example, raises=False) for example in operation.examples),
        bigquery=_NAMES.get(operation.name, prefixed),
    )


def _sql(operation: Operation) -> Callable[[Sequence[Any], Sequence[Any]], str]:
    """Return the SQL form in which what the operation itself refuses is NULL. TRY would take its arguments' errors too,
    and DuckDB has no TRY of a text with error()."""

    def sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
        if operation.name in _WIDE and types[0] == "int64":
            wide = [f"CAST({argument} AS HUGEINT)" for argument in arguments]
            return f"TRY_CAST({_WIDE[operation.name].format(*wide)} AS BIGINT)"
        marks = _marks(operation, arguments, "\0{}\0")
        text = without_failures(operation.sql(marks, types))
        for mark, argument in zip(marks, arguments, strict=True):
            text = text if mark is argument else text.replace(mark, argument)
        return text

    return sql


def _row(operation: Operation) -> Callable[[Sequence[Any], Sequence[Any]], str]:
    """Return the row form: the operation on arguments that are computed before, so that only its own errors count."""

    def row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
        names = _marks(operation, arguments, "a{}")
        given = {name: argument for name, argument in zip(names, arguments, strict=True) if name is not argument}
        compute = f"lambda {', '.join(given)}: {operation.row(names, types)}"
        return f"attempt({compute}, {', '.join(given.values())})"

    return row


def _marks(operation: Operation, arguments: Sequence[Any], form: str) -> list[Any]:
    """Return a mark for each argument, and constants as they are."""
    last = len(operation.parameters) - 1
    return [
        argument if operation.parameters[min(place, last)].constant else form.format(place)
        for place, argument in enumerate(arguments)
    ]
