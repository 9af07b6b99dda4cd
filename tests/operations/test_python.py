"""An expression written as Python code, and read back by Python, is the same expression."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

import penstock as ps
from penstock.core.expression import Expr, literal
from penstock.core.operation import LearnedOperation, Operation
from penstock.operations import LEARNED, OPERATIONS, Expression, col, lit, parse, python
from penstock.operations.construct import call

WRITTEN = {
    "EXTRACT(HOUR FROM start_date)": 'ps.col("start_date").hour()',
    "CAST(EXTRACT(dayofweek from t) AS STRING)": 'ps.col("t").day_of_week().cast("string")',
    "ML.STANDARD_SCALER(LN(1 + a)) OVER ()": '(1 + ps.col("a")).ln().standard_scaler()',
    "a > 1 AND NOT (b = 'x' OR c IS NULL)": '(ps.col("a") > 1) & ~(ps.col("b").eq("x") | ps.col("c").is_null())',
    "1 < a": 'ps.lit(1) < ps.col("a")',
    "a - (b - c)": 'ps.col("a") - (ps.col("b") - ps.col("c"))',
    "-a * -2": '-ps.col("a") * -2',
    "IFNULL(a, 0)": 'ps.col("a").coalesce(0)',
    "a IN ('x', 'y')": 'ps.col("a").is_in(["x", "y"])',
    "STRUCT(a, b AS `the b`)": 'ps.struct(**{"a": ps.col("a"), "the b": ps.col("b")})',
    "IF(a, CAST(NULL AS FLOAT64), 1.5)": 'ps.col("a").if_else(ps.lit(None, type="float64"), 1.5)',
    "d > DATE '2024-05-05'": 'ps.col("d") > datetime.date(2024, 5, 5)',
    "t > TIMESTAMP '2024-05-05 18:00:00+02'": (
        'ps.col("t") > datetime.datetime(2024, 5, 5, 16, 0, tzinfo=datetime.UTC)'
    ),
}


def read(text: str) -> Expression:
    found = eval(text, {"ps": ps, "datetime": datetime})
    assert isinstance(found, Expression)
    return found


@pytest.mark.parametrize("sql", WRITTEN)
def test_sql_is_written_as_the_python_that_a_person_would_write(sql: str) -> None:
    assert python(parse(sql)) == WRITTEN[sql]
    assert read(python(parse(sql))) == parse(sql)


def _examples(operation: Operation | LearnedOperation) -> list[tuple[Any, ...]]:
    if isinstance(operation, Operation):
        return [(*zip(example.arguments, example.types or ("",) * 9, strict=False),) for example in operation.examples]
    return [(("x", "column"), *((value, "") for value in constants)) for _, constants, _ in operation.examples]


def _argument(value: Any, type: str) -> Expr:
    if type == "column" or isinstance(value, dict) or (isinstance(value, list) and value[:1] and _holds_dict(value)):
        return col("x")
    return literal(value, as_type=type if type and value is None else None, cls=Expression)


def _holds_dict(values: list[Any]) -> bool:
    return any(isinstance(value, dict) for value in values)


@pytest.mark.parametrize("name", [*OPERATIONS, *LEARNED])
def test_every_operation_is_read_back_as_it_was(name: str) -> None:
    operation = OPERATIONS.get(name) or LEARNED[name]
    for arguments in _examples(operation):
        expr = call(Expression, name, *(_argument(value, type) for value, type in arguments))
        assert read(python(expr)) == expr


@given(
    st.recursive(
        st.one_of(
            st.sampled_from([col("a"), col("the b"), col('c"'), col("d'\\")]),
            st.one_of(st.integers(-9, 9), st.floats(), st.text(max_size=3), st.booleans(), st.none()).map(lit),
        ),
        lambda inner: st.one_of(
            st.tuples(
                st.sampled_from(["add", "subtract", "multiply", "divide", "and", "or", "lt", "ge"]), inner, inner
            ),
            st.tuples(st.sampled_from(["not", "negate", "ln", "is_null"]), inner),
            st.tuples(st.sampled_from(["eq", "coalesce", "nullif"]), inner, inner),
        ).map(lambda parts: Expression(parts[0], parts[1:])),
        max_leaves=8,
    )
)
def test_any_tree_of_operators_is_read_back_as_it_was(expr: Expression) -> None:
    assert read(python(expr)) == expr
