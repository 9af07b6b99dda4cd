"""Operations whose two forms are templates over their arguments: most of those of strings, numbers and arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.operation import Example, Operation, Parameter

STRING = Parameter(name="x", types=("string",))


def plain(
    name: str,
    meaning: str,
    sql: str,
    row: str,
    examples: tuple[Example, ...],
    *parameters: Parameter,
    result: str | Callable[[Sequence[Any]], str] = "string",
    **more: Any,
) -> Operation:
    """Return an operation (of one string, unless parameters are given) whose forms are templates over {0}, {1}, ..."""
    return Operation(
        name=name, meaning=meaning, parameters=parameters or (STRING,), result=result,
        sql=lambda a, t: sql.format(*a), row=lambda a, t: row.format(*a), examples=examples,
        bigquery=more.pop("bigquery", name.upper()), **more,
    )  # fmt: skip


def bound(body: str, **values: str) -> str:
    """Return DuckDB text of `body` over values that are computed once: `s.name`. NULL where one of them is.

    The values stand outside of the lambda, so its name `s` never hides a column's.
    """
    packed = ", ".join(f"{name} := {value}" for name, value in values.items())
    nulls = " OR ".join(f"s.{name} IS NULL" for name in values)
    return f"list_transform([struct_pack({packed})], lambda s: CASE WHEN {nulls} THEN NULL ELSE {body} END)[1]"
