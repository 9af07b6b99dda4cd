"""The processes that drive runs."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from penstock.core.run import Cancellation, Run
from penstock.pipelines.liveness import driving

PYTHON = sys.executable


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """Let a text of Python stand for `penstock run`."""

    def stand_in(code: str) -> None:
        script = tmp_path / "driver"
        script.write_text(f"#!{PYTHON}\nimport sys, json, time, pathlib\n{code}\n")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return stand_in


def post(client, **form):
    return client.post("/v1/pipelines/rides/runs", json=form)


def test_a_run_is_answered_once_it_is_recorded(client, driver):
    driver("print(json.dumps({'event': 'run_started', 'id': 'r7'}))")
    answer = post(client)
    assert (answer.status_code, answer.json(), answer.headers["location"]) == (201, {"id": "r7"}, "/v1/runs/r7")


def test_the_driver_gets_what_was_asked_for(client, driver, project):
    driver("print(json.dumps({'id': 'r7', 'argv': sys.argv[1:], 'params': json.load(sys.stdin)}))")
    params = {"depth": 8, "source": "8", "columns": ["a"], "text": "-x=1"}
    asked = {"only": ["read", "f*"], "until": "fit", "tags": {"team": "a=b"}, "notes": "-n", "engine": "inline"}
    assert post(client, params=params, experiment="e", mode="infer", **asked).status_code == 201
    (said,) = (project.root / ".penstock/drivers").glob("*.jsonl")
    first = json.loads(said.read_text())
    assert first["params"] == params
    assert first["argv"][:4] == ["-m", "penstock", "--project", str(project.root)]
    assert first["argv"][-2:] == ["--", "rides"]
    given = " ".join(first["argv"])
    for part in ("--only=read --only=f*", "--until=fit", "--tag=team=a=b", "--note=-n", "--engine=inline"):
        assert part in given
    for part in ("--experiment=e", "--mode=infer", "--json", '--cause {"kind":"rest"}'):
        assert part in given


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": "unknown_name", "kind": "pipeline", "name": "rides", "message": "no"}, 404),
        ({"code": "unknown_name", "kind": "parameter", "name": "dept", "message": "no"}, 422),
        ({"code": "declaration", "message": "no"}, 422),
        ({"code": "storage", "message": "no"}, 507),
    ],
)
def test_what_the_driver_refuses_is_answered_with_its_status(client, driver, error, status):
    driver(f"print({json.dumps(json.dumps({'error': error}))}); sys.exit(2)")
    answer = post(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, error["code"])


def test_a_driver_that_dies_before_its_run_begins_is_a_failure(client, driver):
    driver("sys.exit(9)")
    answer = post(client)
    assert answer.status_code == 500
    assert "ended with code 9" in answer.json()["error"]["message"]


@pytest.mark.parametrize("form", [{"param": {}}, {"mode": "test"}, {"params": []}])
def test_a_form_that_is_none_starts_nothing(client, driver, project, form):
    driver("print(json.dumps({'id': 'r7'}))")
    assert post(client, **form).status_code == 400
    assert not (project.root / ".penstock").exists()


def test_a_run_goes_on_without_its_server(client, driver, tmp_path):
    driver("print(json.dumps({'id': 'r7'}), flush=True)\ntime.sleep(0.3)\nprint('more')\npathlib.Path('done').touch()")
    assert post(client).status_code == 201
    client.close()
    deadline = time.monotonic() + 5
    while not (tmp_path / "done").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_cancelling_records_the_wish_that_the_driver_looks_for(client, project):
    project.metadata.write(Run(id="r3", pipeline="rides", state="running", created=time.time(), pid=os.getppid()))
    assert client.post("/v1/runs/r3:cancel").status_code == 202
    assert project.metadata.get(Cancellation, "r3") is not None


def test_a_statement_that_the_server_itself_runs_is_cancelled_without_a_signal_to_the_server(client, project):
    project.metadata.write(Run(id="r4", pipeline="fit km", state="running", created=time.time(), pid=os.getpid()))
    with driving("r4"):
        assert client.post("/v1/runs/r4:cancel").status_code == 202
    assert project.metadata.get(Cancellation, "r4") is not None


def test_drivers_are_not_left_as_zombies(client, driver, project):
    driver("import os; print(json.dumps({'id': 'r7', 'pid': os.getpid()}))")
    post(client)
    (said,) = (project.root / ".penstock/drivers").glob("*.jsonl")
    process = Path("/proc", str(json.loads(said.read_text())["pid"]))
    deadline = time.monotonic() + 5
    while process.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_step_is_verified_by_a_process_of_its_own(client, driver):
    driver("print(json.dumps({'same': True, 'argv': sys.argv[1:]}))")
    answer = client.post("/v1/runs/r1/steps/read:verify", json={"times": 3})
    assert answer.status_code == 200
    assert answer.json()["argv"][4:] == ["verify-step", "--json", "--times=3", "--", "r1", "read"]


def test_a_step_that_is_not_verified_in_time_is_an_error(client, driver):
    driver("time.sleep(60)")
    answer = client.post("/v1/runs/r1/steps/read:verify", json={"timeout_seconds": 0.1})
    assert answer.status_code >= 400
    assert "was not ready within 0 s" in answer.json()["error"]["message"]
