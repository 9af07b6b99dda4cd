"""Triggers with a clock that is turned: each occurrence has one run, whatever servers do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trigger_worlds import World, at

from penstock.core.run import Lease, ModelVersion, NamedVersion, Run, StepRun
from penstock.core.trigger import Pause
from penstock.monitor import cron, event, event_data, every, fire, new_artifact, on, receive, run_finished
from penstock.monitor.firing import TAKE_OVER_SECONDS, begin, claim, record
from penstock.monitor.watched import POLL_SECONDS

ORDER = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.shop.order", "data": {"path": "a", "n": 3}}


def test_a_schedule_fires_at_its_instant_and_sleeps_until_then(world: World):
    world.declare(on(every("1h"), "p"))
    with world.server() as server:
        world.now = at("2026-11-25T12:59:59.5")
        assert server.tick() == pytest.approx(0.5)
        assert world.started == []
        world.now += 0.5
        server.tick()
        (firing,) = world.firings()
        assert (firing.occurrence, firing.state, firing.run) == ("2026-11-25T13:00:00Z", "started", world.started[0])
        assert firing.event == {"type": "every", "data": {"scheduled": "2026-11-25T13:00:00Z"}}
        server.tick()
        assert len(world.started) == 1


def test_two_servers_fire_once(world: World):
    world.declare(on(every("1h"), "p"))
    with world.server() as one, world.server() as other:
        world.now = at("2026-11-25T13:00:01")
        one.tick(), other.tick(), one.tick()
    assert len(world.started) == 1


@pytest.mark.parametrize(("catch_up", "fired"), [("none", 0), ("last", 1), ("all", 3)])
def test_what_a_restarted_server_makes_up_for(world: World, catch_up, fired):
    world.declare(on(every("1h", catch_up=catch_up), "p", max_parallel=9))
    with world.server() as server:
        server.tick()
    world.now = at("2026-11-25T15:30:00")
    with world.server() as server:
        server.tick()
    assert len(world.started) == fired


def test_an_event_comes_again_and_has_one_run(world: World):
    world.declare(on(event("com.shop.*"), "p", params={"source": event_data("path"), "depth": 6}))
    (first,), (again,) = receive(world.services, ORDER), receive(world.services, dict(ORDER))
    assert (first.new, again.new, again.firing) == (True, False, first.firing)
    assert receive(world.services, {**ORDER, "type": "com.other.order"}) == []
    with world.server() as server:
        server.tick()
    assert world.params[world.started[0]] == {"source": "a", "depth": 6}
    assert world.started == [first.firing.run]


def test_an_event_without_the_value_a_parameter_needs_fails_and_says_so(world: World):
    world.declare(on(event("*"), "p", params={"source": event_data("pth")}), "strict")
    world.declare(on(event("*"), "p", params={"source": event_data("pth", default="b")}), "easy")
    receive(world.services, ORDER)
    with world.server() as server:
        server.tick()
    (failed,) = world.firings("strict")
    assert failed.state == "failed"
    assert "no value named 'pth' in the event's data; there are: path, n" in failed.reason
    assert list(world.params.values()) == [{"source": "b"}]


def test_a_run_that_is_refused_is_a_firing_that_failed_and_gives_its_place_back(world: World):
    world.declare(on(every("1h"), "p"))
    with world.server() as server:
        world.refuse, world.now = "no pipeline named 'p'", at("2026-11-25T13:00:00")
        server.tick()
        world.refuse, world.now = "", at("2026-11-25T14:00:00")
        server.tick()
    assert [(firing.state, firing.reason) for firing in world.firings()] == [
        ("failed", "no pipeline named 'p'"),
        ("started", ""),
    ]


def send(world: World, *ids: str) -> None:
    for id in ids:
        world.now += 0.001
        receive(world.services, {**ORDER, "id": id})


def test_no_more_runs_than_allowed_are_under_way_and_the_rest_waits_in_order(world: World):
    world.declare(on(event("*"), "p", max_parallel=2))
    with world.server() as one, world.server() as other:
        send(world, *"abcde")
        one.tick(), other.tick()
        assert world.states() == ["started", "started", "waiting", "waiting", "waiting"]
        world.end(world.started[1])
        other.tick(), one.tick()
        assert world.states() == ["started", "started", "started", "waiting", "waiting"]
        world.end_all()
        one.tick(), other.tick()
    assert world.started == [firing.run for firing in world.firings()]


def test_what_is_too_much_is_skipped_where_that_is_wanted(world: World):
    world.declare(on(event("*"), "p", when_full="skip"))
    with world.server() as one, world.server() as other:
        send(world, *"ab")
        one.tick(), other.tick()
        world.end_all()
        send(world, "c")
        other.tick(), one.tick()
    assert world.states() == ["started", "skipped", "started"]
    assert "max_parallel is 1" in world.firings()[1].reason
    assert len(world.started) == 2


def test_a_paused_trigger_starts_nothing_and_goes_on_with_what_waits(world: World):
    trigger = world.declare(on(event("*"), "p"))
    world.metadata.write(Pause(trigger="t"))
    with world.server() as server:
        send(world, "a")
        server.tick()
        assert world.states() == ["waiting"]
        by_hand = fire(world.services, trigger, {"path": "x"})
        assert by_hand.state == "started"
        world.end_all()
        server.tick()
        assert len(world.started) == 1
        world.metadata.delete(Pause, trigger="t")
        server.tick()
    assert len(world.started) == 2


@pytest.mark.parametrize(("catch_up", "fired"), [("none", 0), ("last", 1), ("all", 2)])
def test_instants_that_pass_while_paused_are_as_if_no_server_had_been_there(world: World, catch_up, fired):
    world.declare(on(every("1h", catch_up=catch_up), "p", max_parallel=9))
    with world.server() as server:
        server.tick()
        world.metadata.write(Pause(trigger="t"))
        for hour in ("13", "14"):
            world.now = at(f"2026-11-25T{hour}:00:01")
            assert server.tick() <= POLL_SECONDS
        assert world.firings() == []
        world.metadata.delete(Pause, trigger="t")
        world.now += 120
        server.tick()
    assert len(world.started) == fired


def test_a_server_that_dies_before_it_starts_a_run_is_stood_in_for(world: World):
    trigger = world.declare(on(event("*"), "p"))
    send(world, "a")
    (firing,) = world.firings()
    assert claim(world.services, trigger, firing)  # and dies
    with world.server() as other:
        other.tick()
        assert world.states() == ["waiting"]
        world.now += TAKE_OVER_SECONDS
        other.tick()
        assert (world.states(), world.started) == (["started"], [firing.run])
        begin(world.services, trigger, firing)  # it was only slow: the run is there already
    assert (world.states(), world.started) == (["started"], [firing.run])


def test_a_server_that_dies_after_the_run_is_begun_is_stood_in_for(world: World):
    trigger = world.declare(on(event("*"), "p"))
    send(world, "a", "b")
    first, second = world.firings()
    assert claim(world.services, trigger, first)
    world.metadata.insert(Run(id=first.run, pipeline="p", state="succeeded", created=world.now))  # and dies
    with world.server() as other:
        world.now += TAKE_OVER_SECONDS
        other.tick(), other.tick()
    assert (world.states(), world.started) == (["started", "started"], [second.run])


def test_a_place_is_free_again_whatever_became_of_the_run(world: World):
    trigger = world.declare(on(event("*"), "p"))
    world.metadata.insert(Lease(key="trigger:t:0", run="forgotten", created=0.0))
    send(world, "a")
    with world.server() as server:
        server.tick()
        world.metadata.delete(Run, id=world.started[0])  # somebody cleaned up
        send(world, "b")
        server.tick()
    assert len(world.started) == 2
    assert record(world.services, trigger, "/shop a", {}) is None


def test_a_finished_run_fires_once_also_if_nobody_watched_when_it_ended(world: World):
    old = Run(id="old", pipeline="train", state="succeeded", created=world.now - 90, ended=world.now - 60)
    long = Run(id="long", pipeline="train", state="running", created=world.now - 50)
    world.metadata.insert(old, long)
    world.declare(on(run_finished("train"), "p", params={"run": event_data("run")}, max_parallel=9))
    world.now += 10
    world.metadata.insert(Run(id="away", pipeline="train", state="succeeded", created=world.now, ended=world.now + 1))
    world.metadata.insert(Run(id="bad", pipeline="train", state="failed", created=world.now, ended=world.now + 1))
    world.metadata.insert(Run(id="else", pipeline="other", state="succeeded", created=world.now, ended=world.now + 1))
    with world.server() as server:
        server.tick()
        assert [firing.occurrence for firing in world.firings()] == ["away"]
        newer = [
            Run(
                id=f"n{number:02}",
                pipeline="train",
                state="succeeded",
                created=world.now + number,
                ended=world.now + 99,
            )
            for number in range(70)
        ]
        world.metadata.insert(*newer)
        world.end("long")
        server.tick(), server.tick()
    with world.server() as restarted:
        restarted.tick()
    fired = [firing.occurrence for firing in world.firings()]
    assert sorted(fired) == sorted(["away", "long", *(run.id for run in newer)])
    assert world.params[world.started[0]] == {"run": "away"}


def test_a_new_version_and_a_new_output_of_a_step_fire(world: World):
    def version(number: int) -> ModelVersion:
        return ModelVersion(model="bike", version=number, digest=f"d{number}", created=world.now)

    def ran(id: str, digest: str, state: str = "succeeded") -> None:
        world.metadata.insert(
            Run(id=id, pipeline="train", state="succeeded", created=world.now, ended=world.now),
            StepRun(run=id, step="clean", state=state, artifacts={"result": digest}),
        )

    world.metadata.insert(version(1))
    world.declare(on(new_artifact("bike"), "p", params={"v": event_data("version")}, max_parallel=9), "versions")
    world.declare(on(new_artifact("train/clean"), "p", max_parallel=9), "outputs")
    with world.server() as server:
        world.now += 1
        world.metadata.insert(version(2))
        ran("r-1", "aa")
        server.tick()
        world.now += 1
        ran("r-2", "aa")
        ran("r-3", "bb", state="up_to_date")
        ran("r-4", "cc")
        server.tick(), server.tick()
    assert [world.params[firing.run] for firing in world.firings("versions")] == [{"v": 2}]
    assert [firing.occurrence for firing in world.firings("outputs")] == ["aa", "cc"]


def test_a_new_version_of_a_named_artifact_fires(world: World):
    world.declare(on(new_artifact("prices"), "p", params={"v": event_data("version")}, max_parallel=9), "named")
    with world.server() as server:
        world.now += 1
        world.metadata.insert(NamedVersion(name="prices", version=1, digest="d1", created=world.now))
        world.metadata.insert(NamedVersion(name="others", version=1, digest="d1", created=world.now))
        server.tick(), server.tick()
    assert [world.params[firing.run] for firing in world.firings("named")] == [{"v": 1}]


def test_a_trigger_that_changes_forgets_no_history_and_makes_up_for_nothing(world: World):
    world.declare(on(every("1h"), "p", max_parallel=9))
    with world.server() as server:
        world.now = at("2026-11-25T13:00:00")
        server.tick()
        world.now = at("2026-11-25T13:50:00")
        changed = world.declare(on(cron("30 * * * *", catch_up="all"), "p", max_parallel=9))
        server.tick()
        assert (changed.created, changed.since) == (at("2026-11-25T12:00:00"), world.now)
        world.now = at("2026-11-25T14:30:00")
        server.tick()
    assert [firing.occurrence for firing in world.firings()] == ["2026-11-25T13:00:00Z", "2026-11-25T14:30:00Z"]
    same = world.declare(on(cron("30 * * * *", catch_up="all"), "q", max_parallel=9))
    assert (same.since, same.pipeline) == (changed.since, "q")


def test_what_keeps_a_trigger_from_working_is_in_its_history_once_and_the_others_go_on(world: World):
    broken = world.declare(on(run_finished("train"), "p"), "broken")
    world.metadata.write(replace(broken, spec={}))  # as a newer penstock may have written it
    world.declare(on(event("*"), "p"), "fine")
    send(world, "a")
    with world.server() as server:
        server.tick(), server.tick()
    assert world.states("fine") == ["started"]
    (problem,) = world.firings("broken")
    assert (problem.state, "KeyError" in problem.reason) == ("failed", True)
