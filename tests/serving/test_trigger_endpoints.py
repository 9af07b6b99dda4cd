"""Triggers and events over REST; what the triggers start is a stand-in for `penstock run`."""

from __future__ import annotations

import sys
import time

import pytest

import penstock as ps
from penstock.pipelines import pipeline

EVENT = {"specversion": "1.0", "type": "com.shop.order", "source": "/shop", "id": "1", "data": {"path": "a.csv"}}
STRUCTURED = {"content-type": "application/cloudevents+json"}


def rides(source: str = "x", depth: int = 6) -> None:
    """Ride."""


@pytest.fixture(autouse=True)
def started(monkeypatch, tmp_path, project):
    """Let a process that says that the run has begun stand for `penstock run`."""
    script = tmp_path / "driver"
    script.write_text(
        f"#!{sys.executable}\nimport sys, json\nprint(json.dumps({{'id': 'r7', 'params': json.load(sys.stdin)}}))\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    project.pipelines["rides"] = pipeline(rides)
    project.triggers.on(ps.event("com.shop.*"), "rides", params={"source": ps.event_data("path")}, name="orders")


def state_of(client, occurrence: str) -> str:
    """Return the state of a firing once it is settled."""
    deadline = time.monotonic() + 20
    while True:
        firings = client.get("/v1/triggers/orders/firings").json()["firings"]
        (state,) = [firing["state"] for firing in firings if firing["occurrence"] == occurrence]
        if state != "waiting":
            return state
        assert time.monotonic() < deadline, "it waits for ever"
        time.sleep(0.02)


def test_an_event_is_answered_once_it_is_recorded_and_starts_one_run(client):
    first = client.post("/v1/events", json=EVENT, headers=STRUCTURED)
    assert first.status_code == 202
    (firing,) = first.json()["firings"]
    assert (firing["trigger"], firing["occurrence"], firing["new"]) == ("orders", "/shop 1", True)
    (again,) = client.post("/v1/events", json=EVENT, headers=STRUCTURED).json()["firings"]
    assert again["new"] is False
    assert state_of(client, "/shop 1") == "started"
    assert len(client.get("/v1/triggers/orders/firings").json()["firings"]) == 1


def test_events_come_as_headers_and_in_batches(client):
    binary = {"ce-specversion": "1.0", "ce-type": "com.shop.order", "ce-source": "/shop", "ce-id": "2"}
    answer = client.post("/v1/events", json={"path": "b"}, headers=binary)
    assert [firing["event"]["data"] for firing in answer.json()["firings"]] == [{"path": "b"}]
    batch = [{**EVENT, "id": "3"}, {**EVENT, "id": "4", "type": "other"}]
    answer = client.post("/v1/events", json=batch, headers={"content-type": "application/cloudevents-batch+json"})
    assert [firing["occurrence"] for firing in answer.json()["firings"]] == ["/shop 3"]


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        ({**EVENT, "id": ""}, STRUCTURED, "attribute 'id'"),
        ({**EVENT, "specversion": "2"}, STRUCTURED, "attribute 'specversion'"),
        (EVENT, {}, "this is no CloudEvent"),
    ],
)
def test_what_is_no_event_is_refused_with_the_attribute_that_is_wrong(client, body, headers, said):
    answer = client.post("/v1/events", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request")
    assert said in answer.json()["error"]["message"]


def test_a_trigger_is_shown_paused_and_resumed(client):
    (listed,) = client.get("/v1/triggers").json()["triggers"]
    assert (listed["name"], listed["kind"], listed["paused"], listed["next"]) == ("orders", "event", False, None)
    assert client.post("/v1/triggers/orders:pause", json={"reason": "holidays"}).json()["paused"] is True
    client.post("/v1/events", json=EVENT, headers=STRUCTURED)
    assert client.get("/v1/triggers/orders").json()["paused"] is True
    assert client.post("/v1/triggers/orders:resume").json()["paused"] is False
    assert state_of(client, "/shop 1") == "started"


def test_a_trigger_is_fired_by_hand(client):
    answer = client.post("/v1/triggers/orders:fire", json={"data": {"path": "c"}})
    assert (answer.status_code, answer.json()["state"]) == (202, "started")
    answer = client.post("/v1/triggers/orders:fire", json={})
    assert answer.json()["state"] in ("waiting", "failed")  # its place is taken, or its data lacks the path
    assert client.post("/v1/triggers/orders:fire", json={"date": 1}).status_code == 400


def test_what_is_not_there_is_named(client):
    assert client.get("/v1/triggers/order").status_code == 404
    assert "Did you mean 'orders'" in client.post("/v1/triggers/order:pause", json={}).json()["error"]["message"]
    assert client.get("/v1/triggers/orders/firings?limit=x").status_code == 400


def test_a_schedule_says_when_it_is_next(client, project):
    project.triggers.on(ps.every("1d"), "rides", name="daily")
    assert client.get("/v1/triggers/daily").json()["next"] % 86400 == 0
