"""What an engine that runs tasks in processes of their own must promise besides."""
# ruff: noqa: D102, S101  # a test's name is its promise, and asserting is what it does

from __future__ import annotations

import fcntl
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from penstock.core.pipeline import Needs
from penstock.core.ports import Engine
from penstock.testing import tasks
from penstock.testing.engine import PATIENCE_SECONDS, EngineContract, TaskMaker, collect, divmod_, print_


class IsolatedEngineContract(EngineContract):
    """Give it the fixture `engine`: a fresh engine with two slots, closed at the end.

    Tasks run beside each other, and a crash, a timeout and a cancellation are survived.
    """

    @pytest.mark.parametrize(
        ("call", "arguments", "message"),
        [
            (tasks.kill_myself, {"number": signal.SIGKILL}, "SIGKILL"),
            (tasks.crash, {}, "SIGSEGV"),
            (tasks.vanish, {"code": 3}, "exit code 3"),
            (tasks.vanish, {"code": 0}, "exit code 0"),
        ],
    )
    def test_a_dead_worker_is_a_failure_that_says_what_it_died_of(
        self, engine: Engine, task: TaskMaker, call: Callable[..., Any], arguments: dict[str, Any], message: str
    ) -> None:
        engine.submit(task(call, **arguments))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == "failed"
        assert message in outcome.error
        assert outcome.failed_of == ("killed",)
        engine.submit(task(divmod_, id="t2", a=7, b=2))
        assert engine.wait(PATIENCE_SECONDS)[0].state == "succeeded"

    @pytest.mark.parametrize("call", [tasks.leave_a_process_behind, tasks.leave_a_process_behind_and_die])
    def test_what_a_task_leaves_running_is_stopped(
        self, engine: Engine, task: TaskMaker, tmp_path: Path, call: Callable[..., Any]
    ) -> None:
        engine.submit(task(call, pids=tmp_path / "pids"))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == ("succeeded" if call is tasks.leave_a_process_behind else "failed")
        await_end(tmp_path / "pids")

    @pytest.mark.parametrize("stubborn", [False, True])
    def test_a_task_out_of_time_is_stopped_with_what_it_started(
        self, engine: Engine, task: TaskMaker, tmp_path: Path, stubborn: bool
    ) -> None:
        needs = Needs(timeout_seconds=0.5)
        engine.submit(task(tasks.wait_for_ever, pids=tmp_path / "pids", needs=needs, stubborn=stubborn))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == "failed"
        assert "0.5 s" in outcome.error
        assert {"timeout", "TimeoutError"} <= set(outcome.failed_of)
        await_end(tmp_path / "pids")
        assert (tmp_path / "pids.tidied").exists() is not stubborn

    def test_a_cancelled_task_is_stopped_with_what_it_started(
        self, engine: Engine, task: TaskMaker, tmp_path: Path
    ) -> None:
        engine.submit(task(tasks.wait_for_ever, pids=tmp_path / "pids"))
        pids_in(tmp_path / "pids")
        engine.cancel("t1")
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == "cancelled"
        await_end(tmp_path / "pids")

    def test_a_task_cancelled_in_the_queue_never_starts(self, engine: Engine, task: TaskMaker, tmp_path: Path) -> None:
        running = [f"r{number}" for number in range(engine.slots)]
        for id in running:
            engine.submit(task(tasks.wait_for_ever, id=id, pids=tmp_path / id))
        engine.submit(task(tasks.meet, id="queued", mine=tmp_path / "started", others=[]))
        engine.cancel("queued")
        for id in running:
            pids_in(tmp_path / id)
            engine.cancel(id)
        assert {outcome.state for outcome in collect(engine, engine.slots + 1)} == {"cancelled"}
        assert not (tmp_path / "started").exists()

    def test_cancelling_what_has_ended_changes_nothing(self, engine: Engine, task: TaskMaker) -> None:
        engine.submit(task(divmod_, a=7, b=2))
        assert engine.wait(PATIENCE_SECONDS)[0].state == "succeeded"
        engine.cancel("t1")
        engine.cancel("never heard of")
        assert engine.wait(0) == []

    def test_tasks_run_at_the_same_time(self, engine: Engine, task: TaskMaker, tmp_path: Path) -> None:
        places = [tmp_path / f"p{number}" for number in range(2)]
        for number, place in enumerate(places):
            engine.submit(task(tasks.meet, id=f"t{number}", mine=place, others=places))
        assert {outcome.state for outcome in collect(engine, 2)} == {"succeeded"}

    def test_closing_stops_what_is_under_way_and_says_so(self, engine: Engine, task: TaskMaker, tmp_path: Path) -> None:
        engine.submit(task(tasks.wait_for_ever, pids=tmp_path / "pids"))
        pids_in(tmp_path / "pids")
        engine.close()
        await_end(tmp_path / "pids")
        assert [outcome.state for outcome in engine.wait(0)] == ["cancelled"]

    @pytest.mark.parametrize("call", [tasks.halt, tasks.keep_the_lock])
    def test_a_task_that_shows_no_life_is_stopped_as_hung(
        self, engine: Engine, task: TaskMaker, call: Callable[..., Any]
    ) -> None:
        engine.submit(task(call, needs=Needs(heartbeat_seconds=0.5)))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == "failed"
        assert outcome.error.startswith("hung: no sign of life for 0.5 s")
        assert outcome.failed_of == ("hung",)
        assert not outcome.final

    def test_a_task_that_only_takes_its_time_is_no_hung_one(self, engine: Engine, task: TaskMaker) -> None:
        engine.submit(task(tasks.sleep, seconds=1.5, needs=Needs(heartbeat_seconds=1.0)))
        assert collect(engine, 1)[0].error == ""

    @pytest.mark.parametrize("in_a_child", [False, True])
    def test_a_task_that_uses_more_memory_than_it_asked_for_is_stopped(
        self, engine: Engine, task: TaskMaker, in_a_child: bool
    ) -> None:
        needs = Needs(memory_bytes=256 << 20)
        engine.submit(task(tasks.take_memory, megabytes=512, in_a_child=in_a_child, needs=needs))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == "failed"
        assert "memory" in outcome.error
        assert "268 MB" in outcome.error
        assert {"memory", "MemoryError"} <= set(outcome.failed_of)

    def test_a_task_within_its_memory_is_left_alone(self, engine: Engine, task: TaskMaker) -> None:
        engine.submit(task(divmod_, a=7, b=2, needs=Needs(memory_bytes=512 << 20)))
        assert collect(engine, 1)[0].error == ""

    @pytest.mark.parametrize(
        ("needs", "words"),
        [
            (Needs(cpus=10_000), ["cpus=10000"]),
            (Needs(memory_bytes=10**18), ["1,000,000,000,000 MB of memory"]),
        ],
    )
    def test_a_task_that_asks_for_more_than_there_is_fails_at_once(
        self, engine: Engine, task: TaskMaker, needs: Needs, words: list[str]
    ) -> None:
        engine.submit(task(divmod_, a=7, b=2, needs=needs))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert (outcome.state, outcome.final) == ("failed", True)
        for word in (*words, "step 't1' asks for", "here"):
            assert word in outcome.error

    def test_a_task_for_two_processors_runs_alone_and_is_not_overtaken(
        self, engine: Engine, task: TaskMaker, tmp_path: Path
    ) -> None:
        book, go = tmp_path / "book", tmp_path / "go"
        engine.submit(task(tasks.note, id="small", name="small", book=book, until=go))
        engine.submit(task(tasks.note, id="large", name="large", book=book, needs=Needs(cpus=2)))
        engine.submit(task(tasks.note, id="late", name="late", book=book))
        assert engine.wait(0.2) == []
        go.touch()
        assert {outcome.error for outcome in collect(engine, 3)} == {""}
        lines = [f"{name} {what}" for name in ("small", "large", "late") for what in ("begins", "ends")]
        assert book.read_text().splitlines() == lines

    def test_a_wait_with_a_timeout_comes_back_empty(self, engine: Engine, task: TaskMaker, tmp_path: Path) -> None:
        engine.submit(task(tasks.wait_for_ever, pids=tmp_path / "pids"))
        assert engine.wait(0.05) == []

    def test_a_task_that_cannot_travel_is_a_failure_that_names_its_step(self, engine: Engine, task: TaskMaker) -> None:
        engine.submit(task(print_, message=threading.Lock()))
        (outcome,) = engine.wait(PATIENCE_SECONDS)
        assert outcome.state == "failed"
        assert "step 't1' cannot travel" in outcome.error

    def test_logging_and_warnings_go_to_the_log(self, engine: Engine, task: TaskMaker) -> None:
        made = task(tasks.warn)
        engine.submit(made)
        assert collect(engine, 1)[0].error == ""
        assert "from logging" in made.log.read_text()
        assert "from warnings" in made.log.read_text()


def pids_in(file: Path) -> list[int]:
    """Wait until a task has written its process ids to a file, and return them."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while not file.exists() and time.monotonic() < limit:
        time.sleep(0.005)
    return [int(pid) for pid in file.read_text().split()]


def await_end(pids: Path) -> None:
    """Fail unless the task that wrote `pids` and all that it started are gone soon: then nobody holds their lock."""
    limit = time.monotonic() + PATIENCE_SECONDS
    with pids.with_suffix(".lock").open() as lock:
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                assert time.monotonic() < limit, f"some of the processes {pids.read_text()} are still running"
            time.sleep(0.005)


def await_death(pids: Sequence[int]) -> None:
    """Fail unless the processes are gone soon; one that somebody else has yet to bury counts as gone."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while any(_is_alive(pid) for pid in pids):
        assert time.monotonic() < limit, f"of the processes {pids} some are still running"
        time.sleep(0.005)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")
