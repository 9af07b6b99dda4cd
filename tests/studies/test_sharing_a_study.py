"""Several searches of one study: no trial is made twice, none is lost with who began it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa

import penstock as ps
from penstock.models.fitting.axes import Axis
from penstock.models.fitting.proposing import Proposer, Search
from penstock.stores.studies import open_studies

AXES = {"x": Axis(ps.hparam_range(0.0, 1.0), "float", 0.5)}


@pytest.fixture
def open_proposer(tmp_path: Path):
    def opened() -> Proposer:
        kept = open_studies(f"sqlite:///{tmp_path}/metadata.db", optuna)
        search = Search(axes=AXES, trials=8, maximize=False)
        return Proposer(search, storage=kept.optuna, name="s", alone=kept.alone)

    return opened


@pytest.fixture
def slow_updates():
    """Let time pass between looking whether a trial waits and taking it, as a busy machine does."""
    pause = threading.Event()

    def wait(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        if statement.startswith("UPDATE trials"):
            pause.wait(0.05)

    sa.event.listen(sa.Engine, "before_cursor_execute", wait)
    yield
    sa.event.remove(sa.Engine, "before_cursor_execute", wait)


def test_searches_that_ask_at_once_get_different_trials_and_no_more_than_there_are_to_be(open_proposer, slow_updates):
    begin, asked = threading.Barrier(3), []

    def work() -> None:
        proposer = open_proposer()
        begin.wait()
        while found := proposer.ask(1, most=8):
            asked.extend(found)
            proposer.tell(found[0].number, 1.0)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({proposal.number for proposal in asked}) == len(asked) == 8
    assert len({proposal.chosen["x"] for proposal in asked}) == 8


def test_of_two_who_say_what_a_trial_came_to_the_first_counts(open_proposer):
    mine, other = open_proposer(), open_proposer()
    [first], [second] = mine.ask(1), mine.ask(1)
    mine.tell(first.number, 1.0, seconds=2.0)
    other.interrupt(first.number)
    other.tell(first.number, None, error="gone")
    found = other.found[0]
    assert (found.state, found.value, dict(found.notes)) == ("succeeded", 1.0, {"seconds": 2.0})
    other.interrupt(second.number)
    mine.tell(second.number, 3.0)
    assert mine.is_hopeless(second, [(1, 2.0)]) is False
    assert [each.state for each in mine.found] == ["succeeded", "interrupted"]
    assert mine.waiting == 1


STEPS: list[float] = []


@ps.step(ignore=["STEPS"])
def judge(x: float) -> dict[str, float]:
    STEPS.append(x)
    return {"loss": x}


@ps.pipeline
def line(x: float = 0.5) -> None:
    judge(x)


def test_a_trial_whose_run_had_ended_when_its_process_died_keeps_its_value(tmp_path, monkeypatch):
    project, how = ps.open(tmp_path), {"metric": "judge.loss", "engine": "inline", "figures": False}
    told = Proposer.tell

    def die(self: Proposer, number: int, *given: Any, **notes: Any) -> None:
        if number == 2:
            raise SystemError("killed")
        told(self, number, *given, **notes)

    with monkeypatch.context() as patched:
        patched.setattr(Proposer, "tell", die)
        with pytest.raises(SystemError):
            project.tune(line, {"x": "0.0..1.0"}, trials=3, **how)
    begun = list(STEPS)
    study = project.tune(line, {"x": "0.0..1.0"}, trials=3, **how)
    assert study.counts == {"succeeded": 3}
    assert STEPS[: len(begun)] == begun
    assert len(STEPS) == 3, "what it had come to was read, not made again"
    assert [trial.value for trial in study.trials] == STEPS
    assert all(trial.seconds is not None for trial in study.trials)
    recorded = project.experiments["tune-line"].studies[0]
    assert [(each.number, each.state, each.value, each.run) for each in recorded.trials] == [
        (each.number, each.state, each.value, each.run) for each in study.trials
    ]
    assert (recorded.final, recorded.report) == (study.final, study.report)
