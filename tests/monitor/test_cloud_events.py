"""CloudEvents 1.0 as its specification writes them: structured, batched and binary over HTTP; what is none is named."""

from __future__ import annotations

import json

import pytest
from trigger_worlds import World

from penstock.errors import DeclarationError, RequestError
from penstock.monitor import event, matches, on, read_http

# The examples of the specification's JSON format and HTTP binding.
EXAMPLE = {
    "specversion": "1.0",
    "type": "com.example.someevent",
    "source": "/mycontext",
    "id": "C234-1234-1234",
    "time": "2018-04-05T17:31:00Z",
    "comexampleextension1": "value",
    "comexampleothervalue": 5,
    "datacontenttype": "application/json",
    "data": {"appinfoA": "abc", "appinfoB": 123, "appinfoC": True},
}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=UTF-8"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
BINARY = {
    "ce-specversion": "1.0",
    "ce-type": "com.example.someevent",
    "ce-time": "2018-04-05T03:56:24Z",
    "ce-id": "1234-1234-1234",
    "ce-source": "/mycontext/subcontext",
    "content-type": "application/json; charset=utf-8",
}


def structured(**changes: object) -> bytes:
    event = {**EXAMPLE, **changes}
    return json.dumps({name: value for name, value in event.items() if value is not ...}).encode()


def test_structured():
    assert read_http(STRUCTURED, structured()) == [EXAMPLE]


def test_batched():
    assert read_http(BATCH, b"[" + structured(id="a") + b"," + structured(id="b") + b"]") == [
        {**EXAMPLE, "id": "a"},
        {**EXAMPLE, "id": "b"},
    ]
    assert read_http(BATCH, b"[]") == []


def test_binary():
    (event,) = read_http(BINARY, b'{"a": [1, null]}')
    assert event == {
        "specversion": "1.0",
        "type": "com.example.someevent",
        "time": "2018-04-05T03:56:24Z",
        "id": "1234-1234-1234",
        "source": "/mycontext/subcontext",
        "datacontenttype": "application/json; charset=utf-8",
        "data": {"a": [1, None]},
    }
    assert "data" not in read_http(BINARY, b"")[0]


def test_binary_attributes_are_written_as_headers_can():
    headers = {**BINARY, "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80", "ce-note": '"a \\"quoted\\" one"'}
    (event,) = read_http(headers, b"{}")
    assert (event["subject"], event["note"]) == ("Euro € 😀", 'a "quoted" one')


@pytest.mark.parametrize(
    ("media", "body", "data"),
    [
        ("application/vnd.app+json", b"[1]", {"data": [1]}),
        ("text/plain", "grün".encode(), {"data": "grün"}),
        ("application/octet-stream", b"\x00\xff", {"data_base64": "AP8="}),
    ],
)
def test_data_is_read_by_its_type(media: str, body: bytes, data: dict):
    (event,) = read_http({**BINARY, "content-type": media}, body)
    assert {name: value for name, value in event.items() if name.startswith("data_") or name == "data"} == data


def test_data_in_base64_of_a_structured_event():
    body = structured(data=..., data_base64="eyJhIjoxfQ==")
    assert read_http(STRUCTURED, body)[0]["data"] == {"a": 1}


def test_an_attribute_that_is_null_is_absent():
    assert "subject" not in read_http(STRUCTURED, structured(subject=None))[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": ...}, "attribute 'id' is missing"),
        ({"id": ""}, "attribute 'id' is ''; it is a text that is not empty"),
        ({"source": ...}, "attribute 'source' is missing"),
        ({"source": "a b"}, "attribute 'source' is 'a b', no URI reference"),
        ({"type": 7}, "attribute 'type' is 7"),
        ({"specversion": "0.3"}, "attribute 'specversion' is '0.3'; version 1.0 can be read"),
        ({"time": "yesterday"}, "attribute 'time' is 'yesterday'"),
        ({"time": "2018-04-05T17:31:00"}, "attribute 'time'"),
        ({"subject": ""}, "attribute 'subject'"),
        ({"myExtension": "x"}, "'myExtension' names no attribute"),
        ({"extension": {"a": 1}}, "attribute 'extension'"),
        ({"extension": 2**31}, "attribute 'extension'"),
        ({"data_base64": "aGk="}, "an event has 'data' or 'data_base64', not both"),
        ({"data": ..., "data_base64": "?"}, "attribute 'data_base64' is not base64"),
    ],
)
def test_a_wrong_attribute_is_named(changes: dict, said: str):
    with pytest.raises(RequestError, match=f"^{said}"):
        read_http(STRUCTURED, structured(**changes))
    with pytest.raises(RequestError, match=f"^event 1: {said}"):
        read_http(BATCH, b"[" + structured() + b"," + structured(**changes) + b"]")


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        (STRUCTURED, b"{", "the body is not JSON"),
        (STRUCTURED, b"[]", "an event is a JSON object, not list"),
        (BATCH, b"{}", "is no list of events"),
        ({"content-type": "application/cloudevents+xml"}, b"<e/>", "cannot be read; send application/cloudevents"),
        ({"content-type": "application/json"}, b"{}", "this is no CloudEvent"),
        ({**BINARY, "ce-id": ""}, b"{}", "attribute 'id'"),
        (BINARY, b"{", "the data, which should be application/json, is not JSON"),
    ],
)
def test_what_is_no_event_is_said_to_be_none(headers: dict, body: bytes, said: str):
    with pytest.raises(RequestError, match=said):
        read_http(headers, body)


@pytest.mark.parametrize(
    ("when", "fires"),
    [
        (event("com.example.someevent"), True),
        (event("com.example.*"), True),
        (event("com.example"), False),
        (event("*", source="/mycontext"), True),
        (event("*", source="/other*"), False),
        (event("*", filter={"appinfoB": 123, "appinfoC": True}), True),
        (event("*", filter={"appinfoB": 124}), False),
        (event("*", filter={"appinfoB.deeper": 1}), False),
    ],
)
def test_events_are_matched_by_type_source_and_values(world: World, when, fires: bool):
    assert matches(world.declare(on(when, "p")), EXAMPLE) is fires


def test_what_a_trigger_waits_for_is_checked_when_it_is_declared():
    with pytest.raises(DeclarationError, match="has no type"):
        event("")
    with pytest.raises(DeclarationError, match="give redis://host:6379/name"):
        event("x", stream="http://host/name")
