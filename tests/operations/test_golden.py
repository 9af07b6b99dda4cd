"""Every operation of the table gives its golden examples, in SQL and in Python, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from penstock.core.expression import Expr, literal, type_of_value
from penstock.core.operation import Example, Operation
from penstock.core.schema import Schema
from penstock.operations import OPERATIONS


def _cases() -> Iterator[object]:
    for operation in OPERATIONS.values():
        for example in operation.examples:
            name = f"{operation.name}({', '.join(map(repr, example.arguments))})"
            yield pytest.param(operation, example, id=name[:100].encode("unicode_escape").decode())


def _expression(operation: Operation, example: Example) -> tuple[Expr, Schema, dict[str, object]]:
    """Return the call with a column for each argument that is not a constant, and the row that holds them."""
    arguments: list[Expr] = []
    types: dict[str, str] = {}
    row: dict[str, object] = {}
    for place, value in enumerate(example.arguments):
        parameter = operation.parameters[min(place, len(operation.parameters) - 1)]
        type = example.types[place] if place < len(example.types) else type_of_value(value)
        if parameter.constant:
            arguments.append(literal(value, as_type=type))
        else:
            name = f"x{place}"
            types[name], row[name] = type, value
            arguments.append(Expr("column", (name,)))
    return Expr(operation.name, tuple(arguments)), Schema.of(**types), row


@pytest.mark.parametrize(("operation", "example"), list(_cases()))
def test_both_forms_give_the_golden_value(operation: Operation, example: Example, forms: Any) -> None:
    expr, schema, row = _expression(operation, example)
    expected = forms.raised if example.raises else forms.exact(example.value)
    assert forms.row(expr, schema, [row]) == [expected]
    assert forms.sql(expr, schema, [row]) == [expected]


@pytest.mark.parametrize("operation", list(OPERATIONS.values()), ids=list(OPERATIONS))
def test_every_operation_has_a_meaning_and_an_example_with_null(operation: Operation) -> None:
    assert operation.meaning.endswith(".")
    assert len(operation.examples) >= 3
    assert any(None in example.arguments for example in operation.examples)
