"""What a table should look like, and where another does not."""

from __future__ import annotations

import datetime
import json

import pytest

from penstock.errors import DataError
from penstock.transforms import check, infer_schema, profile, reviewed_schema

GOOD = [
    {"carrier": "UA", "delay": 5, "at": datetime.datetime(2013, 1, 1), "gate": None},
    {"carrier": "AA", "delay": -2, "at": datetime.datetime(2013, 1, 2), "gate": "B"},
    {"carrier": "UA", "delay": 9, "at": datetime.datetime(2013, 1, 3), "gate": "A"},
    {"carrier": "AA", "delay": 0, "at": datetime.datetime(2013, 1, 4), "gate": "C"},
]
SCHEMA = infer_schema(profile(GOOD))


def changed(**values):
    return [{**GOOD[0], **values}, *GOOD[1:]]


def anomalies(schema, rows):
    return [each.anomaly for each in check(rows, schema).findings]


def found(rows):
    told = anomalies(SCHEMA, rows)
    assert json.loads(json.dumps(told)) == told
    return [(each["column"], each["kind"], each["severity"], each["count"]) for each in told]


def test_a_schema_is_types_nulls_categories_and_ranges():
    assert SCHEMA["columns"] == [
        {"name": "carrier", "type": "string", "nullable": False, "domain": ["AA", "UA"], "min": None, "max": None},
        {"name": "delay", "type": "int64", "nullable": False, "domain": None, "min": -2, "max": 9},
        {
            "name": "at",
            "type": "datetime",
            "nullable": False,
            "domain": None,
            "min": "2013-01-01T00:00:00",
            "max": None,
        },
        {"name": "gate", "type": "string", "nullable": True, "domain": None, "min": None, "max": None},
    ]


def test_the_rows_themselves_have_no_anomaly():
    assert found(GOOD) == []
    assert found(GOOD[:1]) == []


def test_a_null_where_none_was():
    assert found(changed(delay=None)) == [("delay", "unexpected_null", "error", 1)]


def test_a_value_outside_the_domain():
    assert found(changed(carrier="ZZ")) == [("carrier", "out_of_domain", "error", 1)]
    assert "'ZZ'" in anomalies(SCHEMA, changed(carrier="ZZ"))[0]["message"]


def test_rows_outside_the_domain_are_counted_where_values_are_many():
    many = GOOD * 30 + [{**GOOD[0], "carrier": f"{at:03}"} for at in range(100)]
    assert found(many) == [("carrier", "out_of_domain", "error", 100)]


@pytest.mark.parametrize(
    ("values", "column"), [({"delay": 10}, "delay"), ({"at": datetime.datetime(2012, 12, 31, 23, 59)}, "at")]
)
def test_a_value_outside_the_range_is_a_warning(values, column):
    assert found(changed(**values)) == [(column, "out_of_range", "warning", 1)]


def test_a_column_of_another_type():
    assert found([{**row, "delay": str(row["delay"])} for row in GOOD]) == [("delay", "type_changed", "error", 4)]


def test_missing_and_extra_columns():
    rows = [{"carrier": "UA", "at": GOOD[0]["at"], "gate": None, "dely": 5}]
    assert found(rows) == [("delay", "missing_column", "error", 1), ("dely", "extra_column", "warning", 1)]


def test_a_nullable_column_may_be_all_null():
    assert found([{**row, "gate": None} for row in GOOD]) == []


def test_quotes_in_a_domain_are_only_text():
    rows = [{"x": "O'Neil"}] * 4
    assert anomalies(infer_schema(profile(rows)), rows) == []


def test_what_a_person_knows_better_is_held_to():
    rows = [{"n": at % 60} for at in range(120)]
    schema = infer_schema(profile(rows))
    schema["columns"][0] |= {"min": None, "max": 58, "domain": list(range(60))}
    assert [(each["kind"], each["count"]) for each in anomalies(schema, rows)] == [("out_of_range", 2)]
    schema["columns"][0] |= {"max": None, "domain": list(range(1, 60))}
    assert [(each["kind"], each["count"]) for each in anomalies(schema, rows)] == [("out_of_domain", 2)]
    schema["columns"][0] |= {"min": 1, "domain": None}
    assert [(each["kind"], each["count"]) for each in anomalies(schema, rows)] == [("out_of_range", 2)]


def test_times_and_names_of_rows_go_on_without_an_anomaly():
    days = [{"id": n, "at": datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=n), "n": n % 3} for n in range(99)]
    schema = infer_schema(profile(days))
    assert [column["max"] for column in schema["columns"]] == [None, None, 2]
    tomorrow = [
        {"id": n + 99, "at": row["at"] + datetime.timedelta(days=9), "n": row["n"]} for n, row in enumerate(days)
    ]
    assert anomalies(schema, tomorrow) == []


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"domain": "AA"}, 'domain is "AA", and has to be a list of values'),
        ({"nullable": "no"}, 'nullable is "no", and has to be true or false'),
        ({"max_nulls": 20}, "max_nulls is 20, and has to be a share: from 0 to 1"),
        ({"min_length": -1}, "min_length is -1, and has to be a count"),
        ({"modes": ["training"]}, "has to be a list of train, infer"),
        ({"min": "ten"}, 'min and max are int64s, not "ten"'),
        ({"min": 10, "max": 5}, "nothing lies between min 10 and max 5"),
    ],
)
def test_a_property_that_cannot_be_is_an_error_where_it_is_written(known, message):
    with pytest.raises(DataError, match=f"column 'delay': .*{message}"):
        reviewed_schema(SCHEMA, {"delay": known})


def test_a_schema_written_by_hand_is_looked_at_before_rows_are_held_against_it():
    with pytest.raises(DataError, match="no type for column 'delay'"):
        check(GOOD, {"columns": [{"name": "delay"}]})
    with pytest.raises(DataError, match="a rule says nothing"):
        check(GOOD, {**SCHEMA, "rules": [{"name": "late", "hold": "delay < 100"}]})
    with pytest.raises(DataError, match="has the column 'delay' twice"):
        check(GOOD, {"columns": [SCHEMA["columns"][1]] * 2})
    bare = {**SCHEMA, "rules": [{"holds": "delay < 9"}]}
    assert [each["kind"] for each in anomalies(bare, GOOD)] == ["rule"]


def test_an_end_of_a_range_may_be_a_time():
    schema = reviewed_schema(SCHEMA, {"at": {"max": datetime.datetime(2013, 1, 3)}})
    assert json.loads(json.dumps(schema)) == schema
    assert [(each["kind"], each["count"]) for each in anomalies(schema, GOOD)] == [("out_of_range", 1)]
