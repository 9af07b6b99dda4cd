"""What a feature set may say, and what applying it does: versions, what changed, what breaks, its JSON Schema."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as ps
from penstock.errors import DeclarationError, ExpressionError, SqlError, UnknownNameError

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SET: dict[str, Any] = {
    "entities": {"driver_id": "int64"},
    "timestamp": "event",
    "created": "made",
    "features": {"fare": ps.col("fare")},
    "columns": {"fare": "float64", "tip": "float64"},
}


def rides(**changed: Any) -> ps.FeatureSet:
    return ps.feature_set("rides", **{**SET, **changed})


def rows(**more: list[Any]) -> pa.Table:
    time = pa.array([NOON], pa.timestamp("us", "UTC"))
    return pa.table({"driver_id": [7], "event": time, "made": time, "fare": [20.0], **more})


FARE = ps.col("fare")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"entities": {}}, "has no entity"),
        ({"entities": {"driver_id": "float64"}}, "an entity is told by one of int64"),
        ({"timestamp": "driver_id"}, "'driver_id' is there twice"),
        ({"created": "_sequence"}, "is a name that penstock uses"),
        ({"features": {}}, "has no features"),
        ({"features": "fare"}, "is one text"),
        ({"features": {"a:b": ps.col("fare")}}, "take another"),
        ({"features": {"event": ps.col("fare")}}, "is a column of keys or times"),
        ({"features": {"x": 5}}, "not an expression"),
        ({"features": {"x": ps.col("fare").mean()}}, "an aggregate without a window"),
        ({"features": {"x": ps.col("fare").standard_scaler()}}, "learns from all rows"),
        ({"ttl": "soon"}, "write a positive number and a unit"),
        ({"columns": {"fare": "money"}}, "no type named 'money'"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        rides(**changed)


def test_a_condition_may_be_a_text() -> None:
    def of(*conditions: Any) -> ps.FeatureSet:
        counted, paid = FARE.count(), FARE.sum()
        for condition in conditions:
            counted, paid = counted.where(condition), paid.where(condition)
        return rides(features={"count": counted.over("7d"), "share": paid.over("1h") / FARE.sum().over("1h")})

    assert of("tip > 2") == of(ps.col("tip") > 2)
    assert of("tip > 2 AND fare IS NOT NULL") == of((ps.col("tip") > 2) & FARE.is_not_null())
    assert of("tip > 2", "fare < 9", ps.col("tip") < 5) == of(ps.col("tip") > 2, FARE < 9, ps.col("tip") < 5)
    assert of("tip > 2 OR tip < 1", FARE < 9) == of((ps.col("tip") > 2) | (ps.col("tip") < 1), FARE < 9)


@pytest.mark.parametrize(
    ("text", "said"),
    [("tip > 'a", "cannot read"), ("NOPE(tip)", "no function NOPE"), ("LN(tip, 1)", "ln takes")],
)
def test_a_condition_that_is_none_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(SqlError, match=rf"feature set 'rides': feature 'x': .where: .*{said}"):
        rides(features={"x": FARE.sum().where(text).over("1d") + 1})


def test_a_text_that_is_no_expression_is_refused_with_its_place() -> None:
    with pytest.raises(SqlError, match=r"feature 'x': cannot read 'LN\(fare'"):
        rides(features={"x": "LN(fare"})


def test_a_name_is_one_that_references_can_hold() -> None:
    with pytest.raises(DeclarationError, match="use letters, digits"):
        ps.feature_set("driver rides", **SET)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"columns": {}}, "nothing tells the type of 'fare'"),
        ({"features": None, "columns": {}}, "names no features"),
        ({"columns": {"fare": "float64", "event": "string"}}, "has to be a timestamp"),
        ({"columns": {"fare": "time"}}, "a time of day"),
        ({"features": {"x": ps.col("fare").ln()}, "columns": {"fare": "string"}}, "feature 'x'"),
    ],
)
def test_what_has_no_types_cannot_be_applied(project: ps.Project, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        project.features.apply(rides(**changed))
    assert list(project.features) == []


def test_types_come_from_the_source_or_from_rows(project: ps.Project) -> None:
    pq.write_table(rows(), Path(project.root) / "rides.parquet")
    from_source = project.features.apply(rides(columns=None, source="rides.parquet", features=None))
    assert from_source["properties"]["fare"] == {"type": ["number", "null"]}
    other = ps.feature_set("other", **{**SET, "columns": None, "features": ["fare"]})
    assert project.features.apply(other, rows())["properties"]["fare"] == {"type": ["number", "null"]}
    assert project.features.ingest("rides").rows == 1


def test_applied_again_it_is_the_same_version_and_a_change_is_the_next(project: ps.Project) -> None:
    first = project.features.apply(rides())
    assert (first.version, first.is_new, first.changes) == (1, True, ())
    again = project.features.apply(rides())
    assert (again.version, again.is_new) == (1, False)
    assert "nothing changed" in again.message
    second = project.features.apply(rides(features={"fare": "fare", "rate": "tip / fare"}, ttl="14d"))
    assert (second.version, second.breaks) == (2, ())
    assert second.changes == (
        "feature 'rate' is new (float64)",
        "ttl was None, is 1209600000000",
        "column 'tip' is read too: rows of before have none",
    )


@pytest.mark.parametrize(
    ("changed", "breaks"),
    [
        ({"features": {"tip": ps.col("tip")}}, "feature 'fare' (float64) is gone"),
        ({"columns": {"fare": "int64"}}, "feature 'fare' (float64) is int64"),
        ({"entities": {"car_id": "int64"}}, "an entity is told by car_id, no more by driver_id"),
    ],
)
def test_what_users_of_the_old_version_would_miss_is_said(
    project: ps.Project, changed: dict[str, Any], breaks: str
) -> None:
    project.features.apply(rides())
    applied = project.features.apply(rides(**changed))
    assert applied.breaks == (breaks,)
    assert "not compatible" in applied.message


def test_a_new_feature_of_old_columns_has_its_whole_history_offline_and_online(project: ps.Project) -> None:
    project.features.apply(rides())
    project.features.ingest("rides", rows())
    project.features.apply(rides(features={"fare": "fare", "double": "fare * 2"}))
    asked = pa.table({"driver_id": [7], "event_timestamp": pa.array([NOON], pa.timestamp("us", "UTC"))})
    assert project.features.get_historical_features(asked, ["rides:double"]).column("double").to_pylist() == [40.0]
    assert project.features.get_online_features(["rides:double"], {"driver_id": [7]}).column("double").to_pylist() == [
        40.0
    ]


def test_a_column_of_another_type_begins_a_history_of_its_own_and_the_old_version_keeps_its_rows(
    project: ps.Project,
) -> None:
    project.features.apply(rides())
    project.features.ingest("rides", rows())
    project.features.apply(rides(columns={"fare": "string"}))
    project.features.ingest("rides", rows(fare=["cheap"]))
    for reference, value in (("rides@1:fare", 20.0), ("rides:fare", "cheap")):
        assert project.features.get_online_features([reference], {"driver_id": [7]}).column("fare").to_pylist() == [
            value
        ]


def test_rows_go_into_what_was_applied_not_into_what_is_declared_otherwise(project: ps.Project) -> None:
    with pytest.raises(UnknownNameError, match="no feature set named 'rides'"):
        project.features.ingest(rides(), rows())
    project.features.apply(rides())
    with pytest.raises(DeclarationError, match="apply it first"):
        project.features.ingest(rides(features={"fare": "fare + 1"}), rows())
    assert project.features.ingest(rides(), rows()).rows == 1


def test_the_json_schema_says_what_json_of_a_row_looks_like(project: ps.Project) -> None:
    types = {
        "b": "bool", "i": "int64", "f": "float64", "s": "string", "d": "date", "t": "timestamp",
        "a": "array<int64>", "r": "struct<x int64, y string>",
    }  # fmt: skip
    declared = rides(features=list(types), columns=types, description="What a driver earns", owner="me", ttl="1h")
    schema = project.features.apply(declared)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["driver_id", "event"]
    assert (schema["title"], schema["description"]) == ("rides", "What a driver earns")
    assert (schema["x-ttl-seconds"], schema["x-entities"], schema["x-owner"]) == (3600.0, ["driver_id"], "me")
    properties = {name: schema["properties"][name] for name in types}
    assert {name: each["type"][0] for name, each in properties.items()} == {
        "b": "boolean", "i": "integer", "f": "number", "s": "string", "d": "string", "t": "string",
        "a": "array", "r": "object",
    }  # fmt: skip
    assert all(each["type"][1] == "null" for each in properties.values())
    assert properties["a"]["items"]["type"] == ["integer", "null"]
    assert properties["t"]["format"] == "date-time"


def test_a_reference_that_names_nothing_says_what_there_is(project: ps.Project) -> None:
    project.features.apply(rides())
    ask = project.features.get_online_features
    with pytest.raises(UnknownNameError, match="Did you mean 'fare'"):
        ask(["rides:fares"], {"driver_id": [7]})
    with pytest.raises(UnknownNameError, match="no version named '9'"):
        ask(["rides@9:fare"], {"driver_id": [7]})
    with pytest.raises(UnknownNameError, match="no feature set named 'ride'"):
        ask(["ride:fare"], {"driver_id": [7]})
    with pytest.raises(DeclarationError, match="names no feature"):
        ask(["fare"], {"driver_id": [7]})


def test_a_ratio_that_has_no_value_is_named_online_and_of_history(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    share = FARE.count().where("fare > 1").over("7d") / FARE.count().over("7d")
    declared = rides(features={"fares": FARE.count().over("7d"), "share": share, "fare": FARE})
    project.features.apply(declared)
    project.features.ingest(declared, rows())
    with pytest.raises(ExpressionError, match=r"'share' has no value in some row: division by zero; safe_divide gives"):
        project.features.get_historical_features(pa.table({"driver_id": [1]}), ["rides:*"])
    with pytest.raises(ExpressionError, match=r"'share': no value for this row: float division by zero"):
        project.features.reader(["rides:fares", "rides:share"]).row({"driver_id": 1})
