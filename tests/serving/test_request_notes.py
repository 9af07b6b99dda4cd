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
from serving_fakes import FakeModel, FakeProject, Multiply, TestClient

from penstock.core.graph import ModelGraph, Node
from penstock.core.mapping import FrozenMap
from penstock.errors import DeclarationError
from penstock.production.reading import read_requests
from penstock.production.records import is_sampled
from penstock.project.config import MonitoringSection, ServerSection
from penstock.serving import request_notes
from penstock.serving.application import Application, application

PATH = "/v1/models/km:predict"


@contextmanager
def served(
    project: FakeProject, make: Callable[..., Any] = Multiply, **section: Any
) -> Iterator[tuple[TestClient, Application]]:
    """Serve a project that logs every request, or as `section` says; at the end the log is written."""
    server = ServerSection(shadow=section.pop("shadow", {}))
    monitoring = MonitoringSection(**{"log_requests": 1.0, "flush": "50ms", **section})
    project.config = dataclasses.replace(project.config, server=server, monitoring=monitoring)
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
    assert [each["id"] for each in found] == ["order-17/0", "order-17/1", found[2]["request"]]
    assert len(found[2]["request"]) > 12
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
    assert logged(project).column("instance").to_pylist() == ['{"km":2.0}']


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
    with served(project, max_bytes="64KiB") as (client, _):
        for _ in range(12):
            predict(client, *range(200))
            kept = outcome(client, "kept")
            until(lambda kept=kept: outcome(client, "kept") > kept)
    kept = [part.stat().st_size for part in project.config.requests.rglob("*.parquet")]
    assert 30_000 < sum(kept) < 80_000


def test_what_cannot_be_written_is_counted_and_requests_go_on(project, caplog):
    project.config.requests.parent.mkdir(parents=True)
    project.config.requests.write_text("no folder")
    with served(project) as (client, _):
        assert "requests cannot be logged just now" in caplog.text  # before anybody asks
        predict(client, 2, 3)
        assert predict(client, 4) == [8]
        time.sleep(0.3)
        assert outcome(client, "kept") == 0
    assert caplog.text.count("just now") == 1  # not every time that it is tried
    assert "3 rows of requests cannot be logged, and are lost" in caplog.text


def test_what_could_not_be_written_for_a_while_is_logged_once_it_can_be(project, caplog):
    project.config.requests.parent.mkdir(parents=True)
    project.config.requests.write_text("no folder")
    with served(project) as (client, _):
        predict(client, 2, 3)
        time.sleep(0.5)
        project.config.requests.unlink()
        until(lambda: outcome(client, "kept") == 2)
        until(lambda: "requests are logged again" in caplog.text)
        assert outcome(client, "lost") == 0
    assert logged(project).num_rows == 2


def test_a_row_that_no_column_takes_is_the_only_one_that_is_lost(project, monkeypatch, caplog):
    looks_up = Node(name="f", op="feature", inputs=(), params=FrozenMap({"type": "int64"}))

    def load(self: FakeModel, version: int) -> ModelGraph:
        return dataclasses.replace(FakeModel.original(self, version), nodes=(looks_up,))

    monkeypatch.setattr(FakeModel, "original", FakeModel.load, raising=False)
    monkeypatch.setattr(FakeModel, "load", load)

    class LooksUp(Multiply):
        def looked_up(self, row: Any) -> dict[str, Any]:
            return {"f": "many" if row.f0 == 3 else 7}

    with served(project, LooksUp, features=True) as (client, _):
        predict(client, 1, 2, 3, 4)
        until(lambda: outcome(client, "kept") == 3)
        assert outcome(client, "lost") == 1
        predict(client, 5)
        until(lambda: outcome(client, "kept") == 4)
    assert [json.loads(each)["km"] for each in logged(project)["instance"].to_pylist()] == [1, 2, 4, 5]
    assert "cannot be logged" in caplog.text


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


def test_the_answer_says_what_the_request_is_called_and_so_does_the_log(project):
    with served(project) as (client, app):
        named = client.post(PATH, json={"instances": [{"km": 1}]}, headers={"x-request-id": "order-17"})
        unnamed = [client.post(PATH, json={"instances": [{"km": 1}]}).headers["x-request-id"] for _ in range(3)]
        answer = app.at_once(PATH.encode())
        assert answer is not None
        known = answer([], b'{"instances": [{"km": 5}]}')
        assert known is not None
        refused = client.post(PATH, json={"instances": [{"km": "far"}]}, headers={"x-request-id": "odd"})
    assert (named.headers["x-request-id"], refused.headers["x-request-id"]) == ("order-17", "odd")
    ids = ["order-17", *unnamed, known[2].decode()]
    assert len(set(ids)) == 5
    assert sorted(logged(project).column("id").to_pylist()) == sorted(ids)


def test_a_body_may_say_what_each_row_is_called(project):
    body = {"instances": [{"km": 1}, {"km": 2}], "ids": ["a", "b"]}
    with served(project) as (client, _):
        assert client.post(PATH, json=body).status_code == 200
    assert logged(project).column("id").to_pylist() == ["a", "b"]


def test_which_requests_are_of_the_share_is_decided_by_their_ids(project):
    ids = [f"order-{number}" for number in range(60)]
    with served(project, log_requests=0.5) as (client, _):
        for id in ids:
            predict(client, 1, **{"x-request-id": id})
        client.post(PATH, json={"instances": [{"km": 1}] * 60, "ids": [f"{id}b" for id in ids]})
    expected = [id for id in [*ids, *(f"{id}b" for id in ids)] if is_sampled(id.encode(), 0.5)]
    assert logged(project).column("id").to_pylist() == expected
    assert 30 < len(expected) < 90


def test_rows_that_were_predicted_as_a_table_are_logged_too(project, monkeypatch):
    def predict_table(name: str, rows: pa.Table, **how: object) -> pa.Table:
        return rows.append_column("y", pa.array([2.0 * each for each in rows["km"].to_pylist()]))

    monkeypatch.setattr(project, "predict", predict_table)
    stream = pa.BufferOutputStream()
    rows = pa.table({"km": [1.0, 2.0, 3.0], "other": ["a", "b", "c"]})
    with pa.ipc.new_stream(stream, rows.schema) as writer:
        writer.write_table(rows)
    headers = {"content-type": "application/vnd.apache.arrow.stream", "accept": "application/json"}
    with served(project, batches=True) as (client, _):
        path, content = "/v1/models/km:batchPredict", stream.getvalue().to_pybytes()
        answer = client.post(path, content=content, headers=headers | {"x-request-id": "night"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "night")
    found = logged(project).to_pylist()
    with served(project) as (client, _):  # whoever looks at what a model says of a table does not change the log
        assert client.post("/v1/models/km:batchPredict", content=content, headers=headers).status_code == 200
    assert logged(project).num_rows == 3
    assert [(each["id"], each["instance"], each["prediction"]) for each in found] == [
        (f"night/{at}", f'{{"km":{km}}}', f'{{"y":{2 * km}}}') for at, km in enumerate((1.0, 2.0, 3.0))
    ]
