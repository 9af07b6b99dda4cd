"""GET /v1/runs/{id}/events: a run as it goes, told once, also to a client that comes back."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace

import pytest

from penstock.core.artifact import Artifact
from penstock.core.run import Run, StepRun

RUN = Run(id="r1", pipeline="rides", state="running", created=1.0)
STEPS = [StepRun(run="r1", step=name, position=place) for place, name in enumerate(("read", "clean", "fit"))]


def told(text: str) -> list[tuple[str, str, dict]]:
    """Return the events of a stream: name, id, data."""
    found = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


def names(events) -> list[str]:
    return [f"{name} {data['step']['step']}" if "step" in data else name for name, _, data in events]


@pytest.fixture
def ended(project):
    """A run that has ended: one step up to date, one that was tried twice, one skipped."""
    project.metadata.write(
        replace(RUN, state="failed", ended=9.0),
        replace(STEPS[0], state="up_to_date", started=2.0, ended=2.0, artifacts={"result": "d1"}),
        replace(STEPS[1], state="failed", attempts=2, started=3.0, ended=8.0, error="no"),
        replace(STEPS[2], state="skipped", started=8.5, ended=8.5, reason="needs clean, which failed"),
        Artifact(digest="d1", kind="table", uri="file:///x", facts={"rows": 3}),
    )
    return project


ALL = ["run_started", "step_ended read", "step_started clean", "step_ended clean", "step_ended fit", "run_ended"]


def test_a_run_that_has_ended_is_told_in_the_order_in_which_it_went(client, ended):
    answer = client.get("/v1/runs/r1/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = told(answer.text)
    assert names(events) == ALL
    assert [step["state"] for step in events[0][2]["steps"]] == ["waiting"] * 3
    assert events[1][2]["artifacts"]["result"]["facts"] == {"rows": 3}
    assert events[3][2]["step"]["error"] == "no"
    assert (events[-1][1], events[-1][2]["run"]["state"]) == ("end", "failed")


@pytest.mark.parametrize("known", range(len(ALL)))
def test_a_client_that_comes_back_is_told_the_rest_and_nothing_twice(client, ended, known):
    events = told(client.get("/v1/runs/r1/events").text)
    rest = client.get("/v1/runs/r1/events", headers={"last-event-id": events[known][1]}).text
    assert names(told(rest)) == ALL[known + 1 :]


@pytest.mark.parametrize("strange", ["-1", "x", "99999999999999", "٣"])
def test_an_id_that_is_none_of_ours_begins_anew(client, ended, strange):
    answer = client.get("/v1/runs/r1/events", headers={"last-event-id": strange.encode()})
    assert names(told(answer.text)) == ALL


def test_steps_that_come_to_be_while_the_run_goes_are_told_too(client, project):
    """The items of a mapped step stand before it, and nobody knows them when the run begins."""
    going = replace(RUN, created=time.time(), pid=os.getppid())
    project.metadata.write(going, replace(STEPS[0], state="succeeded", attempts=1, started=2.0, ended=3.0), STEPS[2])

    def go_on():
        items = [
            StepRun(
                run="r1", step=f"item[{at}]", position=1, state="succeeded", attempts=1, started=4.0, ended=5.0 + at
            )
            for at in range(2)
        ]
        ended = replace(STEPS[2], state="succeeded", attempts=1, started=7.0, ended=8.0)
        project.metadata.write(replace(going, state="succeeded", ended=9.0), *items, ended)

    threading.Timer(0.4, go_on).start()
    events = told(client.get("/v1/runs/r1/events").text)
    assert names(events)[3:-1] == [
        "step_started item[0]", "step_started item[1]", "step_ended item[0]", "step_ended item[1]",
        "step_started fit", "step_ended fit",
    ]  # fmt: skip
    rest = client.get("/v1/runs/r1/events", headers={"last-event-id": events[2][1]}).text
    assert names(told(rest)) == names(events)[3:]


def test_a_run_under_way_is_followed_to_its_end(client, project):
    going = replace(RUN, created=time.time(), pid=os.getppid())
    project.metadata.write(going, *STEPS)

    def go_on():
        project.metadata.write(replace(STEPS[0], state="running", attempts=1, started=2.0))
        time.sleep(0.3)
        done = (
            replace(step, state="succeeded", attempts=1, started=2.0, ended=3.0 + at) for at, step in enumerate(STEPS)
        )
        project.metadata.write(replace(going, state="succeeded", ended=9.0), *done)

    threading.Timer(0.2, go_on).start()
    found = names(told(client.get("/v1/runs/r1/events").text))
    assert found[:2] == ["run_started", "step_started read"]
    assert found.count("step_started read") == 1
    assert [name for name in found if name.startswith("step_ended")] == [f"step_ended {step.step}" for step in STEPS]
    assert found[-1] == "run_ended"


def test_an_unknown_run_is_not_found(client):
    assert client.get("/v1/runs/r9/events").status_code == 404
