"""CloudEvents 1.0: read from HTTP (structured, batched, binary) and from JSON, checked, and matched by triggers."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

import msgspec

from penstock.core.trigger import Trigger
from penstock.errors import RequestError
from penstock.monitor.parameters import inside

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
CloudEvent = dict[str, Any]
"""The attributes of an event by name, and its `data` (bytes that are no text: as base64, in `data_base64`)."""

_REQUIRED = ("specversion", "id", "source", "type")
_TEXTS = (*_REQUIRED, "subject", "datacontenttype", "dataschema", "time")
_ATTRIBUTE = re.compile(r"[a-z0-9]+")
_INTEGERS = range(-(2**31), 2**31)


def read_http(headers: Mapping[str, str], body: bytes) -> list[CloudEvent]:
    """Return the events of a request, by the HTTP binding's three content modes; header names are in lower case.

    Raises `RequestError` naming the attribute that is wrong.
    """
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == STRUCTURED:
        return [read_structured(_json(body, "the body"))]
    if media == BATCH:
        events = _json(body, "the body")
        if not isinstance(events, list):
            raise RequestError(f"the body of {BATCH} is no list of events")
        return [read_structured(event, f"event {number}: ") for number, event in enumerate(events)]
    if media.startswith("application/cloudevents"):
        raise RequestError(
            f"events as '{media}' cannot be read; send {STRUCTURED} or {BATCH}, or headers ce-id, ce-type"
        )
    if not any(name.startswith("ce-") for name in headers):
        raise RequestError(
            f"this is no CloudEvent: send JSON as {STRUCTURED}, or headers ce-specversion, ce-id, ce-source, ce-type "
            "with the data as the body"
        )
    return [_read_binary(headers, body)]


def read_structured(value: Any, where: str = "") -> CloudEvent:
    """Return the event that a JSON value is; `where` is put in front of what an error says."""
    if not isinstance(value, dict):
        raise RequestError(f"{where}an event is a JSON object, not {type(value).__name__}")
    if "data" in value and "data_base64" in value:
        raise RequestError(f"{where}an event has 'data' or 'data_base64', not both")
    event = _checked({name: each for name, each in value.items() if name not in ("data", "data_base64")}, where)
    if "data_base64" in value:
        try:
            content = base64.b64decode(value["data_base64"], validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise RequestError(f"{where}attribute 'data_base64' is not base64: {error}") from error
        return {**event, **_data(content, event.get("datacontenttype", "application/octet-stream"), where)}
    return {**event, "data": value["data"]} if "data" in value else event


def matches(trigger: Trigger, event: CloudEvent) -> bool:
    """Tell whether a trigger fires for an event: by type, source (or patterns of them) and values of its data."""
    spec = trigger.spec
    if not fnmatchcase(event["type"], spec["type"]):
        return False
    if spec["source"] and not fnmatchcase(event["source"], spec["source"]):
        return False
    return all(_has(event.get("data"), path, wanted) for path, wanted in spec["filter"].items())


def occurrence_of(event: CloudEvent) -> str:
    """Return what makes an event the same as another: its source (which has no spaces) and its id."""
    return f"{event['source']} {event['id']}"


def _has(data: Any, path: str, wanted: Any) -> bool:
    try:
        return bool(inside(data, tuple(int(key) if key.isdecimal() else key for key in path.split("."))) == wanted)
    except LookupError:
        return False


def _read_binary(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    attributes = {name[3:]: _header_text(value) for name, value in headers.items() if name.startswith("ce-")}
    if "content-type" in headers:
        attributes["datacontenttype"] = headers["content-type"]
    event = _checked(attributes, "")
    return {**event, **_data(body, headers.get("content-type", "application/octet-stream"), "")} if body else event


def _header_text(value: str) -> str:
    """Undo what a header does to a text: quotes around it, and bytes written as %XX."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return unquote(value, errors="strict")


def _checked(attributes: dict[str, Any], where: str) -> CloudEvent:
    event = {name: value for name, value in attributes.items() if value is not None}
    for name in _REQUIRED:
        if name not in event:
            raise RequestError(f"{where}attribute '{name}' is missing; a CloudEvent has {', '.join(_REQUIRED)}")
    for name, value in event.items():
        _check(name, value, where)
    if event["specversion"] != "1.0":
        raise RequestError(f"{where}attribute 'specversion' is '{event['specversion']}'; version 1.0 can be read")
    if re.search(r"\s", event["source"]):
        raise RequestError(f"{where}attribute 'source' is '{event['source']}', no URI reference: it has spaces")
    if "time" in event:
        try:
            zoned = datetime.fromisoformat(event["time"]).tzinfo is not None
        except ValueError:
            zoned = False
        if not zoned:
            raise RequestError(f"{where}attribute 'time' is '{event['time']}'; give 2026-11-25T03:00:00Z (RFC 3339)")
    return event


def _check(name: str, value: Any, where: str) -> None:
    if not _ATTRIBUTE.fullmatch(name):
        raise RequestError(f"{where}'{name}' names no attribute; those have small letters a to z and digits only")
    if name in _TEXTS and not (isinstance(value, str) and value):
        raise RequestError(f"{where}attribute '{name}' is {value!r}; it is a text that is not empty")
    if not isinstance(value, str | bool) and not (isinstance(value, int) and value in _INTEGERS):
        raise RequestError(
            f"{where}attribute '{name}' is {value!r}; it can be a text, a whole number (32 bits) or a truth"
        )


def _data(content: bytes, media: str, where: str) -> dict[str, Any]:
    kind = media.partition(";")[0].strip().lower()
    if kind.endswith(("/json", "+json")):
        return {"data": _json(content, f"{where}the data, which should be {kind},")}
    if kind.startswith("text/"):
        return {"data": content.decode(errors="replace")}
    return {"data_base64": base64.b64encode(content).decode()}


def _json(content: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise RequestError(f"{what} is not JSON: {error}") from error
