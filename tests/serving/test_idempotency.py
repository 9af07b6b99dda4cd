"""`Idempotency-Key`: one run, however often, from however many, and whatever dies in between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving_fakes import Multiply, TestClient

from penstock.core.run import Run, StartRequest
from penstock.errors import ConflictError, DataError, RunError
from penstock.pipelines import starting
from penstock.serving import pipelines
from penstock.serving.application import application
from penstock.serving.idempotency import KEPT_SECONDS, started_once

ASKED = {"pipeline": "rides", "form": {"params": {"depth": 8}}}


class Starter:
    """Records a run under the id that it is given, once."""

    def __init__(self, metadata) -> None:
        self.metadata, self.started = metadata, []

    def __call__(self, run_id: str) -> dict:
        try:
            self.metadata.insert(Run(id=run_id, pipeline="rides", state="succeeded"))
        except ConflictError:
            return {"error": {"code": "conflict", "message": "that run is there"}}
        self.started.append(run_id)
        return {"id": run_id}


@pytest.fixture
def start(project):
    return Starter(project.metadata)


def test_the_same_request_again_is_the_same_run(project, start):
    first = started_once(project.metadata, "k", ASKED, start)
    assert started_once(project.metadata, "k", ASKED, start) == first == {"id": start.started[0]}
    assert started_once(project.metadata, "other", ASKED, start) != first
    assert len(start.started) == 2


def test_another_request_under_the_same_key_is_an_error_that_names_the_run(project, start):
    first = started_once(project.metadata, "k", ASKED, start)
    with pytest.raises(DataError, match=f"used for another request, which started run {first['id']}"):
        started_once(project.metadata, "k", {**ASKED, "pipeline": "walks"}, start)


def test_of_many_at_once_one_starts_the_run_and_all_get_it(project, start):
    together = threading.Barrier(6)

    def send(_: int) -> dict:
        together.wait()
        return started_once(project.metadata, "k", ASKED, start)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    assert answers == [{"id": start.started[0]}] * 6
    assert len(start.started) == 1


def test_a_refused_request_leaves_no_key(project, start):
    said = {"error": {"code": "declaration", "message": "no"}}
    assert started_once(project.metadata, "k", ASKED, lambda run_id: said) == said
    assert started_once(project.metadata, "k", {"pipeline": "walks"}, start) == {"id": start.started[0]}


def test_a_start_that_failed_can_be_tried_again(project, start):
    def fail(run_id: str) -> dict:
        raise RunError("its process ended")

    with pytest.raises(RunError):
        started_once(project.metadata, "k", ASKED, fail)
    assert started_once(project.metadata, "k", ASKED, start) == {"id": start.started[0]}


@pytest.mark.parametrize("began", [False, True])
def test_a_server_that_died_in_between_leaves_one_run(project, start, began):
    """It chose an id, and died before the run was recorded, or before it could say so."""
    dying = RuntimeError("killed")

    def die(run_id: str) -> dict:
        if began:
            start(run_id)
        raise dying

    kept = project.metadata.delete
    project.metadata.delete = lambda *args, **kwargs: 0  # the dead tidy nothing up
    with pytest.raises(RuntimeError):
        started_once(project.metadata, "k", ASKED, die, clock=lambda: 1000.0)
    project.metadata.delete = kept
    (chosen,) = project.metadata.find(StartRequest)
    later = 1000.0 + starting.START_SECONDS + 1
    assert started_once(project.metadata, "k", ASKED, start, clock=lambda: later) == {"id": chosen.run}
    assert start.started == [chosen.run]


def test_a_key_is_forgotten_after_a_day(project, start):
    first = started_once(project.metadata, "k", ASKED, start, clock=lambda: 1000.0)
    started_once(project.metadata, "old", ASKED, start, clock=lambda: 1000.0)
    later = started_once(project.metadata, "k", {"pipeline": "walks"}, start, clock=lambda: 1001.0 + KEPT_SECONDS)
    assert later != first
    assert [found.key for found in project.metadata.find(StartRequest)] == ["k"]


def post(client, key, **form):
    return client.post("/v1/pipelines/rides/runs", json=form, headers={"idempotency-key": key})


def test_over_http_also_by_another_server_on_the_same_store(project, start, monkeypatch):
    monkeypatch.setattr(pipelines, "start_run", lambda root, name, form, run_id: start(run_id))
    with TestClient(application(project, Multiply)) as one:
        first = post(one, '"8e03978e"', params={"a": 1, "b": 2})
    with TestClient(application(project, Multiply)) as other:
        again = post(other, "8e03978e", params={"b": 2, "a": 1})
        assert post(other, "8e03978e", params={"b": 3}).status_code == 422
    assert (first.status_code, first.json()) == (201, {"id": start.started[0]})
    assert (again.status_code, again.json(), again.headers["location"]) == (
        201,
        first.json(),
        first.headers["location"],
    )


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb", "clé".encode()])
def test_a_key_that_cannot_be_is_a_bad_request(client, key):
    assert post(client, key).status_code == 400
