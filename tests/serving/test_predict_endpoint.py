"""POST /v1/models/{name}:predict: what it answers, and that it follows the registry."""

from __future__ import annotations

import threading
import time

import pytest
from serving_fakes import Multiply, TestClient

from penstock.serving.application import application

PATH = "/v1/models/km:predict"


def predict(client, path=PATH, km=3):
    return client.post(path, json={"instances": [{"km": km}]})


def test_predictions_come_in_the_order_of_the_instances(client):
    answer = client.post(PATH, json={"instances": [{"km": 1}, {"km": 5}, {"km": 2}]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"predictions": [{"y": 2}, {"y": 10}, {"y": 4}]}


def test_any_content_type_is_taken_as_json(client):
    answer = client.post(PATH, content=b'{"instances": [{"km": 1}]}', headers={"content-type": "text/plain"})
    assert answer.status_code == 200


def test_a_version_in_the_path_answers_with_that_version(client, project):
    project.push("km", 1)
    assert predict(client, "/v1/models/km/versions/1:predict").json() == {"predictions": [{"y": 3}]}
    assert predict(client).json() == {"predictions": [{"y": 6}]}


def test_champion_goes_before_newest(client, project):
    project.push("km", 5)
    project.push("km", 4, alias="champion")
    until(lambda: predict(client).json() == {"predictions": [{"y": 12}]})


def test_an_alias_in_the_path_is_followed(client, project):
    path = "/v1/models/km@next:predict"
    project.push("km", 3, alias="next")
    assert predict(client, path).json() == {"predictions": [{"y": 9}]}
    project.push("km", 4, alias="next")
    until(lambda: predict(client, path).json() == {"predictions": [{"y": 12}]})


def test_a_push_is_served_within_about_a_second_without_a_restart(client, project):
    assert predict(client).json() == {"predictions": [{"y": 6}]}
    started = time.monotonic()
    project.push("km", 7)
    until(lambda: predict(client).json() == {"predictions": [{"y": 21}]})
    assert time.monotonic() - started < 2


def test_a_push_is_noticed_also_where_another_model_has_more_versions(client, project):
    project.push("new", 1)
    assert predict(client, "/v1/models/new:predict").json() == {"predictions": [{"y": 3}]}
    project.push("km", 9)
    until(lambda: predict(client).json() == {"predictions": [{"y": 27}]})
    project.push("new", 2)
    until(lambda: predict(client, "/v1/models/new:predict").json() == {"predictions": [{"y": 6}]})


def test_what_the_registry_has_no_more_is_not_served_any_more(client, project):
    assert predict(client).status_code == 200
    (project.root / "metadata.db").unlink()
    project.models.clear()
    until(lambda: predict(client).status_code == 404)


def test_a_new_model_is_served_at_its_first_request(client, project):
    project.push("new", 3)
    assert predict(client, "/v1/models/new:predict").json() == {"predictions": [{"y": 9}]}


def test_a_version_that_cannot_be_loaded_leaves_the_one_before_it_in_place(client, project, caplog):
    project.push("km", 90)
    until(lambda: "cannot be loaded" in caplog.text)
    assert predict(client).json() == {"predictions": [{"y": 6}]}


def test_a_damaged_version_asked_for_by_number_is_the_servers_fault(client, project):
    project.push("km", 91)
    answer = predict(client, "/v1/models/km/versions/91:predict")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "corrupt_artifact")


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"{", 400, "request", None),
        (b"", 400, "request", None),
        (b'{"rows": []}', 400, "request", None),
        (b'{"instances": [{"km": "far"}]}', 422, "data", "km"),
        (b'{"instances": [' + b" " * 11_000 + b"]}", 413, "too_large", None),
    ],
)
def test_a_bad_body_is_answered_with_its_status_and_the_field(client, body, status, code, field):
    answer = client.post(PATH, content=body)
    assert answer.status_code == status
    assert (answer.json()["error"]["code"], answer.json()["error"]["field"]) == (code, field)


def test_a_body_in_pieces_is_put_together_and_limited(client):
    pieces = iter([b'{"instances"', b': [{"km": 4}]}'])
    assert client.post(PATH, content=pieces).json() == {"predictions": [{"y": 8}]}
    assert client.post(PATH, content=iter([b" " * 6_000] * 2)).status_code == 413


def test_a_large_body_is_answered_beside_the_event_loop(project):
    threads = []

    class Noting(Multiply):
        def decode(self, body: bytes) -> list[dict]:
            threads.append(threading.current_thread().name.partition("_")[0])
            return super().decode(body)

    with TestClient(application(project, Noting)) as client:
        many = client.post(PATH, json={"instances": [{"km": 1.0}] * 10_000})
        assert many.json() == {"predictions": [{"y": 2.0}] * 10_000}
        assert threads == ["penstock-predict"]


@pytest.mark.parametrize("path", ["/v1/models/kn:predict", "/v1/models/km/versions/8:predict"])
def test_an_unknown_model_or_version_is_not_found(client, path):
    answer = predict(client, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_name")


def test_an_unknown_model_names_the_near_one(client):
    assert "Did you mean 'km'?" in predict(client, "/v1/models/kmm:predict").json()["error"]["message"]


def test_a_version_that_is_no_number_is_not_found(client):
    assert predict(client, "/v1/models/km/versions/best:predict").status_code == 404


def test_only_post_predicts(client):
    answer = client.get(PATH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_a_fault_of_ours_shows_an_id_that_is_in_the_log_and_no_detail(client, caplog):
    answer = predict(client, km="bug")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert error["id"] in caplog.text
    assert "a secret" in caplog.text


def until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)
