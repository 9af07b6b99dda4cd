"""The server's token."""

from __future__ import annotations

import pytest
from serving_fakes import FakeProject, Multiply, TestClient

from penstock.errors import DeclarationError
from penstock.serving import serve
from penstock.serving.application import ROUTES, application

TOKEN = "a-long-random-text"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    project = FakeProject(tmp_path_factory.mktemp("guarded"))
    project.push("km", 2)
    with TestClient(application(project, Multiply, token=TOKEN)) as client:
        yield client
    project.metadata.close()


PATHS = [*(route.path for route in ROUTES), "/v1/models/km:predict", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer a-long-random-tex", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN]
)
def test_without_the_token_nothing_is_answered_but_health(guarded, path, header):
    headers = {} if header is None else {"authorization": header}
    for method in ("GET", "POST"):
        answer = guarded.request(method, path, headers=headers)
        if path in ("/health", "/v2/health/live", "/v2/health/ready"):
            assert answer.status_code in (200, 405)
            continue
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "unauthorized"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_the_token_all_is_answered(guarded, scheme):
    headers = {"authorization": f"{scheme} {TOKEN}"}
    assert guarded.get("/v1/runs", headers=headers).status_code == 200
    predicted = guarded.post("/v1/models/km:predict", json={"instances": [{"km": 3}]}, headers=headers)
    assert predicted.json() == {"predictions": [{"y": 6}]}


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_a_token_the_server_listens_on_this_machine_only(tmp_path, host):
    project = FakeProject(tmp_path)
    with pytest.raises(DeclarationError, match=r"whoever reaches it may run pipelines; set a token .*127\.0\.0\.1"):
        serve(project, host=host, port=0)
    project.metadata.close()
