"""Models, SQL, health, metrics, pages, and the errors that every endpoint shares."""

from __future__ import annotations

import re

import pytest

from penstock.core.run import Run
from penstock.core.trigger import Firing, Pause, Trigger


def test_models_are_listed_with_what_is_served(client, project):
    project.push("km", 3, alias="champion")
    project.push("km", 4)
    assert client.get("/v1/models").json() == {"models": [{"name": "km", "served": 3, "aliases": {"champion": 3}}]}


def test_a_model_shows_its_versions_and_what_a_row_is(client):
    model = client.get("/v1/models/km").json()
    assert model["served"] == 2
    assert [version["version"] for version in model["versions"]] == [2]
    assert model["signature"]["inputs"] == [{"name": "km", "type": "float64", "nullable": True}]
    assert client.post("/v1/models/km:predict", json=model["example"]).status_code == 200


def test_an_unknown_model_is_not_found(client):
    assert client.get("/v1/models/kmm").status_code == 404


def test_sql_gives_rows_and_types(client):
    answer = client.post("/v1/sql", json={"query": "SELECT a FROM t", "limit": 2})
    assert answer.json() == {
        "columns": [{"name": "a", "type": "int64"}],
        "rows": [{"a": 1}, {"a": 2}],
        "total_rows": 3,
    }


@pytest.mark.parametrize("query", ["DROP MODEL m", "SELECT 1; DROP MODEL m"])
def test_sql_that_changes_something_is_refused(client, query):
    answer = client.post("/v1/sql", json={"query": query})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


def test_an_unknown_name_in_a_body_is_not_a_missing_page(client):
    answer = client.post("/v1/sql", json={"query": "SELECT * FROM missing"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (422, "table")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"query": 1}', b'{"query": "SELECT 1", "rows": 3}', b'{"query": "SELECT 1", "limit": -1}']
)
def test_a_body_of_another_form_is_a_bad_request(client, body):
    assert client.post("/v1/sql", content=body).status_code == 400


def test_a_large_body_is_refused(client):
    assert client.post("/v1/sql", content=b" " * 11_000).status_code == 413


def test_health_says_which_versions_are_served(client):
    assert client.get("/health").json() == {"status": "ok", "models": {"km": 2}}


def test_metrics_count_requests_by_endpoint_status_and_model(client):
    client.post("/v1/models/km:predict", json={"instances": [{"km": 1}, {"km": 2}]})
    client.post("/v1/models/km:predict", content=b"{")
    client.get("/v1/runs")
    text = client.get("/metrics").text
    for line in (
        'penstock_requests_total{endpoint="predict",status="200"} 1',
        'penstock_requests_total{endpoint="predict",status="400"} 1',
        'penstock_requests_total{endpoint="list_runs",status="200"} 1',
        'penstock_predictions_total{model="km",version="2"} 2',
        'penstock_request_seconds_bucket{endpoint="predict",le="+Inf"} 2',
        'penstock_request_seconds_count{endpoint="predict"} 2',
    ):
        assert line in text.splitlines()


def test_openapi_describes_the_rows_of_each_model(client):
    document = client.get("/openapi.json").json()
    body = document["paths"]["/v1/models/km:predict"]["post"]["requestBody"]["content"]["application/json"]
    row = body["schema"]["properties"]["instances"]["items"]
    assert row["properties"]["km"] == {"anyOf": [{"type": "number", "format": "double"}, {"type": "null"}]}
    assert client.post("/v1/models/km:predict", json=body["example"]).status_code == 200


def test_openapi_has_every_route(client):
    from penstock.serving.application import ROUTES

    hidden = {"/", "/docs", "/openapi.json", "/runs/{id}", "/models/{name}", "/models/{name}/monitoring"}
    paths = client.get("/openapi.json").json()["paths"]
    for route in ROUTES:
        if route.path not in hidden:
            described = paths[route.path.replace(":path", "")]
            assert {method.lower() for method in route.methods} - {"head"} <= set(described)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_needs_nothing_from_elsewhere(client, path):
    page = client.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_the_index_shows_names_as_text(client, project):
    project.pipelines["<b>"] = project.pipelines["rides"]
    assert "<td>&lt;b&gt;</td>" in client.get("/").text


def test_the_index_shows_the_newest_runs(client, project):
    project.metadata.write(Run(id="r7", pipeline="<i>", state="failed", params={"depth": 8}, created=7.0, ended=8.0))
    page = client.get("/").text
    assert '<a href="/runs/r7">r7</a>' in page
    assert '<span class="failed">failed</span>' in page
    assert "&lt;i&gt; depth=8" in page


def test_the_index_shows_triggers_and_the_runs_that_came_of_them(client, project):
    assert re.search(r"<h2>Triggers</h2>\s*<table>\s*<tr><td>none yet</td></tr>", client.get("/").text)
    project.metadata.write(
        Trigger(name="nightly", kind="cron", pipeline="<rides>", spec={"expression": "0 3 * * *", "zone": "UTC"}),
        Trigger(name="orders", kind="event", pipeline="rides", spec={"type": "t"}),
        Pause(trigger="orders"),
        Firing(trigger="nightly", occurrence="a", run="r7", state="started", created=1_800_000_000.0),
        Firing(trigger="nightly", occurrence="b", run="", state="skipped", created=1_700_000_000.0),
        Run(id="r7", pipeline="rides", state="succeeded", created=1_800_000_001.0, ended=1_800_000_002.0),
    )
    rows = re.findall(r"<tr><td><a href=\"/v1/triggers/.*?</tr>", client.get("/").text)
    assert rows == [
        '<tr><td><a href="/v1/triggers/nightly">nightly</a></td><td>active</td><td>cron, runs &lt;rides&gt;<br>'
        '2027-01-15 08:00 UTC → <a href="/runs/r7">r7</a> <span class="succeeded">succeeded</span></td></tr>',
        '<tr><td><a href="/v1/triggers/orders">orders</a></td><td><span class="cancelled">paused</span></td>'
        "<td>event, runs rides<br>has not fired yet</td></tr>",
    ]


def test_the_index_says_what_is_wrong_with_the_users_modules(client, project):
    class Broken(type(project)):
        pipelines = property(lambda self: 1 / 0)

    project.__dict__.pop("pipelines")
    project.__class__ = Broken
    assert "ZeroDivisionError" in client.get("/").text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/v1/runs", 405)])
def test_a_path_or_method_that_is_none_has_a_json_body(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] in ("not_found", "method_not_allowed")


def test_a_page_of_another_site_cannot_post(client):
    answer = client.post("/v1/sql", json={"query": "SELECT 1"}, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 403


def test_a_page_of_this_server_can_post(client):
    answer = client.post("/v1/sql", json={"query": "SELECT 1"}, headers={"origin": "http://testserver"})
    assert answer.status_code == 200
