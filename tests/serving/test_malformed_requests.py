"""Whatever comes to whichever route: a request that makes no sense is answered with 4xx, never 5xx, and in our form."""

from __future__ import annotations

import re

import pytest

from penstock.serving.application import ROUTES

BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe\x00",
    b"[" * 5000,
    b'{"unknown": 1}',
    b'{"params": [], "rows": 3, "query": {}, "records": "x", "equal": [], "tags": 1, "model": null, "reason": {}}',
    b'{"equal": {"nothing": 1}}',
    b'{"equal": {"id": {"a": 1}}}',
    b'{"equal": {"id": [[1]]}, "limit": -1}',
    b'{"equal": {"created": 1e999}}',
    b'{"after": {"id": 3}}',
    b'{"after": {}}',
    b'{"records": [{}]}',
    b'{"records": [{"name": "a", "version": 99999999999999999999, "digest": "d"}]}',
    b'{"rows": "/etc/passwd"}',
    b'{"rows": "../secret.csv"}',
    b'{"rows": "artifact:../../etc"}',
    b'{"model": {"name": "m", "type": "linear_reg", "label": "y", "features": {"a": [[]]}}, "rows": "hire"}',
    b'{"model": {"name": "m", "type": "linear_reg", "label": "y", "features": {"a": []}}, "rows": "hire"}',
    b'{"model": {"name": "m", "type": "nothing", "label": "y", "features": {}}, "rows": "hire"}',
    b'{"model": {"name": "../m", "type": "linear_reg", "label": "y"}, "rows": "hire"}',
    b'{"run_id": "../../x"}',
    b'{"only": {"a": 1}}',
    b'{"keep_runs": 0}',
    b'{"older_than": "soon"}',
    b'{"when": {"kind": "often"}, "pipeline": "rides"}',
    b'{"when": {"kind": "cron", "expression": 3}, "pipeline": "rides"}',
    b'{"when": {"kind": "cron", "expresion": "* * * * *"}, "pipeline": "rides"}',
    b'{"when": {"kind": "every", "interval": [1]}, "pipeline": "rides"}',
    b'{"when": {"kind": "event", "type": {}}, "pipeline": "rides", "params": {"a": {"$event": 3}}}',
    b'{"when": {"kind": "every", "interval": "1d"}, "pipeline": "rides", "max_parallel": 0}',
    b'{"data": 3}',
    b'{"features": ["a:b"], "entities": {"a": [[1]]}}',
    b'{"features": [":"], "entity_df": [3], "as_of": "soon"}',
    b'{"features": ["a:b"], "feature_service": "a"}',
    b'{"push_source_name": "a", "df": {"a": 1}, "to": "nowhere"}',
    b'{"name": "a b", "entities": {"id": "int64"}, "timestamp": "at", "columns": {"x": "float64"}}',
    b'{"name": "a", "entities": {"id": "int65"}, "timestamp": "id", "features": {"x": ["nothing"]}, "ttl": "soon"}',
    b'{"name": "a", "entities": {"id": "int64"}, "timestamp": "at", "features": {"x": [[]]}, "ttl": 1e999}',
    b'{"before": "then"}',
]
MEDIA = ["application/vnd.apache.arrow.stream", "text/plain", "x", ""]
VALUES = {"kind": "runs", "name": "km", "version": "2", "what": "km"}
POSTED = [(method, route.path) for route in ROUTES for method in sorted(route.methods & {"POST", "PATCH", "PUT"})]


def _path(route: str) -> str:
    route = route.replace("{kind}:insert", "named_versions:insert")
    return re.sub(r"\{(\w+)(:path)?\}", lambda found: VALUES.get(found[1], "nothing"), route)


def _sound(answer) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        error = answer.json()["error"]  # a text, where it is the Open Inference Protocol that answers
        assert isinstance(error, str) or set(error) >= {"code", "message", "field"}


@pytest.fixture
def never_run(monkeypatch):
    """Nothing that passes starts a process: what is asked is whether the request is understood."""
    from penstock.serving import pipelines

    def refuse(*arguments, **how):
        return {"error": {"code": "declaration", "message": "not here"}}

    monkeypatch.setattr(pipelines, "start_run", refuse)
    monkeypatch.setattr(pipelines, "plan_run", refuse)
    monkeypatch.setattr(pipelines, "run_verification", refuse)


@pytest.mark.parametrize(("method", "route"), POSTED)
def test_a_body_that_makes_no_sense_is_the_clients_fault(client, never_run, method, route):
    for body in BODIES:
        _sound(client.request(method, _path(route), content=body, headers={"content-type": "application/json"}))


@pytest.mark.parametrize("bodies", [BODIES[:8], pytest.param(BODIES[8:], marks=pytest.mark.slow)], ids=["some", "more"])
@pytest.mark.parametrize(("method", "route"), POSTED)
def test_a_body_of_another_type_is_the_clients_fault(client, never_run, method, route, bodies):
    for body in bodies:
        for media in MEDIA:
            _sound(client.request(method, _path(route), content=body, headers={"content-type": media}))


@pytest.mark.parametrize("route", [route.path for route in ROUTES])
def test_parameters_that_make_no_sense_are_the_clients_fault(client, route):
    for query in (
        "?limit=x",
        "?after=nothing",
        "?run=a&run=b",
        "?step=x",
        "?direction=left",
        "?a=b",
        "?limit=-1",
        "?tag=",
    ):
        if not route.endswith("/events"):
            _sound(client.get(_path(route) + query, headers={"accept": "nothing/known"}))
    for name in ("%00", "%ff", "a%2fb", "..", "'--", "x" * 3000):
        path = re.sub(r"\{(\w+)(:path)?\}", name, route)
        _sound(client.get(path))


@pytest.mark.parametrize("header", ["last-event-id", "range", "accept", "idempotency-key", "content-length-"])
def test_headers_that_make_no_sense_are_the_clients_fault(client, never_run, header):
    for value in ("", "x", "bytes=9-1", ";q=,,", "1" * 300, '"'):
        _sound(client.get("/v1/runs", headers={header: value}))
        _sound(client.get("/v1/artifacts", headers={header: value}))
        _sound(client.post("/v1/pipelines/rides/runs", json={}, headers={header: value}))
        _sound(client.post("/v1/sql", json={"query": "SELECT 1"}, headers={header: value}))
