"""Leases: one of several runs makes a thing, the others wait for it; whoever is gone is not waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds import World

from penstock.core.run import Lease, Run, StepRun
from penstock.engines import InlineEngine
from penstock.pipelines import pipeline, step
from penstock.pipelines.leasing import Leases
from penstock.pipelines.liveness import HOST, driving

STARTED, GO = threading.Event(), threading.Event()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    STARTED.clear()
    GO.clear()
    yield
    GO.set()


@step(ignore=["STARTED", "GO"])
def slow(calls: Path) -> int:
    with calls.open("a") as file:
        file.write("x")
    STARTED.set()
    assert GO.wait(20)
    return 7


@step
def plus(number: int) -> int:
    return number + 1


@pipeline
def slowly(calls: str) -> None:
    plus(slow.configured(ignore=["calls", "STARTED", "GO"])(calls))


def leases(world: World, run: str) -> Leases:
    return Leases(world.metadata, run, clock=world.clock)


def record(world: World, run: str, **fields: object) -> None:
    world.metadata.write(Run(id=run, pipeline="p", state="running", created=world.now, host=HOST, **fields))  # type: ignore[arg-type]


def test_a_key_is_taken_once_until_it_is_free(world: World) -> None:
    record(world, "r1", pid=1)
    one, other = leases(world, "r1"), leases(world, "r2")
    with driving("r1"):
        record(world, "r1", pid=__import__("os").getpid())
        assert one.take(["a", "b"]) == {"a", "b"}
        assert other.take(["b", "c"]) == {"c"}
        assert one.take(["a"]) == set()  # it is under way already
        one.free(["b"])
        assert other.take(["b"]) == {"b"}
        one.end()
        assert other.take(["a"]) == {"a"}


@pytest.mark.parametrize("fields", [{"state": "failed"}, {"pid": 2**22 + 1}, {"pid": None}, {"host": "elsewhere"}])
def test_a_lease_of_a_run_that_is_over_or_dead_does_not_count(fields: dict[str, object], world: World) -> None:
    run = Run(**{"id": "r1", "pipeline": "p", "state": "running", "host": HOST, **fields})  # type: ignore[arg-type]
    world.metadata.write(run, Lease(key="a", run="r1"))
    assert leases(world, "r2").take(["a"]) == {"a"}
    assert world.metadata.get(Lease, "a").run == "r2"  # type: ignore[union-attr]


def test_a_lease_whose_step_has_ended_does_not_count(world: World) -> None:
    with driving("r1"):
        record(world, "r1", pid=__import__("os").getpid())
        world.metadata.write(Lease(key="a", run="r1"))
        assert leases(world, "r2").take(["a"]) == set()
        world.metadata.write(StepRun(run="r1", step="s", key="a", state="failed"))
        assert leases(world, "r2").take(["a"]) == {"a"}


def test_a_run_waits_for_what_another_is_making(world: World, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    first: list[Run] = []
    thread = threading.Thread(
        target=lambda: first.append(world.run(slowly, {"calls": str(calls)}, engine=_Quiet(), run_id="first"))
    )
    thread.start()
    assert STARTED.wait(20)

    def sleep(seconds: float) -> None:
        GO.set()  # the second run is waiting: only now may the first go on
        thread.join(0.01)

    object.__setattr__(world.services, "sleep", sleep)
    second = world.run(slowly, {"calls": str(calls)}, engine=_Quiet(), run_id="second")
    thread.join()
    assert (first[0].state, second.state) == ("succeeded", "succeeded")
    assert calls.read_text() == "x"
    assert world.states(second)["slow"] == "up_to_date"
    assert world.steps(second)["slow"].origin == "first/slow"
    assert world.metadata.find(Lease) == []


class _Quiet(InlineEngine):
    """An inline engine for two threads at once: it captures nothing, for that holds for a whole process."""

    def submit(self, task: object) -> None:
        from penstock.engines.calling import call

        self._outcomes.append(call(task))  # type: ignore[arg-type]
