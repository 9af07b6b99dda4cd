"""Old firings may go, but for those without which something would fire again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from trigger_worlds import World

from penstock.core.artifact import Artifact
from penstock.core.run import Run, StepRun
from penstock.core.trigger import Firing
from penstock.monitor import event, every, new_artifact, new_file, old_firings, on, receive, run_finished

DAY = 86400.0


def cloud_event(id: str) -> dict[str, object]:
    return {"specversion": "1.0", "type": "t", "source": "/s", "id": id, "data": {}}


def prune(world: World, *, keep: int = 0, days: float = 30) -> list[str]:
    """Take the old firings away, as a collection does; return what they were for."""
    found = old_firings(world.metadata, world.root, keep=keep, before=world.now - days * DAY)
    for firing in found:
        world.metadata.delete(Firing, trigger=firing.trigger, occurrence=firing.occurrence)
    return [firing.occurrence for firing in found]


def look(world: World) -> None:
    """A server that was started just now looks around, twice: files must stand still for a while."""
    with world.server() as server:
        for _ in range(3):
            server.tick()
            world.now += 5
    world.end_all()


def test_an_event_is_known_within_the_retention_and_new_after_it(world: World) -> None:
    world.declare(on(event("t"), "p", max_parallel=99))
    for number in range(3):
        receive(world.services, cloud_event(str(number)))
        look(world)
        world.now += DAY
    world.now += 27.5 * DAY
    assert prune(world, keep=5) == []
    assert prune(world) == ["/s 0"]
    assert [received.new for n in range(3) for received in receive(world.services, cloud_event(str(n)))] == [
        True, False, False,
    ]  # fmt: skip


def test_the_newest_of_each_trigger_stay_and_what_waits_or_goes_on(world: World) -> None:
    world.declare(on(event("t"), "p"))
    world.declare(on(event("t"), "p", max_parallel=99), name="other")
    for number in range(4):
        receive(world.services, cloud_event(str(number)))
        world.now += 1
    with world.server() as server:
        server.tick()  # of `t` one runs and three wait, of `other` all run
    world.now += 90 * DAY
    assert prune(world) == []
    for run in world.metadata.find(Run):
        if run.id in {firing.run for firing in world.firings("other")}:
            world.end(run.id)
    assert prune(world, keep=3) == ["/s 0"]
    assert prune(world) == ["/s 1", "/s 2", "/s 3"]
    assert world.states() == ["started", "waiting", "waiting", "waiting"]


@pytest.mark.parametrize("batch", [False, True])
def test_a_file_that_is_there_never_fires_again(world: World, batch: bool) -> None:
    world.declare(on(new_file("*.csv", batch=batch), "p", max_parallel=99))
    for name in ("a.csv", "b.csv"):
        (world.root / name).write_text(name)
    look(world)
    fired = len(world.firings())
    world.now += 90 * DAY
    assert prune(world) == []
    (world.root / "a.csv").unlink()
    gone = prune(world)
    assert [name for name in gone if not name.startswith("a.csv ")] == []
    assert len(gone) == 1
    look(world)
    assert len(world.firings()) == fired - 1
    (world.root / "b.csv").unlink()
    prune(world)
    assert world.firings() == []


def test_a_schedule_goes_on_from_its_last_instant(world: World) -> None:
    world.declare(on(every("1d", catch_up="all"), "p", max_parallel=99))
    world.now += 5 * DAY
    look(world)
    before = {firing.occurrence for firing in world.firings()}
    assert len(before) == 5
    assert len(prune(world, days=0)) == 4
    look(world)
    assert {firing.occurrence for firing in world.firings()} <= before


def ended_run(world: World) -> Callable[[], None]:
    world.declare(on(run_finished("made"), "p", max_parallel=99))
    return lambda: None


def output(world: World) -> Callable[[], None]:
    world.declare(on(new_artifact("made/step"), "p", max_parallel=99))
    world.metadata.write(StepRun(run="m1", step="step", state="succeeded", artifacts={"result": "d1"}))
    world.metadata.write(Artifact(digest="d1", kind="json", uri=""))
    return lambda: world.metadata.delete(Artifact, digest="d1")


@pytest.mark.parametrize("make", [ended_run, output])
def test_what_is_recorded_never_fires_again(world: World, make: Callable[[World], Callable[[], None]]) -> None:
    forget = make(world)
    world.now += 1
    world.metadata.write(Run(id="m1", pipeline="made", state="succeeded", created=world.now, ended=world.now))
    look(world)
    assert len(world.firings()) == 1
    world.now += 90 * DAY
    assert prune(world) == []
    look(world)
    assert len(world.firings()) == 1
    world.metadata.delete(Run, id="m1")
    forget()
    assert len(prune(world)) == 1
