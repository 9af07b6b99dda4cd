"""Requests that are logged, and versions in the shadow of those that are served: never slower, never broken by them."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest
from serving_fakes import FakeProject, Multiply, TestClient

from penstock.errors import DeclarationError
from penstock.project.config import ServerSection
from penstock.serving import request_notes
from penstock.serving.application import Application, application
from penstock.stores.request_log import read_requests

PATH = "/v1/models/km:predict"


@contextmanager
def served(
    project: FakeProject, make: Callable[..., Any] = Multiply, **section: Any
) -> Iterator[tuple[TestClient, Application]]:
    """Serve a project that logs every request, or as `section` says; at the end the log is written."""
    project.config = dataclasses.replace(project.config, server=ServerSection(**{"log_requests": 1.0, **section}))
    app = application(project, make)
    with TestClient(app) as client:
        yield client, app


def predict(client: TestClient, *kms: object, path: str = PATH, **headers: str) -> list[Any]:
    answer = client.post(path, json={"instances": [{"km": km} for km in kms]}, headers=headers)
    assert answer.status_code == 200
    return [each["y"] for each in answer.json()["predictions"]]


def logged(project: FakeProject) -> pa.Table:
    return read_requests(project.config.requests)


def outcome(client: TestClient, name: str) -> int:
    [line] = [line for line in client.get("/metrics").text.splitlines() if f'outcome="{name}"' in line]
    return int(line.rsplit(" ", 1)[1])


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)


def test_each_predicted_row_is_logged_with_what_answered_it(project):
    started = time.time()
    with served(project) as (client, _):
        predict(client, 3, 4.5, **{"x-request-id": "order-17"})
        predict(client, 1)
        until(lambda: outcome(client, "kept") == 3)
    found = logged(project).to_pylist()
    assert [(each["row"], json.loads(each["instance"]), json.loads(each["prediction"])) for each in found] == [
        (0, {"km": 3}, {"y": 6}), (1, {"km": 4.5}, {"y": 9}), (0, {"km": 1}, {"y": 2}),
    ]  # fmt: skip
    assert [each["request"] for each in found[:2]] == ["order-17"] * 2
    assert len(found[2]["request"]) == 32
    for each in found:
        assert (each["model"], each["version"], each["digest"], each["route"]) == ("km", 2, "d2", None)
        assert started - 1 < each["time"].timestamp() < time.time() + 1
        assert 0 < each["latency_seconds"] < 30
        assert (each["shadow_version"], each["shadow_error"]) == (None, None)


def test_requests_answered_as_they_come_off_the_connection_are_logged_too(project):
    with served(project) as (client, app):
        predict(client, 1)
        answer = app.at_once(PATH.encode())
        assert answer is not None
        assert answer([(b"x-request-id", b"mine")], b'{"instances": [{"km": 5}]}') is not None
    assert logged(project).column("request").to_pylist()[1:] == ["mine"]


def test_what_was_refused_is_not_logged(project):
    with served(project) as (client, _):
        assert client.post(PATH, json={"instances": [{"km": "far"}]}).status_code == 422
        assert client.post(PATH, content=b"{").status_code == 400
        predict(client, 2)
    assert logged(project).column("instance").to_pylist() == ['{"km":2}']


def test_nothing_is_logged_unless_it_is_asked_for(project):
    with served(project, log_requests=0.0) as (client, _):
        predict(client, 2)
    assert not project.config.requests.exists()


def test_a_share_of_the_requests_is_logged(project):
    with served(project, log_requests=0.25) as (client, _):
        for _ in range(400):
            predict(client, 2)
    assert 50 < logged(project).num_rows < 150  # 100 in the mean, 8.7 its deviation


def test_no_more_is_kept_than_may_be(project):
    with served(project, log_max_bytes="32KiB") as (client, _):
        for _ in range(4):
            predict(client, *range(200))
            kept = outcome(client, "kept")
            until(lambda kept=kept: outcome(client, "kept") > kept)
    assert sum(part.stat().st_size for part in project.config.requests.iterdir()) < 150_000


def test_what_cannot_be_written_is_counted_and_requests_go_on(project, caplog):
    project.config.requests.parent.mkdir(exist_ok=True)
    project.config.requests.write_text("no folder")
    with served(project) as (client, _):
        predict(client, 2, 3)
        until(lambda: outcome(client, "lost") == 2)
        assert predict(client, 4) == [8]
    assert "2 rows of requests cannot be logged" in caplog.text


class Shadowing(Multiply):
    """Version 3 does what `does` says before it predicts."""

    does: Callable[[], None] = staticmethod(lambda: None)

    def predict(self, row: dict) -> dict:
        if self.factor == 3:
            type(self).does()
        return super().predict(row)


@pytest.fixture
def shadowing(project: FakeProject) -> type[Shadowing]:
    project.push("km", 3, alias="challenger")
    project.alias("km", 2, "champion")

    class Mine(Shadowing):
        pass

    return Mine


SHADOW = {"shadow": {"km": "challenger"}}


def test_a_shadow_says_beside_what_is_served_what_it_would_have_said(project, shadowing):
    with served(project, shadowing, **SHADOW) as (client, _):
        assert predict(client, 3, 5) == [6, 10]
        assert predict(client, 3, path="/v1/models/km/versions/3:predict") == [9]  # it needs no shadow of itself
        until(lambda: outcome(client, "kept") == 3)
    found = logged(project).to_pylist()
    assert [(each["version"], each["shadow_version"], each["shadow_prediction"]) for each in found] == [
        (2, 3, '{"y":9}'), (2, 3, '{"y":15}'), (3, None, None),
    ]  # fmt: skip


def test_a_shadow_that_raises_breaks_nothing_and_says_why_in_the_log(project, shadowing):
    def fails() -> None:
        raise ZeroDivisionError("of mine")

    shadowing.does = staticmethod(fails)
    with served(project, shadowing, **SHADOW) as (client, _):
        assert [predict(client, km) for km in range(5)] == [[2 * km] for km in range(5)]
        until(lambda: outcome(client, "kept") == 5)
        assert predict(client, 7) == [14]
    found = logged(project)
    assert set(found.column("shadow_error").to_pylist()[:5]) == {"ZeroDivisionError: of mine"}
    assert found.column("shadow_prediction").null_count == 6
    assert [json.loads(each)["y"] for each in found.column("prediction").to_pylist()] == [0, 2, 4, 6, 8, 14]


def test_a_shadow_that_hangs_holds_nobody_up_and_what_waits_is_bounded(project, shadowing, monkeypatch):
    monkeypatch.setattr(request_notes, "MOST_REQUESTS", 3)
    monkeypatch.setattr(request_notes, "_END_SECONDS", 0.2)
    begun, go_on = threading.Event(), threading.Event()

    def hangs() -> None:
        begun.set()
        go_on.wait(30)

    shadowing.does = staticmethod(hangs)
    with served(project, shadowing, **SHADOW) as (client, _):
        assert predict(client, 1) == [2]
        assert begun.wait(20)
        for km in range(10):
            assert predict(client, km) == [2 * km]
        assert outcome(client, "dropped") == 7
    go_on.set()


def test_at_the_end_what_waits_is_written_and_no_shadow_is_asked_any_more(project, shadowing):
    asked: list[int] = []

    def slow() -> None:
        asked.append(1)
        time.sleep(0.3)

    shadowing.does = staticmethod(slow)
    with served(project, shadowing, **SHADOW) as (client, _):
        for _ in range(30):
            predict(client, 3)
    assert logged(project).num_rows == 30
    assert len(asked) < 30


def test_a_shadow_follows_its_alias(project, shadowing):
    with served(project, shadowing, **SHADOW) as (client, _):
        predict(client, 1)
        project.push("km", 5)
        project.alias("km", 5, "challenger")

        def of_five() -> bool:
            predict(client, 1)
            return 5 in logged(project).column("shadow_version").to_pylist()

        until(of_five)


def test_a_shadow_that_is_not_there_is_told_and_requests_are_logged_without(project, caplog):
    with served(project, shadow={"km": "challenger"}) as (client, _):
        assert predict(client, 2) == [4]
        until(lambda: outcome(client, "kept") == 1)
    assert "nothing stands in the shadow of model 'km'" in caplog.text
    assert logged(project).column("shadow_version").to_pylist() == [None]


def test_a_shadow_of_no_requests_is_refused(project):
    with (
        pytest.raises(DeclarationError, match=r"shadow of 'km' .* log_requests = 0.1"),
        served(project, log_requests=0.0, shadow={"km": "challenger"}),
    ):
        pass
