"""What the parser reads, and what it says of a text that it cannot read."""

from __future__ import annotations

import pytest
from sqlglot import exp

from penstock.errors import SqlError
from penstock.sql.dialect import MachineLearningTable, parse_statements, place


def machine_learning(text: str) -> MachineLearningTable:
    [node] = parse_statements(text)[0][0].find_all(MachineLearningTable)
    return node


def test_a_bare_select_list_is_one_row_of_constants() -> None:
    node = machine_learning(
        "SELECT * FROM ML.PREDICT(MODEL ch09edu.bicycle_model,(\n   350 AS duration -- minutes\n"
        "   , 'Kings Cross' AS start_station_name\n   , CURRENT_TIMESTAMP() as start_date\n))"
    )
    assert [item.alias for item in node.args["rows"][0].expressions] == ["duration", "start_station_name", "start_date"]
    assert node.args["rows"][0].args.get("from_") is None


@pytest.mark.parametrize(
    "rows",
    [
        "(SELECT 1 AS a)",
        "(WITH q AS (SELECT 1 AS a) SELECT * FROM q)",
        "((SELECT 1 AS a) UNION ALL (SELECT 2))",
        "TABLE `p.d.t`",
        "(SELECT /* one */ 1 AS a -- two\n)",
    ],
)
def test_rows_of_a_function_are_a_query_however_they_are_written(rows: str) -> None:
    node = machine_learning(
        f"SELECT * FROM ML.EVALUATE(MODEL a.b, {rows}, STRUCT(0.7 AS threshold)) AS e JOIN t ON TRUE"
    )
    assert isinstance(node.args["rows"][0], exp.Query)
    assert isinstance(node.args["settings"][0], exp.Struct)
    assert node.args["model"].sql("bigquery") == "a.b"


@pytest.mark.parametrize("name", ["WEIGHTS", "TRANSFORM", "FEATURE_INFO", "CONFUSION_MATRIX", "no_such_thing"])
def test_every_table_function_of_ml_can_be_read(name: str) -> None:
    assert machine_learning(f"SELECT * FROM ML.{name}(MODEL m) w WHERE TRUE").this == name.upper()


@pytest.mark.parametrize(
    "transform", ["TRANSFORM(SELECT * EXCEPT(x), a + 1 AS y)", "TRANSFORM(* EXCEPT(x), a + 1 AS y)"]
)
@pytest.mark.parametrize("transform_first", [True, False])
def test_transform_is_read_with_and_without_select_before_and_after_options(
    transform: str, transform_first: bool
) -> None:
    options = "OPTIONS(model_type='linear_reg')"
    clauses = f"{transform} {options}" if transform_first else f"{options} {transform}"
    [(tree, _)] = parse_statements(f"CREATE MODEL m {clauses} AS SELECT 1 AS a")
    [found] = tree.find_all(exp.TransformModelProperty)
    assert [item.alias_or_name for item in found.expressions] == ["*", "y"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT (1", "at 1:9, near 'SELECT (1': Expecting )"),
        ("SELECT *\nFROM ML.PREDICT(MODEL m, (1 AS a", "at 2:32, near 'FROM ML.PREDICT(MODEL m, (1 AS a'"),
        ("SELECT a b c FROM t", "at 1:12, near 'SELECT a b c FROM t'"),
        ("SELECT 'abc", "the ' opened at 1:7 is never closed"),
        ("SELECT 1 /* and so on", "a quote or a comment is never closed"),
        ("", "there is no statement"),
        ("-- nothing", "there is no statement"),
    ],
)
def test_a_text_that_cannot_be_read_says_where(text: str, said: str) -> None:
    with pytest.raises(SqlError) as caught:
        parse_statements(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH '/tmp/x.db'", "PRAGMA version", "INSTALL httpfs", "SET threads", "SET @@time_zone = 'UTC'",
        "ALTER TABLE_ t", "DESCRIBE t", "EXPLAIN SELECT 1", "hello",
    ],
)  # fmt: skip
def test_other_statements_are_refused_by_name_with_what_is_accepted(statement: str) -> None:
    with pytest.raises(SqlError) as caught:
        parse_statements(f"SELECT 1; {statement}")
    assert statement.split()[0].upper() in str(caught.value)
    assert "at 1:11 is not a statement that penstock runs; accepted are: SELECT" in str(caught.value)


@pytest.mark.parametrize(
    ("statement", "instead"),
    [
        ("MERGE t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "CREATE OR REPLACE TABLE t AS SELECT"),
        ("ALTER TABLE t ADD COLUMN z INT64", "CREATE OR REPLACE TABLE t AS SELECT"),
        ("CREATE MATERIALIZED VIEW t AS SELECT 1", "write CREATE VIEW"),
        ("CREATE OR REPLACE FUNCTION f() AS (1)", "write CREATE TEMP FUNCTION"),
        ("CREATE SCHEMA d", "a data set is there with the first name in it"),
        ("COPY t TO '/tmp/x'", "declare the files in penstock.toml"),
        ("LOAD DATA INTO t FROM FILES (format = 'CSV')", "declare the files in penstock.toml"),
        ("EXPORT DATA OPTIONS(uri='x') AS SELECT 1", "project.sql from Python"),
        ("BEGIN SELECT 1; END", "without BEGIN and END"),
        ("IF TRUE THEN SELECT 1; END IF", "choose in Python"),
        ("LOOP SELECT 1; END LOOP", "WITH RECURSIVE"),
        ("CALL f()", "write a function in Python"),
        ("EXECUTE IMMEDIATE 'SELECT 1'", "run it by project.sql"),
        ("ASSERT TRUE", "ps.validate"),
        ("FROM t |> WHERE a > 1", "there are no pipes"),
    ],
)
def test_statements_that_are_known_and_not_ours_say_what_to_do_instead(statement: str, instead: str) -> None:
    with pytest.raises(SqlError, match="at 1:11 is not a statement that penstock runs; ") as caught:
        parse_statements(f"SELECT 1; {statement}")
    assert instead in str(caught.value)


def test_a_place_is_the_line_and_column_where_a_node_begins() -> None:
    [(tree, _)] = parse_statements("SELECT\n  a,\n  upper(b.c)\nFROM t AS b")
    assert place(tree.expressions[1]) == " at 3:3"
    assert place(exp.column("made_up")) == ""
