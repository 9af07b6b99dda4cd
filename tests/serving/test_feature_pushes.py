"""Feature sets applied, filled and emptied over REST."""

from __future__ import annotations

import datetime as dt

import msgspec
import pyarrow as pa
import pytest
from feature_requests import ARROW, DF, FORM, HISTORY, LARGE, NAMES, NOW, by_name, online, read, stream


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"at": ["2026-01-31T08:30:00"]}, "at", "zone"),
        ({"at": ["soon"]}, "at", "ISO 8601"),
        ({"at": [1795816437]}, "at", "1795816437"),
        ({"at": [None]}, "at", "'at' is NULL"),
        ({"trips": [7.9]}, "trips", "'trips' is no int64 exactly"),
        ({"trips": ["7"]}, "trips", "declared int64"),
        ({"trips": [2**63]}, "trips", "int64"),
        ({"fare": [LARGE]}, "fare", "'fare' is no float64 exactly"),
        ({"fare": ["much"]}, "fare", "declared float64"),
        ({"driver": [None]}, "driver", "'driver' is NULL"),
        ({"driver": ["x"], "note": [1, "x"]}, "note", "it holds 'x' and 1"),
        ({"raw": ["*"]}, "raw", "base64"),
        ({"day": ["2026-02-30"]}, "day", "date"),
        ({"tags": [[1]]}, "tags", "array<string>"),
        ({"tags": "a"}, "tags", "give a list"),
    ],
)
def test_a_push_that_does_not_fit_stores_nothing_and_names_the_column(rides, change, field, said):
    df = {name: values[:1] for name, values in DF.items()} | change
    answer = rides.post("/push", json={"push_source_name": "rides", "df": df})
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["error"]["message"]
    assert answer.json()["error"]["field"] == field
    assert by_name(online(rides, ["rides:trips"], {"driver": [7]}))["trips"]["values"] == [LARGE]


def test_a_missing_column_of_a_push_is_named(rides):
    df = {name: values for name, values in DF.items() if name != "trips"}
    error = rides.post("/push", json={"push_source_name": "rides", "df": df}).json()["error"]
    assert (error["code"], error["field"]) == ("data", "trips")


@pytest.mark.parametrize("to", ["online", "offline", "online_and_offline"])
def test_whereto_a_push_goes_is_the_history_and_online_both(rides, to):
    df = {name: values[:1] for name, values in DF.items()} | {"driver": [5], "trips": [50]}
    assert rides.post("/push", json={"push_source_name": "rides", "df": df, "to": to}).status_code == 200
    assert by_name(online(rides, ["rides:trips"], {"driver": [5]}))["trips"]["values"] == [50]
    asked = {"features": ["rides:trips"], "entity_df": {"driver": [5], "event_timestamp": [NOW.isoformat()]}}
    assert by_name(rides.post("/get-historical-features", json=asked))["trips"]["values"] == [50]


def test_a_batch_is_never_in_twice_and_bad_rows_may_be_set_aside(rides):
    df = {name: values[:2] for name, values in DF.items()} | {"trips": [1, 7.9]}
    form = {"push_source_name": "rides", "df": df, "batch": "b1", "on_bad": "set_aside"}
    first = rides.post("/push", json=form).json()
    assert (first["rows"], first["repeated"], first["reasons"]) == (1, False, ["'trips' is no int64 exactly"])
    assert first["set_aside"][0]["driver"] == 9
    assert rides.post("/push", json=form).json()["repeated"] is True


def test_dead_letters_of_a_push_are_read_and_cleared(rides):
    df = {name: values[:2] for name, values in DF.items()} | {"trips": [6.5, 7.9]}
    assert rides.post("/push", json={"push_source_name": "rides", "df": df, "on_bad": "dead_letter"}).is_success
    path = "/v1/feature-sets/rides/dead-letters"
    found = rides.get(path).json()
    assert (found["count"], len(found["dead_letters"])) == (2, 2)
    newest = rides.get(path, params={"limit": 1}).json()
    assert (newest["count"], newest["dead_letters"]) == (2, found["dead_letters"][1:])
    assert newest["dead_letters"][0]["reason"] == "'trips' is no int64 exactly"
    assert msgspec.json.decode(newest["dead_letters"][0]["row"])["trips"] == 7.9
    assert read(rides.get(path, headers={"accept": ARROW}).content).num_rows == 2
    assert rides.get("/v1/feature-sets/ride/dead-letters").status_code == 404
    assert rides.get(path, params={"limit": "few"}).status_code == 400
    clear = "/v1/feature-sets/rides:clearDeadLetters"
    assert rides.post(clear, json={"before": "2026-01-01"}).status_code == 400
    assert rides.post(clear, json={"before": "2026-01-01T00:00:00Z"}).json() == {"cleared": 0}
    assert rides.post(clear, json={}).json() == {"cleared": 2}
    assert rides.get(path).json() == {"count": 0, "dead_letters": []}


def test_pushed_rows_may_be_an_arrow_stream_and_those_set_aside_come_back_as_one(rides):
    rows = pa.table({name: pa.array([None, None]) for name in NAMES})
    rows = rows.append_column("driver", pa.array([3, None], pa.int64()))
    rows = rows.append_column("at", pa.array([NOW, NOW], pa.timestamp("us", "UTC")))
    form = {"push_source_name": "rides", "on_bad": "set_aside"}
    headers = {"content-type": ARROW, "accept": ARROW}
    found = read(rides.post("/push", content=stream(rows, form), headers=headers).content)
    said = msgspec.json.decode(found.schema.metadata[b"penstock"])
    assert (found.num_rows, said["rows"], said["reasons"]) == (1, 1, ["'driver' is NULL"])


def test_sets_are_listed_and_shown_with_their_schema_and_versions(rides):
    changed = {**FORM, "features": ["fare"], "description": "What a driver earns", "owner": "pricing"}
    assert rides.post("/v1/feature-sets", json=changed).json()["breaks"]
    again = rides.post("/v1/feature-sets", json=changed)
    assert (again.status_code, again.json()["is_new"]) == (200, False)
    listed = rides.get("/v1/feature-sets").json()["feature_sets"]
    assert [(each["name"], each["version"], each["features"], each["owner"]) for each in listed] == [
        ("rides", 2, ["fare"], "pricing")
    ]
    shown = rides.get("/v1/feature-sets/rides").json()
    assert shown["schema"]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert [(each["version"], each["compatible"]) for each in shown["versions"]] == [(2, False), (1, True)]
    assert rides.get("/v1/feature-sets/ride").status_code == 404
    page = rides.get("/").text
    assert '<a href="/v1/feature-sets/rides">rides</a>' in page
    assert "fare of driver" in page


def test_sets_are_found_by_words(rides):
    rides.post("/v1/feature-sets", json={**FORM, "name": "cars", "description": "What a car earns"})
    found = rides.get("/v1/feature-sets", params={"search": "CAR earns"}).json()["feature_sets"]
    assert [each["name"] for each in found] == ["cars"]
    assert rides.get("/v1/feature-sets", params={"find": "car"}).status_code == 400


def test_a_feature_service_is_a_list_of_features_that_stays(rides):
    form = {"name": "pricing", "features": ["rides:fare", "rides:trips"], "owner": "pricing"}
    assert rides.post("/v1/feature-services", json=form).status_code == 201
    assert rides.post("/v1/feature-services", json=form).status_code == 200
    asked = {"feature_service": "pricing", "entities": {"driver": [7]}}
    found = by_name(rides.post("/get-online-features", json=asked))
    assert list(found) == ["driver", "fare", "trips"]
    history = {"feature_service": "pricing", "entity_df": HISTORY["entity_df"]}
    assert by_name(rides.post("/get-historical-features", json=history))["trips"]["values"] == [LARGE, 0, None, None]
    assert rides.get("/v1/feature-services/pricing@1").json()["pinned"] == ["rides@1:fare", "rides@1:trips"]
    assert [each["name"] for each in rides.get("/v1/feature-services").json()["feature_services"]] == ["pricing"]


def test_a_source_over_rest_is_a_declared_table_and_no_path(client):
    for source in ("/etc/passwd", "hire/july.parquet"):
        answer = client.post("/v1/feature-sets", json={**FORM, "source": source})
        assert (answer.status_code, answer.json()["error"]["known"]) == (422, ["hire"])


def test_entities_are_forgotten_old_rows_expire_and_online_is_made_again(rides):
    assert rides.post("/v1/feature-sets/rides:forget", json={"entities": {"driver": [9]}}).json() == {
        "rows": 1,
        "online": 1,
        "dead_letters": 0,
    }
    before = (NOW - dt.timedelta(days=1)).isoformat()
    assert rides.post("/v1/feature-sets/rides:expire", json={"before": before}).json() == {"rows": 1}
    assert rides.post("/v1/feature-sets/rides:expire", json={"before": "2026-01-01"}).status_code == 400
    found = by_name(online(rides, ["rides:fare"], {"driver": [7, 9, 8]}))
    assert found["fare"]["statuses"] == ["PRESENT", "NOT_FOUND", "NOT_FOUND"]
    assert rides.post("/v1/feature-sets/rides:materialize", json={}).json() == {"entities": 0}
    assert rides.post("/v1/feature-sets/rides:compact", json={}).status_code == 200
