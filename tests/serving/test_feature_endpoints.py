"""Features read over REST: Feast's payloads and answers, exact values, errors that name the field."""

from __future__ import annotations

import datetime as dt
import io
import time

import pyarrow as pa
import pyarrow.parquet
import pytest
from feature_requests import ARROW, FORM, HISTORY, LARGE, NAMES, NOW, UTC, by_name, online, read, stream
from serving_fakes import Multiply, TestClient

import penstock as ps
from penstock.serving.application import application


def test_what_was_pushed_is_answered_as_feast_answers_and_every_value_is_exact(rides):
    answer = online(rides, [f"rides:{name}" for name in NAMES], {"driver": [7, 9, 8, 1]})
    found = by_name(answer)
    event = NOW.isoformat().replace("+00:00", "Z")
    old = (NOW - dt.timedelta(days=20)).isoformat().replace("+00:00", "Z")
    never = "1970-01-01T00:00:00Z"
    assert list(found) == ["driver", *NAMES]
    assert found["driver"] == {
        "values": [7, 9, 8, 1],
        "statuses": ["PRESENT"] * 4,
        "event_timestamps": [never] * 4,
    }
    assert found["fare"] == {
        "values": [12.5, None, None, None],
        "statuses": ["PRESENT", "NULL_VALUE", "OUTSIDE_MAX_AGE", "NOT_FOUND"],
        "event_timestamps": [event, event, old, never],
    }
    assert {name: found[name]["values"][:2] for name in NAMES[1:]} == {
        "trips": [LARGE, -(2**63)],
        "seen": ["2026-01-31T07:30:00.000001Z", None],
        "note": ["é", ""],
        "tags": [["a", "b"], []],
        "raw": ["AAH/", None],
        "day": ["2026-01-31", None],
    }
    assert found["trips"]["statuses"][:2] == ["PRESENT", "PRESENT"]


def test_full_names_and_versions_are_told_as_feast_tells_them(rides):
    answer = online(
        rides, ["rides:fare"], {"driver": [7]}, full_feature_names=True, include_feature_view_version_metadata=True
    ).json()
    assert answer["metadata"] == {
        "feature_names": ["driver", "rides__fare"],
        "feature_view_metadata": [{"name": "rides", "version": 1}],
    }


def test_floats_that_are_no_numbers_come_and_go_by_their_names_in_protocol_buffers(client):
    form = {"name": "f", "entities": {"id": "string"}, "timestamp": "at", "columns": {"x": "float64"}}
    client.post("/v1/feature-sets", json=form)
    values = ["NaN", "Infinity", "-Infinity", 1, 1e308]
    keys = ["a", "b", "c", "d", "e"]
    df = {"id": keys, "at": [NOW.isoformat()] * 5, "x": values}
    assert client.post("/push", json={"push_source_name": "f", "df": df}).json()["rows"] == 5
    assert by_name(online(client, ["f:x"], {"id": keys}))["x"]["values"] == values
    assert by_name(online(client, ["f:x"], {"id": ["e", "e"]}))["x"]["values"] == [1e308, 1e308]


def test_a_new_version_is_served_without_a_restart(rides):
    assert by_name(online(rides, ["rides:fare"], {"driver": [7]}))["fare"]["values"] == [12.5]
    changed = {**FORM, "features": {"fare": "fare * 2"}}
    applied = rides.post("/v1/feature-sets", json=changed)
    assert (applied.status_code, applied.json()["version"]) == (201, 2)
    deadline = time.monotonic() + 5
    while by_name(online(rides, ["rides:fare"], {"driver": [7]}))["fare"]["values"] != [25.0]:
        assert time.monotonic() < deadline, "the old version is served still"
        time.sleep(0.02)
    assert by_name(online(rides, ["rides@1:fare"], {"driver": [7]}))["fare"]["values"] == [12.5]


def test_several_sets_are_asked_at_once_each_by_its_keys(rides):
    form = {"name": "cars", "entities": {"driver": "int64", "plate": "string"}, "timestamp": "at"}
    rides.post("/v1/feature-sets", json={**form, "columns": {"seats": "int64"}})
    df = [{"driver": 7, "plate": "B 1", "at": NOW.isoformat(), "seats": 5}]
    assert rides.post("/push", json={"push_source_name": "cars", "df": df}).status_code == 200
    asked = {"driver": [7, None, 7], "plate": ["B 1", "B 1", None]}
    found = by_name(online(rides, ["cars:seats", "rides:fare"], asked))
    assert list(found) == ["driver", "plate", "seats", "fare"]
    assert found["seats"]["values"] == [5, None, None]
    assert found["fare"]["values"] == [12.5, None, 12.5]
    assert found["fare"]["statuses"] == ["PRESENT", "NOT_FOUND", "PRESENT"]


@pytest.mark.parametrize(
    ("body", "status", "field", "said"),
    [
        ({"features": ["rides:fare"], "entities": {"driver": ["7"]}}, 422, "driver", "it was declared int64"),
        ({"features": ["rides:fare"], "entities": {"driver": [2**63]}}, 422, "driver", "int64"),
        ({"features": ["rides:fare"], "entities": {"driver": [True]}}, 422, "driver", "is bool"),
        ({"features": ["rides:fare"], "entities": {"driver": 7}}, 422, "driver", "give a list"),
        ({"features": ["rides:fare"], "entities": {"rider": [7]}}, 422, "driver", "they have: rider"),
        ({"features": ["rides:fare"], "entities": {"driver": [7], "x": []}}, 422, None, "several lengths"),
        ({"features": ["rides:fair"], "entities": {"driver": [7]}}, 422, None, "Did you mean 'fare'?"),
        ({"features": ["ride:fare"], "entities": {"driver": [7]}}, 422, None, "Did you mean 'rides'?"),
        ({"features": ["fare"], "entities": {"driver": [7]}}, 422, None, "write 'set:feature'"),
        ({"features": [], "entities": {"driver": [7]}}, 400, None, "asks for nothing"),
        ({"feature": ["rides:fare"], "entities": {"driver": [7]}}, 400, None, "unknown field `feature`"),
        ({"feature_service": "none", "entities": {"driver": [7]}}, 422, None, "feature service named 'none'"),
        ({"feature_service": "none", "features": ["rides:fare"], "entities": {}}, 400, None, "give one of them"),
    ],
)
def test_a_bad_request_names_what_is_wrong(rides, body, status, field, said):
    answer = rides.post("/get-online-features", json=body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["field"] == field
    assert said in error["message"]


def test_a_key_that_is_no_whole_number_or_null_is_not_found_and_a_whole_float_is_its_number(rides):
    found = by_name(online(rides, ["rides:fare"], {"driver": [7.0, 7.5, None]}))
    assert found["fare"]["values"] == [12.5, None, None]
    assert found["fare"]["statuses"] == ["PRESENT", "NOT_FOUND", "NOT_FOUND"]


def test_no_entities_give_no_values(rides):
    assert by_name(online(rides, ["rides:fare"], {"driver": []}))["fare"]["values"] == []


def test_a_large_request_is_answered_in_order_beside_the_event_loop(rides, project):
    keys = [7, 9] * 20_000
    with TestClient(application(project, Multiply)) as client:
        found = by_name(online(client, ["rides:trips"], {"driver": keys}))
    assert found["trips"]["values"] == [LARGE, -(2**63)] * 20_000


def test_only_post_reads_and_it_is_counted(rides):
    assert rides.get("/get-online-features").status_code == 405
    online(rides, ["rides:fare"], {"driver": [7]})
    assert 'endpoint="get_online_features",status="200"} 1' in rides.get("/metrics").text


def test_history_is_answered_in_the_form_of_online_features(rides):
    found = by_name(rides.post("/get-historical-features", json=HISTORY))
    assert list(found) == ["driver", "event_timestamp", "label", "fare", "trips"]
    assert found["label"] == {"values": [1, 2, 3, LARGE], "statuses": ["PRESENT"] * 4}
    assert found["fare"] == {
        "values": [12.5, 1.0, None, None],
        "statuses": ["PRESENT", "PRESENT", "NOT_FOUND", "NOT_FOUND"],
    }
    assert found["trips"]["values"] == [LARGE, 0, None, None]
    assert found["event_timestamp"]["values"][0] == NOW.isoformat().replace("+00:00", "Z")


def test_rows_may_be_objects_and_answers_files(rides):
    columns = HISTORY["entity_df"]
    objects = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    body = {**HISTORY, "entity_df": objects}
    assert rides.post("/get-historical-features", json=body).content == (
        rides.post("/get-historical-features", json=HISTORY).content
    )
    answer = rides.post("/get-historical-features", json=body, headers={"accept": "application/vnd.apache.parquet"})
    assert pyarrow.parquet.read_table(io.BytesIO(answer.content)).column("trips").to_pylist() == [LARGE, 0, None, None]


def test_history_comes_and_goes_as_an_arrow_stream(rides):
    rows = pa.table({"driver": [7, 1], "event_timestamp": pa.array([NOW, NOW], pa.timestamp("us", "UTC"))})
    form = {"features": ["rides:trips"], "full_feature_names": True, "statuses": True}
    answer = rides.post("/get-historical-features", content=stream(rows, form), headers={"content-type": ARROW})
    assert answer.headers["content-type"] == ARROW
    found = read(answer.content)
    assert found.column_names == ["driver", "event_timestamp", "rides__trips", "rides__trips__status"]
    assert found.schema.field("rides__trips").type == pa.int64()
    assert found.column("rides__trips").to_pylist() == [LARGE, None]


def test_online_features_come_and_go_as_an_arrow_stream(rides):
    form = {"features": ["rides:seen"], "statuses": True}
    body = stream(pa.table({"driver": [7, 1]}), form)
    answer = rides.post("/get-online-features", content=body, headers={"content-type": ARROW})
    found = read(answer.content)
    assert found.column("seen").to_pylist() == [dt.datetime(2026, 1, 31, 7, 30, 0, 1, UTC), None]
    assert found.column("seen__status").to_pylist() == ["PRESENT", "NOT_FOUND"]
    json = {"features": ["rides:seen"], "entities": {"driver": [7, 1]}}
    again = rides.post("/get-online-features", json=json, headers={"accept": ARROW})
    assert read(again.content).equals(found.drop_columns("seen__status"))


@pytest.mark.parametrize("path", ["/get-online-features", "/get-historical-features", "/push"])
def test_an_arrow_stream_that_does_not_say_what_is_asked_is_told_how(rides, path):
    answer = rides.post(path, content=stream(pa.table({"driver": [7]})), headers={"content-type": ARROW})
    assert answer.status_code == 400
    assert "replace_schema_metadata" in answer.json()["error"]["message"]


def test_windows_and_features_on_demand_are_answered_as_of_now(client, project):
    drives = ps.feature_set(
        "drives",
        entities={"driver": "int64"},
        timestamp="at",
        features={
            "fare": ps.col("fare"),
            "day": ps.col("fare").sum().over("1d"),
            "share": ps.request("amount", "float64") / ps.feature("drives:day"),
        },
        columns={"fare": "float64"},
    )
    project.features.apply(drives)
    hour = dt.timedelta(hours=1)
    df = {"driver": [7, 7, 9], "at": [(NOW - hour * n).isoformat() for n in (1, 2, 30)], "fare": [10.0, 30.0, 5.0]}
    assert client.post("/push", json={"push_source_name": "drives", "df": df}).status_code == 200
    asked = {"driver": [7, 9, 1], "amount": [20.0, 20.0, 20.0]}
    found = by_name(online(client, ["drives:share", "drives:day", "drives:fare"], asked))
    assert list(found) == ["driver", "share", "day", "fare"]
    assert found["share"]["values"] == [0.5, None, None]
    assert found["day"]["values"] == [40.0, None, None]
    assert found["fare"]["values"] == [10.0, 5.0, None]
    assert found["share"]["statuses"][0] == found["day"]["statuses"][0] == "PRESENT"
    told = dt.datetime.fromisoformat(found["day"]["event_timestamps"][0])
    assert abs(told - dt.datetime.now(UTC)) < dt.timedelta(minutes=5)
    local = project.features.get_online_features(
        ["drives:share", "drives:day"], pa.table({"driver": [7, None, 1], "amount": [20.0] * 3}), statuses=True
    )
    with_null = by_name(online(client, ["drives:share", "drives:day"], {"driver": [7, None, 1], "amount": [20.0] * 3}))
    for name in ("share", "day"):
        assert with_null[name]["values"] == local.column(name).to_pylist()
        assert with_null[name]["statuses"] == local.column(f"{name}__status").to_pylist()
    error = online(client, ["drives:share"], {"driver": [7]}).json()["error"]
    assert (error["code"], error["field"]) == ("data", "amount")
    error = online(client, ["drives:share"], {"driver": [7], "amount": ["much"]}).json()["error"]
    assert (error["code"], error["field"]) == ("data", "amount")
    history = {
        "features": ["drives:share"],
        "entity_df": {"driver": [7], "amount": [20], "event_timestamp": [NOW.isoformat()]},
    }
    assert by_name(client.post("/get-historical-features", json=history))["share"]["values"] == [0.5]


def test_what_is_answered_is_what_the_project_answers(rides, project):
    features = [f"rides:{name}" for name in NAMES]
    table = project.features.get_online_features(features, {"driver": [7, 9, 8, 1]}, statuses=True)
    found = by_name(online(rides, features, {"driver": [7, 9, 8, 1]}))
    for name in NAMES:
        assert found[name]["statuses"] == table.column(f"{name}__status").to_pylist()
    assert found["fare"]["values"] == table.column("fare").to_pylist()
