"""A schema in a file: what is written is read, rows that differ are told, widening makes them fit and no more."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

import penstock as ps
from penstock.errors import DataError, UnknownNameError
from penstock.transforms import (
    check,
    infer_schema,
    profile,
    read_schema,
    reviewed_schema,
    schema_changes,
    widened,
    write_schema,
)

ROWS = [{"kind": ("bus", "tram")[n % 2], "km": n / 2, "at": datetime.date(2024, 1, 1 + n % 28)} for n in range(40)]


def anomalies(schema: dict, rows: object) -> list[dict]:
    return [each.anomaly for each in check(rows, schema).findings]


SCHEMA = reviewed_schema(infer_schema(profile(ROWS)), {"kind": {"max_length": 5}}, label="km")


def test_a_schema_is_written_for_people_and_read_as_it_was(tmp_path: Path) -> None:
    ruled = {**SCHEMA, "rules": [ps.rule("km >= 0"), ps.rule(unique=["at", "km"], severity="warning")]}
    write_schema(ruled, tmp_path / "schemas" / "rides.json")
    found = read_schema(tmp_path / "schemas" / "rides.json")
    assert schema_changes(ruled, found) == []
    assert found["rules"] == ruled["rules"]
    lines = (tmp_path / "schemas" / "rides.json").read_text().splitlines()
    assert [line.split('"')[3] for line in lines if '"type"' in line] == ["kind", "km", "at"]
    assert anomalies(found, ROWS) == []


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("{", DataError, "is no JSON"),
        ("[]", DataError, "is no schema"),
        ('{"columns": [{"type": "int64"}]}', DataError, "has no name"),
        ('{"columns": [{"name": "a"}]}', DataError, "no type for column 'a'"),
        ('{"columns": [{"name": "a", "type": "int64", "most": 3}]}', UnknownNameError, "no property named 'most'"),
    ],
)
def test_a_file_that_is_no_schema_says_what_is_wrong(tmp_path: Path, text: str, error: type, message: str) -> None:
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(error, match=message):
        read_schema(tmp_path / "schema.json")


def test_a_difference_is_a_line_and_widening_makes_the_rows_fit() -> None:
    other = [
        {"kind": "train", "km": 90.0, "at": datetime.date(2023, 12, 31), "new": 1},
        {"kind": None, "km": 1.0, "at": datetime.date(2024, 1, 5), "new": 2},
    ]
    wider = widened(SCHEMA, profile(other))
    assert schema_changes(SCHEMA, wider) == [
        "~ kind nullable: false -> true",
        "~ kind domain: + 'train'",
        "~ km max: 19.5 -> 90.0",
        '~ at min: "2024-01-01" -> "2023-12-31"',
        "+ new: int64",
    ]
    assert anomalies(wider, other) == []
    assert {"name": "km", "modes": ["train"]}.items() <= wider["columns"][1].items()


def test_a_column_that_is_gone_is_taken_out_but_the_label_stays() -> None:
    wider = widened(SCHEMA, profile([{"kind": "bus"}]))
    assert [column["name"] for column in wider["columns"]] == ["kind", "km"]
    assert schema_changes(SCHEMA, wider) == ["- at: date"]


def test_a_column_that_is_not_required_stays_though_it_is_not_there() -> None:
    optional = reviewed_schema(SCHEMA, {"at": {"required": False}})
    assert schema_changes(optional, widened(optional, profile([{"kind": "bus"}]))) == []


def test_a_domain_of_fractions_cannot_be_widened_and_stays() -> None:
    halves = reviewed_schema(SCHEMA, {"km": {"domain": [0.5, 1.0]}})
    assert widened(halves, profile(ROWS))["columns"][1]["domain"] == [0.5, 1.0]


def test_a_rule_that_is_another_under_the_same_name_is_told() -> None:
    one, other = ({**SCHEMA, "rules": [ps.rule(holds, name="far")]} for holds in ("km < 100", "km < 90"))
    [change] = schema_changes(one, other)
    assert change.startswith("~ rule far: ")


def test_a_schema_has_the_rights_of_any_new_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_schema(SCHEMA, tmp_path / "rides.json")
    (tmp_path / "other").touch()
    assert (tmp_path / "rides.json").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "rides.json"]


def test_another_type_begins_anew() -> None:
    wider = widened(SCHEMA, profile([{**row, "km": str(row["km"])} for row in ROWS]))
    assert (wider["columns"][1]["type"], wider["columns"][1]["min"], wider["columns"][1]["modes"]) == (
        "string",
        None,
        ["train"],
    )


_CELLS = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(-9, 9),
        "s": st.none() | st.sampled_from("abcdef"),
        "f": st.none() | st.floats(allow_nan=True, width=32),
    }
)


@settings(deadline=None, max_examples=40)
@given(st.lists(_CELLS, min_size=1, max_size=9), st.lists(_CELLS, min_size=1, max_size=9))
def test_a_widened_schema_fits_both_what_it_came_from_and_what_it_was_widened_by(first, second) -> None:
    schema = infer_schema(profile(first))
    wider = widened(schema, profile(second))
    assert anomalies(wider, second) == []
    types = {column["name"]: column["type"] for column in schema["columns"]}
    if types == {column["name"]: column["type"] for column in wider["columns"]}:
        assert anomalies(wider, first) == []
    assert schema_changes(wider, widened(wider, profile(second))) == []
