"""A newcomer's first hour: init, run, plan, show, predict, verify, serve, a run over REST."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import time
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

import warm
from penstock.cli import main

RIDE = {"started": "2026-04-01T08:00:00Z", "station": "Museum", "km": 3.2}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project whose pipeline has run once."""
    root = tmp_path_factory.mktemp("rides")
    assert CliRunner().invoke(main, ["init", str(root)]).exit_code == 0
    with (root / "penstock.toml").open("a") as file:
        file.write('[engine]\ndefault = "inline"\n')  # the quickest
    ran = penstock(root, "run", "rides", "--experiment", "first", "--json")
    assert ran.exit_code == 0, ran.output
    return root


def penstock(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-C", str(root), *arguments])


def spawn(root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [warm.python(), "-m", "penstock", "-C", str(root), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_second_run_finds_everything_up_to_date(root):
    events = [json.loads(line) for line in penstock(root, "run", "rides", "--json").stdout.splitlines()]
    assert events[0]["event"] == "run_started"
    assert events[-1] == {"event": "run_ended", "id": events[0]["id"], "state": "succeeded", "error": ""}
    assert {event["state"] for event in events if event["event"] == "step_ended"} == {"up_to_date"}


def test_a_plan_says_what_a_parameter_changes(root):
    steps = json.loads(penstock(root, "plan", "rides", "-p", "max_minutes=20", "--json").stdout)["steps"]
    states = {step["name"]: step["state"] for step in steps}
    assert states["read"] == "up_to_date"
    assert states["clean"] == "stale"
    assert "max_minutes" in next(step["reason"] for step in steps if step["name"] == "clean")
    assert "clean" in penstock(root, "plan", "rides", "--draw", str(root / "rides.svg")).stdout
    assert ">clean</text>" in (root / "rides.svg").read_text()


def test_new_rows_without_the_label_are_predicted_by_what_was_promoted(root):
    lines = (root / "data" / "rides.csv").read_text().splitlines()
    (root / "new.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines[:12]))
    ran = penstock(root, "run", "rides", "--mode", "infer", "-p", "source=new.csv", "--json")
    assert ran.exit_code == 0, ran.output
    ended = [json.loads(line) for line in ran.stdout.splitlines()]
    made = {event["step"]: event["artifacts"] for event in ended if event["event"] == "step_ended"}
    assert made["predict"]["result"]["rows"] == 11


def test_a_default_that_is_given_changes_nothing(root):
    left_out = json.loads(penstock(root, "plan", "rides", "--json").stdout)
    given = json.loads(penstock(root, "plan", "rides", "-p", "max_minutes=120", "--json").stdout)
    assert given["steps"] == left_out["steps"]
    assert given["steps"][1]["state"] == "up_to_date"


def test_what_there_is_to_run_is_listed(root, tmp_path):
    listed = penstock(root, "pipelines").stdout
    assert "rides" in listed
    assert "source=data/rides.csv max_minutes=120 l2=0" in listed
    assert json.loads(penstock(root, "pipelines", "--json").stdout)[0]["params"]["max_minutes"] == {"default": 120.0}
    unnamed = penstock(root, "run")
    assert (unnamed.exit_code, "name a PIPELINE (rides)" in unnamed.stderr) == (2, True)
    assert "penstock init" in penstock(tmp_path, "pipelines").stdout
    assert "no penstock.toml" in penstock(tmp_path, "plan").stderr


def test_runs_logs_and_reasons_are_there(root):
    run = json.loads(penstock(root, "runs", "--experiment", "first", "--json").stdout)[0]["id"]
    assert "succeeded" in penstock(root, "show", run).stdout
    assert penstock(root, "logs", run, "clean").stdout.startswith("kept ")
    assert "for the first time" in penstock(root, "why", run, "clean").stdout


def test_models_are_listed_and_shown(root):
    assert json.loads(penstock(root, "models", "--json").stdout) == [
        {"model": "duration", "versions": 1, "aliases": {"champion": 1}}
    ]
    assert "champion" in penstock(root, "models", "duration").stdout
    assert "Did you mean 'duration'?" in penstock(root, "models", "duraton").stderr


def test_predictions_are_shown_printed_and_written(root, tmp_path):
    assert "predicted_minutes" in penstock(root, "predict", "duration", json.dumps(RIDE)).stdout
    (row,) = json.loads(penstock(root, "predict", "duration", json.dumps(RIDE), "--json").stdout)
    assert 5 < row["predicted_minutes"] < 40
    written = penstock(root, "predict", "duration", "rides", "--out", str(tmp_path / "out.csv"))
    assert written.exit_code == 0, written.output
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 401
    into = ("--out", str(tmp_path / "all.duckdb"), "--table", "scored", "--by", "station")
    for _ in range(2):
        written = penstock(root, "predict", "duration", json.dumps(RIDE), *into)
        assert written.exit_code == 0, written.output
    with duckdb.connect(str(tmp_path / "all.duckdb"), read_only=True) as database:
        assert database.sql("SELECT count(*) FROM scored").fetchall() == [(1,)]
    assert (
        "--table and --by say where --out writes" in penstock(root, "predict", "duration", "rides", "--by", "km").stderr
    )


def test_sql_reads_declared_tables(root, tmp_path):
    query = "SELECT COUNT(*) AS n FROM rides"
    assert json.loads(penstock(root, "sql", query, "--json").stdout) == [{"n": 400}]
    (tmp_path / "query.sql").write_text(query)
    assert "400" in penstock(root, "sql", "-f", str(tmp_path / "query.sql")).stdout
    assert "400" in CliRunner().invoke(main, ["-C", str(root), "sql"], input=query).stdout


def test_a_folder_that_is_no_project_is_said_to_be_none(tmp_path):
    result = penstock(tmp_path, "run", "rides")
    assert result.exit_code == 2
    assert "there is no penstock.toml in" in result.stderr
    assert "no runs here yet" in penstock(tmp_path, "runs").stdout
    result = penstock(tmp_path, "sql")
    assert result.exit_code == 2
    assert "give the statement" in result.stderr


def test_a_model_verifies_without_a_server(root):
    result = penstock(root, "verify", "duration", "--rows", "rides")
    assert result.exit_code == 0, result.output
    assert "400 rows" in result.stdout
    assert "all equal" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["run", "rids"], 2, "Did you mean 'rides'?"),
        (["run", "rides", "-p", "max_minute=3"], 2, "Did you mean 'max_minutes'?"),
        (["run", "rides", "--only", "fitt"], 2, "Did you mean 'fit'?"),
        (["run", "rides", "--engine", "lokal"], 2, "Did you mean 'local'?"),
        (["predict", "duration", '{"km": 1}'], 3, "station"),
        (["predict", "duration", "nothing.csv"], 3, "nothing.csv"),
        (["sql", "SELECT * FROM rids"], 2, "rids"),
        (["sql", "SELEC 1"], 2, "SELEC"),
    ],
)
def test_wrong_use_is_named_and_has_its_exit_code(root, arguments, code, text):
    result = penstock(root, *arguments)
    assert (result.exit_code, text in result.stderr) == (code, True), result.output
    assert result.stderr.startswith("error: ")


FAILING = """
import time
import penstock as ps

@ps.step
def fail(depth: int) -> int:
    print("before", flush=True)
    raise ValueError("the reason")

@ps.step
def wait(depth: int) -> int:
    print("waiting", flush=True)
    time.sleep(60)
    return depth

@ps.pipeline
def failing(depth: int = 1):
    fail(depth)

@ps.pipeline
def waiting(depth: int = 1):
    wait(depth)
"""


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    (tmp_path / "pipelines.py").write_text(FAILING)
    return tmp_path


def test_a_failed_run_shows_the_error_and_where_the_log_is(failing):
    ended = spawn(failing, "run", "failing").communicate(timeout=30)[1]
    assert "✗ fail" in ended
    assert "ValueError: the reason" in ended
    assert "penstock logs" in ended
    assert penstock(failing, "run", "failing", "--json").exit_code == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_recorded_as_cancelled(failing, number):
    with spawn(failing, "run", "waiting", "--json") as run:
        id = json.loads(run.stdout.readline())["id"]
        until(lambda: "waiting" in penstock(failing, "logs", id, "wait").stdout)
        run.send_signal(number)
        assert run.wait(timeout=20) == 130
    shown = json.loads(penstock(failing, "show", id, "--json").stdout)
    assert (shown["state"], shown["steps"][0]["state"]) == ("cancelled", "cancelled")


def test_a_run_is_cancelled_from_another_process(failing):
    with spawn(failing, "run", "waiting", "--json") as run:
        id = json.loads(run.stdout.readline())["id"]
        until(lambda: "waiting" in penstock(failing, "logs", id, "wait").stdout)
        said = penstock(failing, "cancel", "latest", "--reason", "too slow").stdout
        assert said.startswith(f"asked run {id} of waiting to stop")
        assert run.wait(timeout=20) == 130
    shown = json.loads(penstock(failing, "show", id, "--json").stdout)
    assert (shown["state"], shown["steps"][0]["state"]) == ("cancelled", "cancelled")
    again = penstock(failing, "cancel", id)
    assert (again.exit_code, "has ended already: it is cancelled" in again.stderr) == (2, True)


def test_every_attempt_of_a_step_is_shown(failing):
    (failing / "pipelines.py").write_text(
        FAILING.replace("@ps.step\ndef fail", '@ps.step(retries=1, retry_delay="10ms")\ndef fail')
    )
    id = json.loads(penstock(failing, "run", "failing", "--json").stdout.splitlines()[0])["id"]
    said = penstock(failing, "show", id).stdout
    assert "fail, attempt 1, after" in said
    assert re.search(r"step +state +attempts +took", said)
    assert re.search(r"fail +failed +2 ", said)
    assert said.count("ValueError: the reason") >= 2
    log = penstock(failing, "logs", id, "fail").stdout
    assert log.startswith("before\n--- attempt 1: ValueError: the reason; again in 0.01 s ---\nbefore\n")
    (step,) = json.loads(penstock(failing, "show", id, "--json").stdout)["steps"]
    assert [each["number"] for each in step["failed_attempts"]] == [1]


class Served:
    """A server of a project, and requests to it."""

    def __init__(self, root: Path) -> None:
        self.process = spawn(root, "serve", "--port", "0")
        self.url = self.process.stdout.readline().split()[1]
        self.connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        self.connection.request(method, path, json.dumps(body))
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def close(self) -> int:
        self.connection.close()
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)
        return self.process.returncode


def test_a_served_project_predicts_verifies_and_runs(root):
    served = Served(root)
    try:
        status, answer = served("POST", "/v1/models/duration:predict", {"instances": [RIDE]})
        assert status == 200, answer
        batch = json.loads(penstock(root, "predict", "duration", json.dumps(RIDE), "--json").stdout)
        assert json.loads(answer)["predictions"][0]["predicted_minutes"] == pytest.approx(
            batch[0]["predicted_minutes"], rel=1e-12
        )
        verified = spawn(root, "verify", "duration", "--url", served.url, "--rows", "rides").communicate()[0]
        assert "400 rows" in verified
        assert "all equal" in verified
        assert served("POST", "/v1/models/duration:predict", {"instances": [{**RIDE, "km": "far"}]})[0] == 422

        status, answer = served("POST", "/v1/pipelines/rides/runs", {"params": {"max_minutes": 30}})
        assert status == 201, answer
        id = json.loads(answer)["id"]
        until(lambda: json.loads(served("GET", f"/v1/runs/{id}")[1])["state"] == "succeeded", seconds=30)
        assert json.loads(served("GET", f"/v1/runs/{id}")[1])["cause"] == {"kind": "rest"}
        assert "event: end" in served("GET", f"/v1/runs/{id}/steps/clean/log?follow=1")[1]

        assert served("POST", "/v1/pipelines/rids/runs", {})[0] == 404
        assert served("POST", "/v1/pipelines/rides/runs", {"params": {"max": 1}})[0] == 422
        assert json.loads(served("POST", "/v1/sql", {"query": "SELECT COUNT(*) AS n FROM rides"})[1])["rows"] == [
            {"n": 400}
        ]
        assert served("GET", "/openapi.json")[0] == 200
    finally:
        assert served.close() == 0


def test_a_run_is_cancelled_over_rest(failing):
    served = Served(failing)
    try:
        id = json.loads(served("POST", "/v1/pipelines/waiting/runs", {})[1])["id"]
        until(lambda: "waiting" in served("GET", f"/v1/runs/{id}/steps/wait/log")[1])
        assert served("POST", f"/v1/runs/{id}:cancel")[0] == 202
        until(lambda: json.loads(served("GET", f"/v1/runs/{id}")[1])["state"] == "cancelled")
        assert served("POST", f"/v1/runs/{id}:cancel")[0] == 409
    finally:
        assert served.close() == 0


def until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.1)
