"""Expressions as values: equal by their trees, unchangeable, and clear about what they cannot do."""

from __future__ import annotations

import datetime
import pickle

import pytest

from penstock.core.expression import Expr, columns_of, literal, transform, type_of_value, walk
from penstock.errors import DeclarationError

KM = Expr("column", ("km",))


def test_expressions_are_equal_when_their_trees_are():
    assert Expr("add", (Expr("column", ("km",)), literal(1))) == KM + 1
    assert hash(KM + 1) == hash(KM + 1)
    assert KM + 1 != KM + 2


def test_literals_of_other_types_are_other_expressions():
    assert len({literal(1), literal(1.0), literal(True)}) == 3
    assert literal(0.0) != literal(-0.0)


def test_an_expression_with_a_value_at_its_left_keeps_the_order():
    assert Expr("subtract", (literal(2), KM)) == 2 - KM
    assert Expr("divide", (literal(2), KM)) == 2 / KM


def test_an_expression_cannot_change():
    with pytest.raises(AttributeError, match="cannot change"):
        KM.op = "literal"


@pytest.mark.parametrize(
    ("use", "hint"),
    [(lambda: bool(KM < 3), "use & | ~"), (lambda: KM == 3, r"write \.eq"), (lambda: list(KM), "not a")],
)
def test_what_an_expression_cannot_do_names_what_to_do(use, hint):
    with pytest.raises(DeclarationError, match=hint):
        use()


def test_an_expression_travels_between_processes():
    assert pickle.loads(pickle.dumps(KM * 2 > 3)) == (KM * 2 > 3)


def test_walk_meets_parents_first_and_columns_are_named_once():
    total = KM + Expr("column", ("hours",)) * KM
    assert [node.op for node in walk(total)] == ["add", "column", "multiply", "column", "column"]
    assert columns_of(total, KM) == ("km", "hours")


def test_transform_changes_arguments_before_what_takes_them():
    renamed = transform(KM + 1, lambda node: Expr("column", ("miles",)) if node == KM else node)
    assert renamed == Expr("column", ("miles",)) + 1
    assert transform(renamed, lambda node: node) is renamed


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (None, "null"),
        (True, "bool"),
        (1, "int64"),
        ((1, 2.5), "array<float64>"),
        ([], "array<null>"),
        (datetime.date(2026, 1, 1), "date"),
        (datetime.datetime(2026, 1, 1), "datetime"),
        (datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "timestamp"),
    ],
)
def test_a_plain_value_has_a_type(value, type):
    assert type_of_value(value) == type


@pytest.mark.parametrize("value", [2**63, object(), [1, "a"]])
def test_a_value_without_a_type_is_refused(value):
    with pytest.raises(DeclarationError):
        type_of_value(value)
