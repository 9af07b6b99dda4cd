"""What fails: its branch, the run, what the next run does, and when a step is tried again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from counted_steps import CALLS, FAIL, chain, number, push, report, sign
from worlds import World

from penstock.core.failure import ENDINGS, Ending
from penstock.core.pipeline import Needs
from penstock.core.ports import Outcome
from penstock.core.run import Attempt
from penstock.errors import DeclarationError
from penstock.pipelines import pipeline, step
from penstock.pipelines.retrying import retry_wait


def test_a_failed_step_fails_the_run_and_leaves_other_branches_alone(world: World) -> None:
    @pipeline
    def branches() -> None:
        push(report(number(1)))
        sign(number.configured(name="other")(2))

    FAIL["report"] = 1
    run = world.run(branches)
    steps = world.steps(run)
    assert run.state == "failed"
    assert run.error == "report: ValueError: report broke"
    assert {name: item.state for name, item in steps.items()} == {
        "number": "succeeded",
        "report": "failed",
        "push": "skipped",
        "other": "succeeded",
        "sign": "succeeded",
    }
    assert steps["report"].error.startswith("ValueError: report broke\n\nTraceback")
    assert "counted_steps.py" in steps["report"].error
    assert "working.py" not in steps["report"].error
    assert steps["push"].reason == "needs report, which failed"


def test_the_next_run_goes_on_from_what_is_done(world: World) -> None:
    FAIL["report"] = 1
    failed = world.run(chain)
    CALLS.clear()
    run = world.run(chain)
    assert CALLS == ["report", "push"]
    assert world.steps(run)["report"].reason == f"failed in run {failed.id}"


def test_a_step_that_exits_has_failed(world: World) -> None:
    @step
    def leaves() -> int:
        raise SystemExit(3)

    run = world.run(pipeline(name="p")(lambda: leaves()))
    assert run.error == "leaves: SystemExit: 3"


def test_retries_wait_longer_each_time_and_then_give_up(world: World) -> None:
    @pipeline
    def stubborn() -> None:
        number.configured(retries=2)()

    FAIL["number"] = 2
    run = world.run(stubborn)
    assert run.state == "succeeded"
    assert world.steps(run)["number"].attempts == 3
    assert world.steps(run)["number"].error == ""
    assert world.slept[0] == pytest.approx(0.5, abs=0.05)
    assert sum(world.slept[1:]) == pytest.approx(1.0, abs=0.05)  # in slices: it listens for a cancellation meanwhile
    FAIL["sign"] = 9

    @pipeline
    def hopeless() -> None:
        sign.configured(retries=1)(3)

    run = world.run(hopeless)
    assert (run.state, world.steps(run)["sign"].attempts) == ("failed", 2)


def test_every_attempt_that_failed_is_recorded_and_stands_in_the_log(world: World) -> None:
    @pipeline
    def stubborn() -> None:
        number.configured(retries=2, retry_delay="2s")()

    FAIL["number"] = 2
    run = world.run(stubborn)
    assert (sum(world.slept[:4]), sum(world.slept[4:])) == pytest.approx((2.0, 4.0), abs=0.1)  # slices of half a second
    attempts = world.metadata.find(Attempt, run=run.id)
    assert [(each.step, each.number) for each in attempts] == [("number", 1), ("number", 2)]
    for each in attempts:
        assert each.ended >= each.started > 0
        assert "Traceback" in each.error
    lines = [line for line in (world.root / world.steps(run)["number"].log).read_text().splitlines() if "---" in line]
    assert [line.partition(":")[0] for line in lines] == ["--- attempt 1", "--- attempt 2"]
    assert lines[1].endswith("again in 4 s ---")


def test_a_failure_that_would_come_again_is_not_tried_again(world: World) -> None:
    @step(retries=5)
    def wrong() -> int:
        raise DeclarationError("there is no such option")

    @pipeline
    def hopeless() -> None:
        wrong()

    run = world.run(hopeless)
    assert (run.state, world.steps(run)["wrong"].attempts, world.slept) == ("failed", 1, [])


class TooBusyError(ConnectionResetError):
    """An error of somebody's library."""


@pytest.mark.parametrize(
    ("retry_on", "attempts"),
    [
        (None, 3),
        (TooBusyError, 3),
        (ConnectionError, 3),
        ((ValueError, OSError), 3),
        ("TooBusyError", 3),
        ("*BusyError", 3),
        (f"{__name__}.*", 3),
        ("ConnectionError", 3),
        (ValueError, 1),
        (("killed", "timeout"), 1),
        (TimeoutError, 1),
        ((), 1),
    ],
)
def test_a_step_is_tried_again_only_on_what_it_lists(world: World, retry_on: object, attempts: int) -> None:
    @step(retries=2, retry_on=retry_on)
    def asks() -> int:
        raise TooBusyError("come back later")

    run = world.run(pipeline(name="p")(lambda: asks()))
    found = world.steps(run)["asks"]
    assert (run.state, found.attempts) == ("failed", attempts)
    said = "not tried again: it failed of TooBusyError, and retry_on lists"
    assert (said in found.reason) == (attempts == 1)


@pytest.mark.parametrize(
    ("ending", "listed", "others"),
    [
        ("killed", ("killed",), ("timeout", "hung", "memory", "Exception")),
        ("timeout", ("timeout", "TimeoutError", "OSError"), ("killed", "hung", "MemoryError")),
        ("hung", ("hung",), ("timeout", "TimeoutError")),
        ("memory", ("memory", "MemoryError"), ("killed", "OSError")),
    ],
)
def test_the_end_of_a_process_has_names_too(ending: Ending, listed: tuple[str, ...], others: tuple[str, ...]) -> None:
    outcome = Outcome(task="t", state="failed", failed_of=ENDINGS[ending])
    assert all(retry_wait(Needs(retries=1, retry_on=(name,)), outcome, 1) == 0.5 for name in listed)
    assert retry_wait(Needs(retries=1, retry_on=others), outcome, 1) is None


def test_waits_double_up_to_five_minutes_but_never_below_what_was_asked_for() -> None:
    failed = Outcome(task="t", state="failed")
    assert [retry_wait(Needs(retries=99, retry_delay_seconds=60), failed, n) for n in (1, 2, 3, 4, 99)] == [
        60, 120, 240, 300, 300,
    ]  # fmt: skip
    assert retry_wait(Needs(retries=99, retry_delay_seconds=900), failed, 3) == 900
    assert retry_wait(Needs(retries=2), failed, 3) is None
    assert retry_wait(Needs(retries=2), replace(failed, final=True), 1) is None
    assert retry_wait(Needs(retries=2), replace(failed, state="cancelled"), 1) is None
