"""A cascade over REST: one endpoint, the route of each row, and its stages on request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cascade_worlds import RARE, distance, rentals
from starlette.testclient import TestClient

import penstock as ps
from penstock.models import row_predictor
from penstock.serving.application import application

PATH = "/v1/models/distance:predict"
INSTANCES = rentals().select(["x1", "x2", "x3"]).slice(0, 100).to_pylist()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    project = ps.open(tmp_path_factory.mktemp("cascade"))
    project.fit(distance(), rentals())
    project.fit(RARE, rentals())
    return project


@pytest.fixture(scope="module")
def client(project: ps.Project) -> Iterator[TestClient]:
    with TestClient(application(project, row_predictor)) as client:
        yield client


def predictions(client: TestClient, path: str) -> list[dict[str, Any]]:
    answer = client.post(path, json={"instances": INSTANCES})
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def test_one_endpoint_gives_the_prediction_and_the_route(client: TestClient, project: ps.Project) -> None:
    expected = project.predict("distance", rentals()).select(["predicted_km", "route"]).slice(0, 100).to_pylist()
    assert predictions(client, PATH) == expected
    assert predictions(client, f"{PATH}?stages=false") == expected
    assert predictions(client, "/v1/models/distance/versions/1:predict") == expected


@pytest.mark.parametrize("path", [PATH, "/v1/models/distance/versions/1:predict"])
def test_stages_come_when_they_are_asked_for(client: TestClient, project: ps.Project, path: str) -> None:
    asked = project.predict("distance", rentals().slice(0, 100), stages=True)
    found = predictions(client, f"{path}?stages=true")
    assert found == asked.select(["predicted_km", "route", "stages"]).to_pylist()
    for each in found:
        assert each["stages"][each["route"]]["predicted_km"] == each["predicted_km"]


def test_a_batch_tells_of_stages_too(client: TestClient, project: ps.Project) -> None:
    path = "/v1/models/distance:batchPredict?stages=true"
    query = {"rows": "SELECT 0.5 AS x1, 0.5 AS x2, 0.5 AS x3"}
    [found] = client.post(path, json=query, headers={"accept": "application/json"}).json()
    [asked] = project.predict("distance", "SELECT 0.5 AS x1, 0.5 AS x2, 0.5 AS x3", stages=True).to_pylist()
    assert found["stages"] == asked["stages"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v1/models/rare:predict?stages=true", 422, "'rare' is no cascade"),
        (f"{PATH}?stages=all", 400, "give stages=true"),
        (f"{PATH}?stage=true", 400, "takes no query parameter 'stage'"),
    ],
)
def test_what_cannot_be_told_is_refused(client: TestClient, path: str, status: int, said: str) -> None:
    answer = client.post(path, json={"instances": INSTANCES})
    assert (answer.status_code, said in answer.json()["error"]["message"]) == (status, True)


def test_openapi_says_what_stages_are(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    described = paths[PATH]["post"]
    assert [(each["name"], each["in"]) for each in described["parameters"]] == [("stages", "query")]
    answer = described["responses"]["200"]["content"]["application/json"]["schema"]
    shown = answer["properties"]["predictions"]["items"]["properties"]
    assert list(shown) == ["predicted_km", "route", "stages"]
    rare = shown["stages"]["properties"]["rare"]["anyOf"][0]["properties"]
    assert list(rare) == ["digest", "predicted_km"]
    assert "parameters" not in paths["/v1/models/rare:predict"]["post"]


def test_the_model_shows_its_cascade(client: TestClient, project: ps.Project) -> None:
    shown = client.get("/v1/models/distance").json()["cascade"]
    assert shown["router"] == "is_long"
    assert shown["routes"] == [{"name": "rare", "when": "is_long > 0.5"}, {"name": "typical", "when": None}]
    told = project.predict("distance", rentals().slice(0, 1), stages=True).column("stages")[0].as_py()
    assert shown["stages"]["is_long"]["digest"] == told["is_long"]["digest"]
    assert {name: each["type"] for name, each in shown["stages"].items()} == {
        "is_long": "random_forest_classifier", "rare": "linear_reg", "typical": "linear_reg",
    }  # fmt: skip
    assert "cascade" not in client.get("/v1/models/rare").json()


def test_the_index_page_names_what_it_gives_and_links_to_its_page(client: TestClient) -> None:
    index = client.get("/").text
    assert "predicted_km, route from x1, x2, x3" in index
    assert 'href="/models/distance"' in index
    assert 'href="/v1/models/rare"' in index
    page = client.get("/models/distance")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<svg" in page.text
    assert client.get("/models/rare").status_code == 422
    assert client.get("/models/none").status_code == 404


def test_the_row_form_is_verified(project: ps.Project) -> None:
    found = project.verify("distance")
    assert found.equal
    assert found.rows == project.models["distance"].load().facts["rows"]["train"]
