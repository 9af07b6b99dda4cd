"""A search over REST: begun on the server, followed and cancelled from here, read by anybody."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from served_projects import serving

import penstock as ps
from penstock.cli import main
from penstock.errors import ConflictError, RunError, UnknownNameError
from penstock.studies import StudyEnded, StudyStarted, TrialEnded, TrialStarted

STEPS = """
import time

import penstock as ps

@ps.step
def judge(x: float, kind: str, pause: float) -> dict:
    time.sleep(pause)
    if kind == "bad":
        raise ValueError("kind is bad")
    return {"loss": (x - 0.5) ** 2}

@ps.step
def last(report: dict) -> float:
    return 1.0

@ps.pipeline
def valley(x: float = 0.0, kind: str = "good", pause: float = 0.0):
    last(judge(x, kind, pause))
"""
HOW = {"metric": "judge.loss", "figures": False}


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ps.RemoteProject]:
    root = tmp_path_factory.mktemp("searched")
    (root / "penstock.toml").write_text('[project]\nmodules = ["remote_valley"]\n[engine]\ndefault = "inline"\n')
    (root / "remote_valley.py").write_text(STEPS)
    with serving(ps.open(root)) as opened:
        yield opened


def test_a_search_is_made_there_and_told_here(remote):
    events = []
    search = {"x": ps.hparam_candidates([0.0, 0.25, 1.0]), "kind": "good,bad"}
    study = remote.tune("valley", search, trials=6, experiment="v", tags={"team": "a"}, on_event=events.append, **HOW)
    assert [type(event) for event in events] == [StudyStarted, *[TrialStarted, TrialEnded] * 6, StudyEnded]
    assert events[-1].study == study
    assert study.counts == {"succeeded": 3, "failed": 3}
    assert study.best_params == {"kind": "good", "x": 0.25}
    assert events[-2].best == study.best
    assert remote.get_run(study.final).steps["last"].state == "succeeded"
    assert remote.experiments["v"].studies[0].trials == study.trials or study.trials[0].seconds
    searched = remote.get_run(events[0].run)
    assert (searched.state, searched.record.pipeline, searched.record.cause) == (
        "succeeded",
        "tune valley",
        {"kind": "rest"},
    )
    assert searched.tags == {"team": "a", "study": study.name}


def test_a_study_is_read_by_its_name(remote):
    study = remote.tune("valley", {"x": "0.1,0.2"}, trials=2, experiment="read", **HOW)
    [listed] = remote.server.get("/v1/studies", experiment="read")["studies"]
    assert (listed["study"], listed["counts"], "trials" in listed) == (study.name, {"succeeded": 2}, False)
    shown = remote.server.get(f"/v1/studies/{study.name}")
    assert [(each["number"], each["params"], each["value"], each["run"]) for each in shown["trials"]] == [
        (each.number, dict(each.params), each.value, each.run) for each in study.trials
    ]
    assert (shown["best"]["number"], shown["final"]) == (study.best.number, study.final)
    with pytest.raises(UnknownNameError, match="no study named 'valley-0'"):
        remote.server.get("/v1/studies/valley-0")


def test_a_search_that_is_cancelled_stops_and_goes_on_when_asked_again(remote):
    how = {"trials": 6, "params": {"pause": 0.2}, "experiment": "stopped", **HOW}

    def cancel(event):
        if isinstance(event, TrialEnded) and event.trial.number == 1:
            [under_way] = remote.runs(pipeline="tune valley", experiment="stopped", state="running")
            under_way.cancel(reason="enough")

    with pytest.raises(RunError, match=r"the search was cancelled \(enough\); asked again, it goes on") as raised:
        remote.tune("valley", {"x": "0.0..1.0"}, on_event=cancel, **how)
    stopped = remote.get_run(raised.value.run_id)
    assert (stopped.state, stopped.record.error) == ("cancelled", "enough")
    [before] = remote.experiments["stopped"].studies
    assert 1 <= before.counts["succeeded"] < 6
    assert before.final == ""
    study = remote.tune("valley", {"x": "0.0..1.0"}, **how)
    assert study.name == before.name
    assert study.counts["succeeded"] == 6


@pytest.mark.parametrize(
    ("search", "how", "error", "said"),
    [
        ({"y": "1..2"}, {}, UnknownNameError, "no parameter named 'y'"),
        (
            {"x": "0..1"},
            {"metric": "judge.lost", "direction": "minimize"},
            UnknownNameError,
            "no metric named 'judge.lost'",
        ),
        (
            {"x": "0..1"},
            {"params": {"kind": "bad"}, "trials": 1},
            RunError,
            "none of the 1 trials of valley has a value",
        ),
        ({"x": "0..1"}, {"run_id": "taken"}, ConflictError, "Run taken exists already"),
    ],
)
def test_what_cannot_be_searched_is_the_same_error_here(remote, search, how, error, said):
    if "run_id" in how:
        remote.run("valley", run_id="taken")
    with pytest.raises(error, match=said):
        remote.tune("valley", search, **{**HOW, "trials": 2, **how})


def test_the_command_shows_it_from_afar(remote):
    command = ["-C", remote.server.url, "tune", "valley", "x=0.3,0.4", "--metric", "judge.loss", "--no-figures"]
    said = CliRunner().invoke(main, command)
    assert said.exit_code == 0, said.output
    assert "best: -p x=0.4" in said.output
    lines = [json.loads(line) for line in CliRunner().invoke(main, [*command, "--json"]).output.splitlines()]
    assert [line["event"] for line in lines] == ["study_started", "study_ended"]
    assert lines[-1]["final_state"] == "succeeded"


def test_the_same_request_sent_twice_is_one_search(remote):
    form = {
        "search": {"x": {"hparam_candidates": [0.7]}},
        "metric": "judge.loss",
        "experiment": "once",
        "figures": False,
    }
    answers = [
        remote.server.post("/v1/pipelines/valley:tune", form, headers={"idempotency-key": "once"}) for _ in range(2)
    ]
    assert answers[0] == answers[1]
    limit = time.monotonic() + 60
    while remote.get_run(answers[0]["id"]).state == "running" and time.monotonic() < limit:
        time.sleep(0.05)
    assert len(remote.runs(pipeline="tune valley", experiment="once")) == 1
