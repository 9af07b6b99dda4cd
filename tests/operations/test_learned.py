"""Learned operations: what is found in training rows freezes into constants that give the documented values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from penstock.core.expression import Expr, literal, transform, type_of_value, walk
from penstock.core.operation import LearnedOperation, Statistic
from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.operations import LEARNED, col, compile_row, is_learned, sql, type_of


def _cases() -> Iterator[Any]:
    for operation in LEARNED.values():
        for column, constants, out in operation.examples:
            yield pytest.param(operation, column, constants, out, id=f"{operation.name}({constants}, {column})"[:90])


def _find(forms: Any, statistic: Statistic, schema: Schema, rows: list[dict[str, Any]]) -> Any:
    """Find one statistic the plain way: transforms finds all of them in one scan."""
    x = sql(statistic.of, schema)
    forms.register(schema, rows)
    if statistic.vocabulary is None:
        return forms.connection.sql(f"SELECT {statistic.aggregate.format(x=x)} FROM rows_of_test").fetchall()[0][0]
    most, least = statistic.vocabulary
    entries = f"unnest(list_distinct({x}))" if type_of(statistic.of, schema).startswith("array") else x
    query = f"SELECT e, count(*) FROM (SELECT {entries} AS e FROM rows_of_test) WHERE e IS NOT NULL GROUP BY 1"
    query = f"{query} HAVING count(*) >= {least} ORDER BY count(*) DESC, 1 LIMIT {most}"
    return dict(forms.connection.sql(query).fetchall())


@pytest.mark.parametrize(("operation", "column", "constants", "out"), list(_cases()))
def test_frozen_form_gives_the_documented_values(
    forms: Any, operation: LearnedOperation, column: tuple[Any, ...], constants: tuple[Any, ...], out: tuple[Any, ...]
) -> None:
    known = next((value for value in column if value), next((value for value in column if value is not None), 0.0))
    schema = Schema.of(x=type_of_value(known))
    rows = [{"x": value} for value in column]
    expr = Expr(operation.name, (col("x"), *map(literal, constants)))
    found = {item.name: _find(forms, item, schema, rows) for item in operation.statistics(expr.args)}
    frozen = operation.freeze(expr.args, found)
    assert not is_learned(frozen)
    assert type_of(frozen, schema) == type_of(expr, schema)
    expected = [forms.exact(value) for value in out]
    assert forms.row(frozen, schema, rows) == expected
    assert forms.sql(frozen, schema, rows) == expected


def test_learned_operations_have_no_form_before_they_are_frozen() -> None:
    expr = col("x").standard_scaler() + 1
    schema = Schema.of(x="float64")
    assert is_learned(expr)
    with pytest.raises(ExpressionError, match="freeze the expression first"):
        sql(expr, schema)
    with pytest.raises(ExpressionError, match="freeze the expression first"):
        compile_row({"value": expr}, schema)


def test_values_outside_the_training_rows_are_held_or_unknown(forms: Any) -> None:
    schema = Schema.of(x="float64", s="string")
    scaled = LEARNED["min_max_scaler"].freeze((col("x"),), {"least": 0.0, "greatest": 99.0})
    coded = LEARNED["label_encoder"].freeze((col("s"),), {"entries": {"c2": 5, "c0": 5}})
    rows = [{"x": 1000.0, "s": "zzz"}, {"x": None, "s": None}, {"x": 49.5, "s": "c2"}]
    for expr, values in ((scaled, (1.0, None, 0.5)), (coded, (0, 0, 2))):
        assert forms.row(expr, schema, rows) == [forms.exact(value) for value in values]
        assert forms.sql(expr, schema, rows) == [forms.exact(value) for value in values]


@pytest.mark.parametrize("operation", list(LEARNED.values()), ids=list(LEARNED))
def test_every_learned_operation_has_examples_with_null(operation: LearnedOperation) -> None:
    assert operation.meaning.endswith(".")
    assert any(None in column for column, _, _ in operation.examples)


def test_freezing_keeps_what_is_around(forms: Any) -> None:
    expr = col("x").standard_scaler().round(1)
    found = {"mean": 1.0, "deviation": 2.0}
    frozen = transform(expr, lambda node: LEARNED[node.op].freeze(node.args, found) if node.op in LEARNED else node)
    assert [node.op for node in walk(frozen)][:2] == ["round", "standardize"]
    assert forms.row(frozen, Schema.of(x="int64"), [{"x": 2}]) == [forms.exact(0.5)]
