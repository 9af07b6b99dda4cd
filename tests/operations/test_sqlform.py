"""The SQL form: names and values pass through as they are, and long vocabularies keep the rows' order."""

from __future__ import annotations

import math
from typing import Any

import pytest

from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.operations import call_sql, col, lit, sql, sql_literal


@pytest.mark.parametrize("value", ["it's", 'a"b', "\0", "a\0b\\", "\n", "", "'; DROP TABLE x; --", "👍"])
def test_any_text_is_a_literal(forms: Any, value: str) -> None:
    assert forms.connection.sql(f"SELECT {sql_literal(value, 'string')}").fetchall() == [(value,)]


@pytest.mark.parametrize("value", [0.1, -0.0, 1 / 3, 1e-320, 1.7e308, 12345678.901234567, math.inf, -math.inf])
def test_a_float_literal_keeps_every_bit(forms: Any, value: float) -> None:
    text = sql_literal(value, "float64")
    read, type = forms.connection.sql(f"SELECT {text}, typeof({text})").fetchall()[0]
    assert (repr(read), type) == (repr(value), "DOUBLE")


@pytest.mark.parametrize("name", ["at", 'say "x"', "select", "É", "a b", "k", "i"])
def test_any_column_name_can_be_read(forms: Any, name: str) -> None:
    words = [f"w{number}" for number in range(100)]
    schema = Schema.of(**{name: "string"})
    assert forms.sql(col(name).lookup_index(words), schema, [{name: "w7"}, {name: "x"}]) == [
        forms.exact(8),
        forms.exact(0),
    ]


def test_a_long_vocabulary_finds_every_place(forms: Any) -> None:
    words = [f"w{number}" for number in range(3000)]
    query = sql(col("s").lookup_index(words), Schema.of(s="string"))
    rows = "(SELECT range AS n, 'w' || (range * 7919 % 4000) AS s FROM range(50000))"
    found = sorted(forms.connection.sql(f"SELECT n, {query} FROM {rows}").fetchall())
    places = {word: place for place, word in enumerate(words, 1)}
    assert found == [(n, places.get(f"w{n * 7919 % 4000}", 0)) for n in range(50000)]


def test_one_operation_over_texts() -> None:
    assert call_sql("add", ['"x"', "1e0"], ["int64", "float64"]) == '(CAST("x" AS DOUBLE) + 1e0)'
    assert call_sql("round", ['"x"', lit(2)], ["float64", "int64"]).startswith("CASE WHEN isfinite")
    with pytest.raises(ExpressionError, match="must be a constant"):
        call_sql("round", ['"x"', '"n"'], ["float64", "int64"])
