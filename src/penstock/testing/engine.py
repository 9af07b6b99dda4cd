"""What every engine must promise, as tests."""
# ruff: noqa: D102, S101  # a test's name is its promise, and asserting is what it does

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Needs, Step
from penstock.core.ports import Context, Engine, Outcome, Task
from penstock.testing import tasks

PATIENCE_SECONDS = 60.0

TaskMaker = Callable[..., Task]


class EngineContract:
    """Give it the fixture `engine`: a fresh engine, closed at the end."""

    @pytest.fixture
    def task(self, tmp_path: Path) -> TaskMaker:
        """Make a task that calls a function: `task(len, id="a", obj="abc")`."""

        def make(call: Callable[..., Any], *, id: str = "t1", needs: Needs | None = None, **arguments: Any) -> Task:
            outputs = FrozenMap({"result": "json"})
            return Task(
                id=id,
                entry="penstock.testing.tasks:call_the_step",
                run="r1",
                step=Step(name=id, call=call, inputs=FrozenMap(), outputs=outputs, needs=needs or Needs()),
                arguments=arguments,
                context=Context(root=str(tmp_path), metadata="", artifacts=""),
                log=tmp_path / "logs" / f"{id}.log",
            )

        return make

    def test_a_task_gives_its_outcome_once(self, engine: Engine, task: TaskMaker) -> None:
        engine.submit(task(divmod_, a=7, b=2))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.task == "t1"
        assert outcome.state == "succeeded"
        assert outcome.outputs["result"].digest == "(3, 1)"
        assert outcome.observed == {"file:a": "b"}
        assert engine.wait(0) == []

    def test_waiting_for_nothing_returns_at_once(self, engine: Engine) -> None:
        assert engine.wait() == []

    def test_more_tasks_than_slots_all_end(self, engine: Engine, task: TaskMaker) -> None:
        count = 3 * engine.slots
        for number in range(count):
            engine.submit(task(divmod_, id=f"t{number}", a=number, b=1))
        outcomes = collect(engine, count)
        assert {outcome.task: outcome.outputs["result"].digest for outcome in outcomes} == {
            f"t{number}": f"({number}, 0)" for number in range(count)
        }

    def test_functions_without_a_name_travel_too(self, engine: Engine, task: TaskMaker) -> None:
        offset = 40
        engine.submit(task(lambda value: value + offset, value=2))
        assert engine.wait(PATIENCE_SECONDS)[0].outputs["result"].digest == "42"

    def test_an_exception_is_a_failed_outcome_with_its_traceback(self, engine: Engine, task: TaskMaker) -> None:
        engine.submit(task(tasks.fail, message="no rows in March"))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == "failed"
        assert outcome.error.rstrip().endswith("ValueError: no rows in March")
        assert "in fail" in outcome.error
        assert outcome.ended >= outcome.started > 0

    def test_sys_exit_in_a_step_is_a_failure_even_with_zero(self, engine: Engine, task: TaskMaker) -> None:
        engine.submit(task(tasks.leave, code=0))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == "failed"
        assert "SystemExit" in outcome.error

    def test_an_entry_that_is_not_there_is_a_failure_that_names_it(self, engine: Engine, task: TaskMaker) -> None:
        made = task(divmod_, a=1, b=1)
        engine.submit(Task(**{**_fields(made), "entry": "no_such_module:work"}))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == "failed"
        assert "no_such_module" in outcome.error

    def test_modules_are_found_on_the_task_s_paths(self, engine: Engine, task: TaskMaker, tmp_path: Path) -> None:
        (tmp_path / "code").mkdir()
        module = f"only_there_for_a_task_{uuid.uuid4().hex}"  # an engine in this process imports a name once
        (tmp_path / "code" / f"{module}.py").write_text(
            "from penstock.core.ports import Outcome\n"
            "def work(task): return Outcome(task=task.id, state='succeeded', observed={'from': __file__})\n"
        )
        made = _fields(task(divmod_))
        engine.submit(Task(**{**made, "entry": f"{module}:work", "paths": (str(tmp_path / "code"),)}))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.error == ""
        assert outcome.observed["from"].startswith(str(tmp_path / "code"))

    def test_the_log_has_everything_that_was_printed_and_in_order(
        self, engine: Engine, task: TaskMaker, capfd: pytest.CaptureFixture[str]
    ) -> None:
        made = task(tasks.speak)
        engine.submit(made)
        assert collect(engine, 1)[0].error == ""
        log = made.log.read_text()
        for line in ("print", "stderr", "a descriptor", "C", "a process"):
            assert f"from {line}" in log
        assert log.index("from print") < log.index("from a descriptor") < log.index("from a process")
        assert log.endswith("no newline at the end: Zürich")
        assert capfd.readouterr() == ("", "")

    def test_the_log_of_a_second_attempt_follows_the_first(self, engine: Engine, task: TaskMaker) -> None:
        for message in ("first", "second"):
            engine.submit(task(print_, message=message))
            collect(engine, 1)
        assert task(print_).log.read_text() == "first\nsecond\n"

    def test_a_log_that_cannot_be_written_fails_the_task(self, engine: Engine, task: TaskMaker, tmp_path: Path) -> None:
        (tmp_path / "logs").write_text("a file where the folder should be")
        engine.submit(task(divmod_, a=1, b=1))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == "failed"
        assert "logs" in outcome.error

    def test_an_engine_closed_twice_stays_closed(self, engine: Engine, task: TaskMaker) -> None:
        engine.submit(task(divmod_, a=1, b=1))
        engine.wait(PATIENCE_SECONDS)
        engine.close()
        engine.close()


def divmod_(a: int, b: int) -> tuple[int, int]:
    """Return quotient and remainder."""
    return divmod(a, b)


def print_(message: object) -> None:
    """Print a line."""
    print(message)


def collect(engine: Engine, count: int) -> list[Outcome]:
    """Wait until `count` outcomes are there."""
    outcomes: list[Outcome] = []
    limit = time.monotonic() + PATIENCE_SECONDS
    while len(outcomes) < count and time.monotonic() < limit:
        outcomes += engine.wait(1.0)
    return outcomes


def _fields(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in task.__dataclass_fields__}
