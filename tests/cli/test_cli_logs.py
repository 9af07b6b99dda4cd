"""`penstock logs` of a whole run, searched, by time, and followed."""

from __future__ import annotations

import json
import os
import time

import pytest
from click.testing import CliRunner

import penstock
from penstock.cli import main
from penstock.core.run import Run, StepRun
from penstock.pipelines.logkeeping import times_file
from penstock.stores import SqlMetadata

NOW = time.time()


@pytest.fixture
def call(tmp_path):
    """A run whose steps printed in turn: a at 1, 3 and 5 min after it began, bee at 2 and 4."""
    (tmp_path / ".penstock").mkdir()
    metadata = SqlMetadata(f"sqlite:///{tmp_path}/.penstock/metadata.db")
    metadata.write(Run(id="r1", pipeline="rides", state="succeeded", created=NOW - 600, ended=NOW - 240))
    for at, (name, texts, moments) in enumerate(
        (
            ("a", ["one", "\x1b[31mred\x1b[0m error", "five"], (1, 3, 5)),
            ("bee", ["two", "10%\r50%\rfour"], (2, 4)),
            ("cached", ["of another run"], (9,)),
        )
    ):
        log, size = tmp_path / f"{name}.log", 0
        for text, moment in zip(texts, moments, strict=True):
            with log.open("a", newline="") as file:
                size += file.write(text + "\n")
            with times_file(log).open("a") as file:
                file.write(f"{NOW - 600 + 60 * moment:.3f} {size}\n")
        os.utime(log, (NOW - 600 + 60 * moments[-1],) * 2)
        state = "up_to_date" if name == "cached" else "succeeded"
        metadata.write(StepRun(run="r1", step=name, position=at, state=state, log=f"{name}.log", started=NOW - 600))
    metadata.close()

    def invoke(*arguments):
        return CliRunner().invoke(main, ["-C", str(tmp_path), "logs", "r1", *arguments])

    return invoke


def texts(result):
    assert result.exit_code == 0, result.output
    return [line.split(" | ")[-1] for line in result.output.splitlines()]


def test_the_steps_of_a_run_are_shown_by_time_with_their_names(call):
    result = call()
    assert texts(result) == ["one", "two", "red error", "four", "five"]
    moment = time.strftime("%H:%M:%S", time.localtime(NOW - 540))
    assert result.output.splitlines()[0].startswith(f"a   {moment}.")
    assert result.output.splitlines()[1].startswith("bee ")


def test_one_step_is_printed_as_it_is_unless_its_times_are_wanted(call):
    assert call("bee").output == "two\n10%\r50%\rfour\n"
    assert texts(call("bee", "--times")) == ["two", "four"]
    assert texts(call("cached")) == ["of another run"]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--grep", "o"), ["one", "two", "red error", "four"]),
        (("--grep", "^red e"), ["red error"]),
        (("--grep", "RED"), []),
        (("--grep", "RED", "-i"), ["red error"]),
        (("--grep", "five", "-C", "1"), ["red error", "five"]),
        (("a", "--grep", "e$"), ["one", "five"]),
        (("--grep", "nothing"), []),
    ],
)
def test_lines_are_found_by_what_they_say(call, arguments, found):
    assert texts(call(*arguments)) == found


def test_lines_are_found_by_when_they_were_printed(call):
    assert texts(call("--since", "1h")) == ["one", "two", "red error", "four", "five"]
    assert texts(call("--since", "10s")) == []
    assert texts(call("--since", f"{time.time() - NOW + 400:.0f}s")) == ["four", "five"]


def test_machines_get_lines_as_json(call):
    lines = [json.loads(line) for line in call("--json", "--grep", "red").output.splitlines()]
    assert lines == [{"step": "a", "time": pytest.approx(NOW - 420, abs=0.01), "line": "red error"}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--grep", "("), "grep '(' is no regular expression"),
        (("--since", "soon"), "--since is 'soon'"),
        (("-f", "-C", "2", "--grep", "x"), "leave one out"),
        (("d",), "no step named 'd' in run r1"),
    ],
)
def test_wrong_use_is_named(call, arguments, said):
    result = call(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_a_run_that_has_ended_is_followed_to_its_end(call):
    assert texts(call("-f", "--grep", "o")) == ["one", "two", "red error", "four"]


STEPS = """
import time
import penstock as ps

@ps.step
def count(name: str) -> str:
    for number in range(3):
        print(name, number)
        time.sleep(0.05)
    return name

@ps.pipeline
def counting():
    count("left")
    count.configured(name="right")("right")
"""


def test_a_run_is_followed_while_it_goes_on(tmp_path, monkeypatch):
    (tmp_path / "penstock.toml").write_text('[project]\nmodules = ["followed_steps"]\n[engine]\nslots = 2\n')
    (tmp_path / "followed_steps.py").write_text(STEPS)
    monkeypatch.syspath_prepend(tmp_path)
    run = penstock.open(tmp_path).run("counting", wait=False)
    result = CliRunner().invoke(main, ["-C", str(tmp_path), "logs", run.id, "-f"])
    assert sorted(texts(result)) == [f"{name} {number}" for name in ("left", "right") for number in range(3)]
    assert [text for text in texts(result) if text.startswith("left")] == ["left 0", "left 1", "left 2"]
    assert run.wait(60).state == "succeeded"
