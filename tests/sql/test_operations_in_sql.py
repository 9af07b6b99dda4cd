"""The statement parser reads every operation as the expression parser does."""

from __future__ import annotations

import pytest

from penstock.core.expression import Expr, literal
from penstock.operations import LEARNED, OPERATIONS, from_ast, parse, text
from penstock.sql.dialect import parse_statements


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_itself_in_a_statement(name: str) -> None:
    operation = OPERATIONS[name]
    for example in operation.examples[:2]:
        parameters = (*operation.parameters, *(operation.parameters[-1:] * len(example.arguments)))
        expression = Expr(
            name,
            tuple(
                literal(value) if parameter.constant else Expr("column", (f"c{place}",))
                for place, (parameter, value) in enumerate(zip(parameters, example.arguments, strict=False))
            ),
        )
        [(statement, _)] = parse_statements(f"SELECT {text(expression)} AS x FROM t")
        assert from_ast(statement.expressions[0].unalias()) == parse(text(expression))


@pytest.mark.parametrize("name", LEARNED)
def test_a_learned_operation_is_itself_in_a_statement(name: str) -> None:
    constants = {"boundaries": (1.0, 2.0), "buckets": 4, "strategy": "mean", "points": (1.0, 2.0)}
    needed = [parameter for parameter in LEARNED[name].parameters if parameter.default is ...]
    expression = Expr(
        name,
        tuple(
            literal(constants.get(parameter.name, 3)) if parameter.constant else Expr("column", ("c",))
            for parameter in needed
        ),
    )
    [(statement, _)] = parse_statements(f"SELECT {text(expression)} AS x FROM t")
    assert from_ast(statement.expressions[0].unalias()) == expression
