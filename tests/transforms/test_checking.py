"""Rows held against a schema and rules: what is found, where, how often, with which examples."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings, strategies as st

import penstock as ps
from penstock.errors import DataError, DeclarationError, ExpressionError, UnknownNameError
from penstock.tables import resolve
from penstock.transforms import check, rules_of

UTC = datetime.UTC
ROWS = pa.table(
    {
        "id": [1, 2, 3, 4, 5, 6],
        "city": ["Bath", "Bath", "York", None, "Ely", "York"],
        "km": [1.0, 2.5, -3.0, 4.0, float("nan"), 70.0],
        "at": [datetime.datetime(2024, 5, day, 12, tzinfo=UTC) for day in (1, 2, 3, 4, 6, 5)],
    }
)


def schema(**columns):
    """A schema in which columns have these properties beside the types of ROWS."""
    types = {"id": "int64", "city": "string", "km": "float64", "at": "timestamp"}
    return {"columns": [{"name": name, "type": type, **columns.get(name, {})} for name, type in types.items()]}


def found(expected, rows=ROWS, **asked):
    """What is found, as JSON holds it: (kind, column, count, examples)."""
    findings = check(rows, expected, **asked).findings
    anomalies = json.loads(json.dumps([each.anomaly for each in findings], allow_nan=False))
    return [(each["kind"], each["column"], each["count"], each["examples"]) for each in anomalies]


@pytest.mark.parametrize(
    ("column", "properties", "expected"),
    [
        ("city", {"nullable": False}, ("unexpected_null", 1, [])),
        ("city", {"max_nulls": 0.1}, ("too_many_nulls", 1, [])),
        ("city", {"domain": ["Bath", "Ely"]}, ("out_of_domain", 2, ["York"])),
        ("city", {"domain": ["Bath", "Ely", "Hull", "Leek", "Wells"]}, ("out_of_domain", 2, ["York"])),
        ("city", {"domain": []}, ("out_of_domain", 5, ["Bath", "York", "Ely"])),
        ("id", {"domain": [1, 2, 3, 4, 6]}, ("out_of_domain", 1, [5])),
        ("km", {"min": 0, "max": 50}, ("out_of_range", 2, [-3.0, 70.0])),
        ("km", {"finite": True}, ("not_finite", 1, ["nan"])),
        ("at", {"max": "2024-05-05T12:00:00+00:00"}, ("out_of_range", 1, ["2024-05-06T12:00:00+00:00"])),
        ("city", {"max_length": 3}, ("wrong_length", 4, ["Bath", "York"])),
        ("city", {"min_length": 4}, ("wrong_length", 1, ["Ely"])),
        ("city", {"matches": "[A-Z].*[hy]"}, ("no_match", 2, ["York"])),
        ("city", {"unique": True}, ("duplicates", 2, ["Bath", "York"])),
    ],
)
def test_each_property_of_a_column_finds_the_rows_that_lack_it(column, properties, expected):
    kind, count, examples = expected
    assert found(schema(**{column: properties})) == [(kind, column, count, examples)]


@pytest.mark.parametrize(
    "properties",
    [
        {"city": {"max_nulls": 0.2, "domain": ["Bath", "Ely", "York"], "matches": "[A-Z][a-z]+", "max_length": 4}},
        {"id": {"unique": True, "min": 1, "max": 6, "nullable": False}},
        {"km": {"min": -3, "max": 70, "nullable": False}},
    ],
)
def test_rows_that_are_as_they_should_be_have_no_anomaly(properties):
    assert found(schema(**properties)) == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("km < 50", [("rule", None, 2, [{"km": None}, {"km": 70.0}])]),
        (ps.col("city").ne("York"), [("rule", None, 2, [{"city": "York"}, {"city": "York"}])]),
        (ps.rule("city <> 'York'", at_most=0.4), []),
        (ps.rule("city <> 'York'", at_most=0.3), [("rule", None, 2, [{"city": "York"}, {"city": "York"}])]),
        (ps.rule(unique="id"), []),
        (ps.rule(unique=["city"]), [("duplicates", None, 2, ["Bath", "York"])]),
        (ps.rule(rows=(6, 6)), []),
        (ps.rule(rows=(7, None)), [("rows", None, None, [])]),
        (ps.rule(rows=(None, 5)), [("rows", None, None, [])]),
        (ps.rule(increasing="id"), []),
        (
            ps.rule(increasing="at"),
            [("not_increasing", "at", 1, [["2024-05-06T12:00:00+00:00", "2024-05-05T12:00:00+00:00"]])],
        ),
        (ps.rule(fresh="at", within="2d"), []),
        (ps.rule(fresh="at", within="1d"), [("stale", "at", None, [])]),
        (ps.rule(column="city", found_in="cities.name"), [("not_found", "city", 1, ["Ely"])]),
    ],
)
def test_each_rule_finds_what_breaks_it_and_nothing_else(rule, expected):
    asked = {
        "now": datetime.datetime(2024, 5, 8, tzinfo=UTC),
        "tables": {"cities": [{"name": "Bath"}, {"name": "York"}]},
    }
    assert found(schema(), rules=rules_of([rule]), **asked) == expected


def test_null_breaks_no_rule_and_is_no_key_twice():
    rows = [{"a": None, "b": 1}, {"a": None, "b": 1}, {"a": 2, "b": None}]
    expected = {"columns": [{"name": "a", "type": "int64"}, {"name": "b", "type": "int64"}]}
    assert found(expected, rows, rules=rules_of(["a > 1", ps.rule(unique=["a", "b"])])) == []


def test_a_number_is_less_than_the_one_before_though_nulls_lie_between():
    rows = [{"a": 5}, {"a": None}, {"a": 3}, {"a": 4}]
    expected = {"columns": [{"name": "a", "type": "int64"}]}
    assert found(expected, rows, rules=[ps.rule(increasing="a")]) == [("not_increasing", "a", 1, [[5, 3]])]


def test_null_is_in_every_other_table_also_in_an_empty_one():
    empty = {"cities": pa.table({"name": pa.array([], pa.string())})}
    rules = [ps.rule(column="city", found_in="cities.name")]
    assert found(schema(), rules=rules, tables=empty) == [("not_found", "city", 5, ["Bath", "York", "Ely"])]


def test_a_column_of_another_type_is_told_and_its_rules_are_left_out():
    texts = ROWS.set_column(2, "km", pa.array(["1", "2", "3", "4", "5", "6 km"]))
    assert found(schema(), texts, rules=rules_of(["km + 1 < 50", "id > 0"])) == [("type_changed", "km", 6, [])]


def test_a_column_without_any_value_is_of_the_type_that_it_should_have():
    unknown = ROWS.set_column(2, "km", pa.array([None] * 6, pa.string()))
    assert found(schema(), unknown, rules=rules_of(["km + 1 < 50"])) == []
    [(kind, _, count, _)] = found(schema(), unknown, rules=[ps.rule("km + 1 IS NOT NULL", at_most=0.5)])
    assert (kind, count) == ("rule", 6)


def test_what_is_looked_up_may_be_a_column_without_any_value_or_of_another_type():
    rule = [ps.rule(column="city", found_in="cities.name")]
    for values, expected in ([None] * 6, []), ([1] * 6, [("type_changed", "city", 6, [])]):
        rows = ROWS.set_column(1, "city", pa.array(values, pa.int64()))
        assert found(schema(), rows, rules=rule, tables={"cities": [{"name": "Bath"}]}) == expected


def test_freshness_of_what_is_no_time_is_an_error():
    with pytest.raises(DeclarationError, match="is of a int64; freshness is of a date or time"):
        check(ROWS, schema(), rules=[ps.rule(fresh="id", within="2d")])


def test_a_rule_that_a_schema_holds_is_held_to():
    assert found({**schema(), "rules": [ps.rule(rows=(9, None))]}) == [("rows", None, None, [])]


def test_a_rule_about_a_column_that_is_not_there_says_so_once():
    assert found(schema(), rules=rules_of(["miles > 0"])) == [("missing_column", "miles", None, [])]
    without = ROWS.drop_columns(["km"])
    assert found(schema(), without, rules=rules_of(["km > 0"])) == [("missing_column", "km", 6, [])]


def test_in_mode_infer_the_label_may_be_absent_and_its_rules_are_left_out():
    expected = schema(km={"modes": ["train"], "nullable": False})
    unlabelled = ROWS.drop_columns(["km"])
    assert found(expected, unlabelled) == [("missing_column", "km", 6, [])]
    assert found(expected, unlabelled, mode="infer", rules=rules_of(["km < 50"])) == []
    assert found(expected, ROWS, mode="infer") == []


def test_a_value_is_wrong_in_a_path_a_source_a_list_and_a_relation_alike(tmp_path: Path):
    pyarrow.parquet.write_table(ROWS, tmp_path / "rows.parquet")
    expected = schema(city={"domain": ["Bath"]}, km={"max": 50})
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    forms = [
        str(tmp_path / "rows.parquet"),
        resolve("*.parquet", root=tmp_path),
        ROWS.to_pylist(),
        connection.from_arrow(ROWS),
    ]
    results = [found(expected, rows) for rows in forms]
    assert results == [[("out_of_domain", "city", 3, ["York", "Ely"]), ("out_of_range", "km", 1, [70.0])]] * len(forms)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: ps.rule(), "a rule says nothing; a rule is one of: holds, unique"),
        (lambda: ps.rule("a > 1", unique="a"), "a rule says holds and unique; write a rule for each"),
        (lambda: ps.rule(fresh="at"), "needs within="),
        (lambda: ps.rule(column="a"), "a rule says nothing"),
        (lambda: ps.rule(column="a", found_in="airports"), "names no column; write it behind the table"),
        (lambda: ps.rule(rows=5), "rows=5 is no range"),
        (lambda: ps.rule("a > 1", severity="fatal"), "error or warning, not 'fatal'"),
        (lambda: ps.rule("a > 1", at_most=1.5), "no share of rows"),
        (lambda: rules_of([{"holds": "a > 1", "atmost": 1}]), "no setting named 'atmost'.*Did you mean 'at_most'"),
        (lambda: check(ROWS, schema(), rules=rules_of(["km + 1"])), "is float64, and a rule is true or false"),
    ],
)
def test_a_rule_that_cannot_be_is_an_error_that_says_why(write, message):
    with pytest.raises(DeclarationError, match=message):
        write()


def test_names_that_nothing_has_are_errors():
    with pytest.raises(UnknownNameError, match="no table named 'cities'"):
        check(ROWS, schema(), rules=rules_of([ps.rule(column="city", found_in="cities.name")]))
    looked_up = {"rules": [ps.rule(column="city", found_in="cities.name")]}
    with pytest.raises(UnknownNameError, match=r"no column named 'name'.*there are: nam"):
        check(ROWS, schema(), **looked_up, tables={"cities": [{"nam": "Bath"}]})
    with pytest.raises(DataError, match=r"looks up a string, and 'cities.name' is int64"):
        check(ROWS, schema(), **looked_up, tables={"cities": [{"name": 1}]})
    with pytest.raises(ExpressionError):
        check(ROWS, schema(), rules=rules_of(["city + 1 > 2"]))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.none() | st.integers(-5, 5), max_size=12),
    st.integers(-5, 5) | st.none(),
    st.integers(-5, 5) | st.none(),
    st.lists(st.integers(-5, 5), unique=True, max_size=6) | st.none(),
)
def test_counts_are_those_of_a_loop_over_the_rows(values, low, high, domain):
    rows = pa.table({"n": pa.array(values, pa.int64())})
    if low is not None and high is not None:
        low, high = sorted((low, high))
    column = {"name": "n", "type": "int64", "nullable": False, "min": low, "max": high, "domain": domain}
    known = [value for value in values if value is not None]
    beyond = [v for v in known if (low is not None and v < low) or (high is not None and v > high)]
    counts = {
        "unexpected_null": len(values) - len(known),
        "out_of_range": len(beyond),
        "out_of_domain": sum(domain is not None and value not in domain for value in known),
    }
    told = {kind: count for kind, _, count, _ in found({"columns": [column]}, rows)}
    assert told == {kind: count for kind, count in counts.items() if count}
