"""A search whose trials run in worker processes: pruned while they run, killed with the search, side by side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli import main
from penstock.studies import TrialEnded

pytestmark = pytest.mark.usefixtures("warm_workers")

STEPS = """
import time
from pathlib import Path

import penstock as ps

def mark(what):
    with (Path(__file__).parent / what).open("a") as file:
        file.write(".")

@ps.step(version="1")
def prepare() -> int:
    mark("prepared")
    time.sleep(0.3)
    return 1

@ps.step(version="1")
def learn(start: int, x: float, pause: float) -> float:
    mark("learned")
    for step in range(200 if x > 0.5 else 3):
        ps.log_metric("loss", x + 1 / (step + 1), step=step)
        time.sleep(pause)
    return x

@ps.step
def judge(model: float) -> dict:
    return {"loss": model}

@ps.step
def last(model: float) -> float:
    return model

@ps.pipeline
def slopes(x: float = 0.1, pause: float = 0.05):
    model = learn(prepare(), x, pause)
    judge(model)
    last(model)

@ps.step
def hold(x: float) -> dict:
    while x > 0.5 and not (Path(__file__).parent / "go").exists():
        time.sleep(0.01)
    return {"loss": x}

@ps.pipeline
def gates(x: float = 0.9):
    hold(x)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "penstock.toml").write_text('[project]\nmodules = ["searched_slopes"]\n[engine]\nslots = 2\n')
    (tmp_path / "searched_slopes.py").write_text(STEPS)
    return tmp_path


def count(folder: Path, what: str) -> int:
    return len((folder / what).read_text()) if (folder / what).exists() else 0


def test_a_trial_that_is_not_worth_its_end_is_stopped_and_kept_as_pruned(folder):
    project = ps.open(folder)
    ended = []
    spaces = {"x": ps.hparam_candidates([0.1, 0.2, 0.15, 0.3, 0.25, 9.0])}

    def note(event):
        if isinstance(event, TrialEnded):
            ended.append(event.trial)

    how = {"metric": "judge.loss", "trials": 6, "sampler": "grid", "pruner": "median", "figures": False}
    study = project.tune("slopes", spaces, on_event=note, **how)
    by_x = {trial.params["x"]: trial for trial in study.trials}
    hopeless = by_x[9.0]
    assert [trial.state for trial in study.trials if trial is not hopeless] == ["succeeded"] * 5
    assert ended[-1] == hopeless, "numbers are gone through in order"
    assert hopeless.state == "pruned"
    assert hopeless.error.startswith("given up at step ")
    run = project.get_run(hopeless.run)
    assert (run.state, run.steps["learn"].state) == ("cancelled", "cancelled")
    assert run.record.error.startswith("pruned: given up")
    assert study.best_params == {"x": 0.1}


def test_trials_side_by_side_make_what_they_share_once(folder):
    study = ps.open(folder).tune(
        "slopes", {"x": ps.hparam_range(0.0, 0.4)}, metric="judge.loss", trials=4, parallel=2, figures=False
    )
    assert study.counts == {"succeeded": 4}
    assert count(folder, "prepared") == 1
    assert count(folder, "learned") == 4


def begin(folder: Path, *arguments: str, pipeline: str = "slopes") -> tuple[subprocess.Popen[str], list[str]]:
    metric = {"slopes": "judge.loss", "gates": "hold.loss"}[pipeline]
    command = ["-C", str(folder), "tune", pipeline, "--metric", metric, "--no-figures", "--json", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    whole = [sys.executable, "-m", "penstock", *command]
    return subprocess.Popen(whole, stdout=subprocess.PIPE, env=environment, text=True), command


def test_two_processes_that_search_the_same_share_the_trials(folder):
    how = ("--search", "x=0.0..0.4", "--trials", "8", "-p", "pause=0.0", "--engine", "inline")
    processes = [begin(folder, *how)[0] for _ in range(2)]
    said = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    lines = [json.loads(line) for lines in said for line in lines]
    trials = {line["number"]: line["params"]["x"] for line in lines if line["event"] == "trial_ended"}
    assert len(trials) == 8
    assert len(set(trials.values())) == count(folder, "learned") == len(trials)
    assert count(folder, "prepared") == 1


def test_a_search_that_was_killed_goes_on(folder):
    killed, command = begin(folder, "--search", "x=0.6..0.9", "--trials", "3", "-p", "pause=0.002")
    assert killed.stdout is not None
    for line in killed.stdout:
        if json.loads(line)["event"] == "trial_ended":
            break
    begun = count(folder, "learned")
    limit = time.monotonic() + 60
    while count(folder, "learned") == begun and time.monotonic() < limit:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    said = CliRunner().invoke(main, command)
    assert said.exit_code == 0, said.output
    started, *_, ended = [json.loads(line) for line in said.output.splitlines()]
    assert started["counts"]["succeeded"] == 1
    assert started["again"] == started["counts"].get("interrupted", 0) == 1
    assert ended["counts"] == {"succeeded": 3, "interrupted": 1}
    assert count(folder, "prepared") == 1


def test_what_a_killed_search_had_begun_is_made_by_one_that_waits_for_it(folder):
    how = ("--search", "x=0.9,0.1", "--trials", "2", "--engine", "inline")
    killed, _ = begin(folder, *how, pipeline="gates")
    with killed:
        assert killed.stdout is not None
        assert "trial_started" in [json.loads(killed.stdout.readline())["event"] for _ in range(2)]
        other, _ = begin(folder, *how, pipeline="gates")
        with other:
            assert other.stdout is not None
            lines = [
                json.loads(other.stdout.readline()) for _ in range(3)
            ]  # it makes the trial that is left, and waits
            killed.kill()
            killed.wait()
            (folder / "go").touch()
            lines += [json.loads(line) for line in other.stdout]
    assert other.returncode == 0
    assert [(line["number"], line["params"]["x"]) for line in lines if line["event"] == "trial_ended"] == [
        (2, 0.1),
        (3, 0.9),
    ]
    assert lines[-1]["counts"] == {"succeeded": 2, "interrupted": 1}
