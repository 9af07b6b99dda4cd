"""Ctrl-C: in a step, while workers are at work, twice; the run is recorded as cancelled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from counted_steps import chain, number, report, sign
from worlds import Listener, World

from penstock.core.ports import Outcome, Task
from penstock.core.run import Run, StepRun
from penstock.engines import InlineEngine
from penstock.pipelines import pipeline, step


class Interrupted:
    """An engine in which Ctrl-C comes with the second task, while both are under way."""

    slots = 2

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.cancelled: list[str] = []

    def submit(self, task: Task) -> None:
        self.tasks.append(task.id)

    def wait(self, timeout_seconds: float | None = None) -> Sequence[Outcome]:
        if not self.cancelled:
            raise KeyboardInterrupt
        gone, self.cancelled = self.cancelled, []
        return [Outcome(task=id, state="cancelled") for id in gone]

    def cancel(self, task_id: str) -> None:
        self.cancelled.append(task_id)

    def close(self) -> None: ...


def test_ctrl_c_cancels_everything_records_that_and_goes_on(world: World) -> None:
    @pipeline
    def two() -> None:
        report(number(1))
        sign(2)

    listener = Listener()
    with pytest.raises(KeyboardInterrupt):
        world.run(two, engine=Interrupted(), run_id="r1", on_event=listener)
    run = world.metadata.get(Run, "r1")
    assert run is not None
    assert run.state == "cancelled"
    assert run.ended is not None
    assert {item.state for item in world.metadata.find(StepRun, run="r1")} == {"cancelled"}
    assert listener.names()[-1] == "RunEnded"
    assert set(world.states(world.run(two)).values()) == {"succeeded"}


def test_ctrl_c_inside_an_inline_step(world: World) -> None:
    @step
    def interrupted(x: int) -> int:
        raise KeyboardInterrupt

    @pipeline
    def p() -> None:
        report(interrupted(number()))

    with pytest.raises(KeyboardInterrupt):
        world.run(p, run_id="r1")
    states = {item.step: item.state for item in world.metadata.find(StepRun, run="r1")}
    assert states == {"number": "succeeded", "interrupted": "cancelled", "report": "cancelled"}


def test_a_second_interrupt_ends_the_wait_for_workers_and_the_run_is_recorded_as_cancelled(world: World) -> None:
    class Stubborn(InlineEngine):
        def submit(self, task: Task) -> None:
            """Never finish it."""

        def wait(self, timeout_seconds: float | None = None) -> Sequence[Outcome]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.run(chain, engine=Stubborn())
    (run,) = world.metadata.find(Run)
    assert run.state == "cancelled"
    assert set(world.states(run).values()) == {"cancelled"}
