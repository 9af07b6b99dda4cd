"""The endpoints of pipelines, runs and logs."""

from __future__ import annotations

import json
import os
import re
import threading
import time

import pytest

from penstock.core.run import Attempt, Run, StepRun


@pytest.fixture
def recorded(project, tmp_path):
    """Two runs: r1 done with a failed step and a log, r2 under way in this process."""
    log = tmp_path / "fit.log"
    log.write_text("one\ntwo\n")
    project.metadata.write(
        Run(id="r1", pipeline="rides", state="failed", experiment="a", created=1.0, ended=2.0, pid=1),
        Run(id="r2", pipeline="rides", state="running", experiment="b", created=time.time(), pid=os.getppid()),
        StepRun(run="r1", step="fit", position=1, state="failed", log=str(log), error="ValueError: no"),
        StepRun(run="r1", step="read", position=0, state="succeeded", artifacts={"result": "d1"}),
        StepRun(run="r2", step="fit", position=0, state="running", log=str(log)),
    )
    return project


def test_pipelines_are_listed_with_their_parameters(client):
    assert client.get("/v1/pipelines").json() == {
        "pipelines": [
            {
                "name": "rides",
                "description": "Ride.",
                "params": {"source": {"type": "str", "default": "x"}, "depth": {"type": "int", "default": 6}},
            }
        ]
    }


def test_runs_are_listed_newest_first(client, recorded):
    assert [run["id"] for run in client.get("/v1/runs").json()["runs"]] == ["r2", "r1"]


@pytest.mark.parametrize("query", ["experiment=a", "state=failed", "pipeline=rides&experiment=a"])
def test_runs_are_filtered(client, recorded, query):
    assert [run["id"] for run in client.get(f"/v1/runs?{query}").json()["runs"]] == ["r1"]


def test_runs_come_page_after_page(client, recorded):
    first = client.get("/v1/runs?limit=1").json()
    assert ([run["id"] for run in first["runs"]], first["next"]) == (["r2"], "r2")
    second = client.get(f"/v1/runs?limit=1&after={first['next']}").json()
    assert ([run["id"] for run in second["runs"]], second["next"]) == (["r1"], None)


def test_runs_are_found_by_their_tags(client, project):
    for number in range(6):
        tags = {"team": "delays", "odd": str(number % 2)}
        project.metadata.write(Run(id=f"t{number}", pipeline="rides", state="failed", created=number, tags=tags))
    answer = client.get("/v1/runs?tag=odd=1&tag=team=delays&limit=2").json()
    assert ([run["id"] for run in answer["runs"]], answer["next"]) == (["t5", "t3"], "t3")
    rest = client.get("/v1/runs?tag=odd=1&limit=2&after=t3").json()
    assert ([run["id"] for run in rest["runs"]], rest["next"]) == (["t1"], None)


def test_experiments_say_how_many_runs_of_which_states_they_have(client, recorded):
    recorded.metadata.write(Run(id="r0", pipeline="rides", state="succeeded", experiment="a", created=0.5))
    found = client.get("/v1/experiments").json()["experiments"]
    assert [(one["name"], one["runs"], one["states"]) for one in found] == [
        ("b", 1, {"running": 1}),
        ("a", 2, {"failed": 1, "succeeded": 1}),
    ]
    assert found[1]["newest"]["id"] == "r1"


def test_a_step_is_shown_with_the_parts_of_its_key(client, recorded):
    recorded.metadata.write(StepRun(run="r1", step="read", state="succeeded", parts={"code": "ab"}, reason="never ran"))
    assert client.get("/v1/runs/r1/steps/read").json()["parts"] == {"code": "ab"}
    assert client.get("/v1/runs/r1/steps/read/why").json()["why"] == "read ran for the first time"


@pytest.mark.parametrize("query", ["limit=many", "limit=1001", "limit=٣", "experimnt=a", "tag=team"])
def test_a_filter_that_is_none_is_a_bad_request(client, query):
    assert client.get(f"/v1/runs?{query}").status_code == 400


def test_a_run_is_shown_with_its_steps_in_order(client, recorded):
    run = client.get("/v1/runs/r1").json()
    assert (run["state"], run["experiment"], run["created"], run["ended"]) == ("failed", "a", 1.0, 2.0)
    assert [(step["step"], step["state"], step["error"]) for step in run["steps"]] == [
        ("read", "succeeded", ""),
        ("fit", "failed", "ValueError: no"),
    ]
    assert run["steps"][1]["log"] == "/v1/runs/r1/steps/fit/log"


def test_attempts_that_failed_are_shown(client, recorded):
    attempt = Attempt(run="r1", step="fit", number=1, error="ConnectionError: gone", started=1.0, ended=1.5)
    recorded.metadata.write(attempt)
    read, fit = client.get("/v1/runs/r1").json()["steps"]
    assert read["failed_attempts"] == []
    assert [(each["number"], each["error"]) for each in fit["failed_attempts"]] == [(1, "ConnectionError: gone")]
    assert client.get("/v1/runs/r1/steps/fit").json()["failed_attempts"] == fit["failed_attempts"]


@pytest.mark.parametrize(
    ("path", "unknown"),
    [("/v1/runs/r9", "r9"), ("/v1/runs/r9/steps/fit/log", "r9"), ("/v1/runs/r1/steps/fitt/log", "fitt")],
)
def test_an_unknown_run_or_step_is_not_found(client, recorded, path, unknown):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]["name"]) == (404, unknown)


def test_a_log_is_text(client, recorded):
    answer = client.get("/v1/runs/r1/steps/fit/log")
    assert answer.text == "one\ntwo\n"
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_step_without_a_log_has_an_empty_one(client, recorded):
    assert client.get("/v1/runs/r1/steps/read/log").text == ""


def test_the_log_of_a_run_is_searched(client, recorded):
    found = client.get("/v1/runs/r1/log", params={"grep": "^T", "ignore_case": "1"})
    assert found.headers["content-type"].startswith("text/plain")
    assert re.fullmatch(r"fit \d{4}-\d\d-\d\dT[\d:.]+\+00:00 \| two\n", found.text)
    lines = client.get("/v1/runs/r1/log?grep=two&context=1", headers={"accept": "application/x-ndjson"})
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line)["line"] for line in lines.text.splitlines()] == ["one", "two"]
    assert client.get("/v1/runs/r1/log?grep=three").text == ""
    assert client.get("/v1/runs/r1/log?step=read").text == ""


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("grep=(", 422, "grep '(' is no regular expression"),
        ("since=soon", 422, "since is 'soon'"),
        ("context=-1", 400, "context is '-1'"),
        ("step=fitt", 422, "Did you mean 'fit'"),
        ("colour=red", 400, "no query parameter 'colour'"),
    ],
)
def test_a_search_that_is_none_is_refused_before_anything_is_sent(client, recorded, query, status, said):
    answer = client.get(f"/v1/runs/r1/log?{query}")
    assert (answer.status_code, said in answer.json()["error"]["message"]) == (status, True), answer.text


@pytest.mark.parametrize("how", [{"params": {"follow": "1"}}, {"headers": {"accept": "text/event-stream"}}])
def test_a_log_is_followed_as_events(client, recorded, how):
    answer = client.get("/v1/runs/r1/steps/fit/log", **how)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == (
        'id: 4\ndata: one\n\nid: 8\ndata: two\n\nevent: end\ndata: {"state":"failed","error":"ValueError: no"}\n\n'
    )


def test_a_log_goes_on_where_the_client_left_it(client, recorded):
    answer = client.get("/v1/runs/r1/steps/fit/log", params={"follow": "1"}, headers={"last-event-id": "4"})
    assert answer.text.startswith("id: 8\ndata: two\n\nevent: end\n")


def test_a_log_is_followed_until_the_step_ends(client, recorded, tmp_path):
    def go_on():
        with (tmp_path / "fit.log").open("a") as log:
            log.write("three, without an end")
        recorded.metadata.write(StepRun(run="r2", step="fit", state="succeeded", log=str(tmp_path / "fit.log")))

    threading.Timer(0.3, go_on).start()
    text = client.get("/v1/runs/r2/steps/fit/log?follow=1").text
    assert "data: two\n" in text
    assert "data: three, without an end\n" in text
    assert text.endswith('event: end\ndata: {"state":"succeeded","error":""}\n\n')


def test_a_run_that_has_ended_cannot_be_cancelled(client, recorded):
    answer = client.post("/v1/runs/r1:cancel")
    assert answer.status_code == 409
    assert "failed" in answer.json()["error"]["message"]


@pytest.fixture
def orphan(project):
    """A run whose process is gone."""
    project.metadata.write(
        Run(id="r3", pipeline="rides", state="running", created=3.0, pid=2**22 + 1),
        StepRun(run="r3", step="fit", state="running"),
    )


def test_a_run_whose_process_is_gone_cannot_be_cancelled(client, orphan):
    answer = client.post("/v1/runs/r3:cancel")
    assert answer.status_code == 409
    assert "gone" in answer.json()["error"]["message"]


def test_a_run_whose_process_is_gone_is_shown_as_failed(client, orphan):
    assert [run["state"] for run in client.get("/v1/runs").json()["runs"]] == ["failed"]
    assert [step["state"] for step in client.get("/v1/runs/r3").json()["steps"]] == ["failed"]


def test_the_log_of_a_run_whose_process_is_gone_ends(client, orphan):
    assert 'event: end\ndata: {"state":"failed"' in client.get("/v1/runs/r3/steps/fit/log?follow=1").text


def test_a_process_that_has_the_number_of_a_runs_process_is_left_alone(client, project):
    project.metadata.write(Run(id="old", pipeline="rides", state="running", created=1.0, pid=os.getppid()))
    assert client.post("/v1/runs/old:cancel").status_code == 409


def test_an_unknown_run_cannot_be_cancelled(client):
    assert client.post("/v1/runs/r9:cancel").status_code == 404
