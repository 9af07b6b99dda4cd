"""The values that a SQL text becomes."""

from __future__ import annotations

import pytest

from penstock.core.mapping import FrozenMap
from penstock.errors import SqlError
from penstock.sql import CreateModel, Drop, Query, parse


def test_statements_are_values_in_the_order_of_the_text() -> None:
    match parse("CREATE MODEL a.b OPTIONS(model_type='linear_reg') AS SELECT 1 AS x;; DROP MODEL `a.b`; SELECT 2;"):
        case [
            CreateModel(name="a.b", mode="create", transform=None),
            Drop(kind="MODEL", name="a.b", if_exists=False),
            Query(),
        ]:
            pass
        case others:
            pytest.fail(f"{others}")


def test_equal_texts_are_equal_values_whatever_their_layout() -> None:
    one = "CREATE MODEL m OPTIONS(model_type='linear_reg') AS SELECT a FROM t -- done"
    other = "create model m\noptions ( model_type = 'linear_reg' )\nas /* now */ select a from t"
    assert parse(one) == parse(other)
    assert parse(one) != parse(one.replace("SELECT a", "SELECT b"))


@pytest.mark.parametrize(
    ("words", "mode"),
    [
        ("CREATE MODEL", "create"),
        ("CREATE OR REPLACE MODEL", "replace"),
        ("CREATE MODEL IF NOT EXISTS", "if_not_exists"),
    ],
)
def test_mode_says_what_to_do_with_a_model_that_is_there(words: str, mode: str) -> None:
    [statement] = parse(f"{words} m OPTIONS(model_type='linear_reg') AS (SELECT 1 AS a)")
    assert isinstance(statement, CreateModel)
    assert statement.mode == mode


def test_options_become_plain_values_by_small_names() -> None:
    [statement] = parse(
        "CREATE MODEL m OPTIONS(MODEL_TYPE='x', input_label_cols=['y'], l2_reg=0.5, max_iterations=20,"
        " early_stop=FALSE, floor=-1, class_weights=[STRUCT('a', 0.5), STRUCT('b' AS label, 2)]) AS SELECT 1 AS y"
    )
    assert isinstance(statement, CreateModel)
    assert statement.options == FrozenMap(
        {
            "model_type": "x",
            "input_label_cols": ["y"],
            "l2_reg": 0.5,
            "max_iterations": 20,
            "early_stop": False,
            "floor": -1,
            "class_weights": [("a", 0.5), ("b", 2)],
        }
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CREATE MODEL m OPTIONS(model_type='x')", "CREATE MODEL m has no query"),
        ("CREATE MODEL m(a INT64) AS SELECT 1", "no column list"),
        ("CREATE MODEL m OPTIONS(a=1, A=2) AS SELECT 1", "option a is there twice"),
        ("CREATE MODEL m OPTIONS(a=b) AS SELECT 1", "option a takes a plain value, not b"),
        ("CREATE MODEL m OPTIONS(a=HPARAM_RANGE(1)) AS SELECT 1", "write HPARAM_RANGE(low, high)"),
        ("CREATE MODEL m OPTIONS(a=HPARAM_RANGE(2, 1)) AS SELECT 1", "give two numbers, the lower first"),
        ("CREATE MODEL m OPTIONS(a=HPARAM_CANDIDATES([3, 3])) AS SELECT 1", "option a at 1:26: hparam_candidates"),
        ("CREATE MODEL m OPTIONS(a=SQRT(2)) AS SELECT 1", "option a cannot be SQRT(2) at 1:26; it is one value, or"),
        ("CREATE MODEL m TRANSFORM(a) TRANSFORM(b) AS SELECT 1", "TRANSFORM(...) once"),
        ("DROP MODEL a, b", "at 1:13, near 'DROP MODEL a, b'"),
    ],
)
def test_a_declaration_that_cannot_be_says_why(text: str, said: str) -> None:
    with pytest.raises(SqlError) as caught:
        parse(text)
    assert said in str(caught.value)
