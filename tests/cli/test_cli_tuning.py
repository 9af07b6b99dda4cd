"""`penstock tune`: what it prints, for people and for machines, and how it exits."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from penstock.cli import main

STEPS = """
import penstock as ps

@ps.step
def judge(x: float, kind: str) -> dict:
    if kind == "bad":
        raise ValueError("kind is bad")
    return {"loss": (x - 0.5) ** 2}

@ps.step
def last(report: dict, breaks: bool) -> float:
    if breaks:
        raise ValueError("the last step breaks")
    return 1.0

@ps.pipeline
def valley(x: float = 0.0, kind: str = "good", breaks: bool = False):
    last(judge(x, kind), breaks)
"""


@pytest.fixture
def call(tmp_path):
    (tmp_path / "penstock.toml").write_text('[project]\nmodules = ["valley_steps"]\n[engine]\ndefault = "inline"\n')
    (tmp_path / "valley_steps.py").write_text(STEPS)

    def invoke(*arguments):
        return CliRunner().invoke(main, ["-C", str(tmp_path), *arguments])

    return invoke


TUNE = ("tune", "valley", "--metric", "judge.loss", "--no-figures", "--search", "x=choice(0.0, 0.25, 1.0)")


def test_the_best_is_shown_and_the_experiment_says_so(call):
    said = call(*TUNE, "kind=good,bad", "--trials", "6", "--experiment", "v", "--quiet")
    assert said.exit_code == 0, said.output
    assert "best: -p kind=good -p x=0.25" in said.output
    assert "the whole pipeline with these: run" in said.output
    listed = call("experiments", "v").output
    assert "valley by the lowest judge.loss, 3 succeeded, 3 failed; best 0.0625 with kind=good x=0.25" in listed
    [study] = json.loads(call("experiments", "v", "--json").output)["studies"]
    assert study["counts"] == {"succeeded": 3, "failed": 3}
    assert study["best"]["params"] == {"kind": "good", "x": 0.25}


def test_a_metric_that_there_is_not_is_said_once(call):
    told = call("tune", "valley", "--search", "x=0..1", "--metric", "judge.losss", "--direction", "minimize")
    assert told.exit_code == 2
    assert told.output.count("no metric named 'judge.losss'") == 1


def test_json_is_a_line_for_each_trial_and_one_for_the_study(call):
    lines = [json.loads(line) for line in call(*TUNE, "--trials", "2", "--json").output.splitlines()]
    assert [line["event"] for line in lines] == [
        "study_started", "trial_started", "trial_ended", "trial_started", "trial_ended", "study_ended"
    ]  # fmt: skip
    ended = [line for line in lines if line["event"] == "trial_ended"]
    assert ended[0]["params"] == {"x": 0.0}
    assert lines[-1]["best"] in [{key: each[key] for key in lines[-1]["best"]} for each in ended]
    assert lines[-1]["final_state"] == "succeeded"
    again = [json.loads(line) for line in call(*TUNE, "--trials", "2", "--json").output.splitlines()]
    assert [line["event"] for line in again] == ["study_started", "study_ended"]
    assert again[0]["counts"] == {"succeeded": 2}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-p", "kind=bad", "--trials", "1"), 1, "none of the 1 trials of valley has a value"),
        (("-p", "breaks=true", "--trials", "1"), 1, "failed"),
        (("y=1..2",), 2, "no parameter named 'y'"),
        (("kind=1..",), 2, "is no search space"),
        (("x=0,1",), 2, "parameter 'x' is searched over choice(0.0, 0.25, 1.0) and 0,1; give one of them"),
        (("--sampler", "x"), 2, "no sampler named 'x'"),
        (("--timeout", "soon"), 2, "timeout is 'soon'"),
    ],
)
def test_exit_codes_tell_what_went_wrong(call, arguments, code, said):
    ended = call(*TUNE, *arguments, "--quiet")
    assert ended.exit_code == code
    assert said in ended.output


def test_an_unknown_pipeline_is_named(call):
    ended = call("tune", "vally", "--metric", "judge.loss", "--search", "x=0..1")
    assert ended.exit_code == 2
    assert "Did you mean 'valley'" in ended.output
