"""A feature set that is stale fires its triggers once, however long that lasts, whoever watches."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from trigger_worlds import World

import penstock as ps
from penstock.core.feature import FeatureVersion, IngestStatistics
from penstock.errors import DeclarationError
from penstock.features.quality.counting import merged
from penstock.monitor import arguments_of, event_data, freshness_of, old_firings, on, stale, when_of

MINUTE = 60.0


def apply(world: World, *, limit: float | None = 2 * 60 * MINUTE, version: int = 1) -> None:
    definition = {"freshness": None if limit is None else round(limit * 1_000_000)}
    world.metadata.insert(
        FeatureVersion(
            kind="set",
            name="rides",
            version=version,
            digest=f"d{version}",
            definition=definition,
            history="rides",
            created=world.now,
        )
    )


def ingest(world: World, event: float, *, first: int | None = None) -> None:
    """Record that rows came now whose newest event is of that moment."""
    number = first or len(world.metadata.find(IngestStatistics)) + 1
    world.metadata.insert(
        IngestStatistics(
            history="rides",
            digest="v",
            first=number,
            last=number,
            rows=1,
            first_event=round(event * 1_000_000),
            last_event=round(event * 1_000_000),
            reached=world.now,
            created=world.now,
        )
    )


def put_together(world: World) -> None:
    """Put all ingests together, as many small ones are."""
    found = sorted(world.metadata.find(IngestStatistics), key=lambda each: each.first)
    if len(found) > 1:
        world.metadata.delete(IngestStatistics)
        world.metadata.insert(merged(found))


def test_a_set_fires_when_its_newest_event_is_too_old(world: World) -> None:
    apply(world)
    ingest(world, world.now - 30 * MINUTE)
    world.declare(on(stale("rides"), "p", params={"last": event_data("last_event")}))
    server = world.server()
    wait = server.tick()
    assert world.states() == []
    assert wait <= 1.0
    world.now += 90 * MINUTE
    server.tick()
    assert world.states() == []  # of exactly that age it is fresh
    world.now += 0.002
    server.tick()
    [firing] = world.firings()
    assert firing.state == "started"
    assert firing.occurrence == "rides 2026-11-25T13:30:00Z"
    assert firing.event["data"] == {
        "feature_set": "rides",
        "version": 1,
        "stale_since": "2026-11-25T13:30:00Z",
        "last_event": "2026-11-25T11:30:00Z",
        "freshness_seconds": 7200.0,
    }
    assert world.params[firing.run] == {"last": "2026-11-25T11:30:00Z"}


def test_it_fires_once_while_it_is_stale_also_for_other_servers_and_after_late_rows(world: World) -> None:
    apply(world)
    ingest(world, world.now)
    world.declare(on(stale("rides"), "p", max_parallel=9))
    servers = [world.server(), world.server()]
    world.now += 121 * MINUTE
    for _ in range(5):
        for server in (*servers, world.server()):
            server.tick()
        world.now += 10 * MINUTE
        ingest(world, world.now - 150 * MINUTE)  # newer than before, and too old
    assert len(world.firings()) == 1
    ingest(world, world.now - MINUTE)
    servers[0].tick()
    world.now += 120 * MINUTE
    for server in (*servers, world.server()):
        server.tick()
    assert [firing.occurrence[6:] for firing in world.firings()] == ["2026-11-25T14:00:00Z", "2026-11-25T16:50:00Z"]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15), st.booleans()), max_size=12),
    st.integers(1, 8),
)
@settings(max_examples=25, deadline=None)
def test_there_are_as_many_firings_as_times_of_being_stale(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[tuple[int, int, bool]], limit: int
) -> None:
    """Whatever comes when, how late, and whichever server looks."""
    world = World(tmp_path_factory.getbasetemp())
    start = world.now
    apply(world, limit=limit * MINUTE)
    world.declare(on(stale("rides"), "p", max_parallel=999))
    server = world.server()
    times, before, newest = 0, False, None
    for minute in range(45):
        world.now = start + minute * MINUTE
        for at, lag, other in arrivals:
            if at == minute:
                ingest(world, world.now - lag * MINUTE)
                newest = max(newest if newest is not None else -99, minute - lag)
                server = world.server() if other else server
        server.tick()
        now = minute > limit if newest is None else minute - newest > limit
        times += now and not before
        before = now
        assert len(world.firings()) == times
        found = freshness_of(world.metadata, "rides")
        assert found is not None
        assert found.is_stale(world.now) == now


def test_putting_ingests_together_begins_no_new_time(world: World) -> None:
    apply(world)
    ingest(world, world.now)
    world.declare(on(stale("rides"), "p", max_parallel=9))
    world.now += 130 * MINUTE
    world.server().tick()
    for _ in range(4):
        ingest(world, world.now - 125 * MINUTE)
        world.now += MINUTE
        put_together(world)
        world.server().tick()
    assert len(world.firings()) == 1
    ingest(world, world.now)
    put_together(world)
    world.server().tick()
    world.now += 121 * MINUTE
    world.server().tick()
    assert len(world.firings()) == 2


def test_a_set_without_rows_is_as_old_as_it_is_applied(world: World) -> None:
    world.declare(on(stale("rides"), "p"))
    world.server().tick()
    apply(world)
    world.now += 60 * MINUTE
    world.server().tick()
    assert world.firings() == []
    world.now += 61 * MINUTE
    world.server().tick()
    assert [firing.event["data"]["last_event"] for firing in world.firings()] == [None]


def test_a_set_that_declares_no_freshness_is_never_stale(world: World) -> None:
    apply(world, limit=None)
    ingest(world, world.now - 10**6)
    world.declare(on(stale("rides"), "p"))
    world.now += 10**6
    world.server().tick()
    assert world.firings() == []
    found = freshness_of(world.metadata, "rides")
    assert found is not None
    assert (found.stale_from, found.age(world.now)) == (None, 2 * 10**6)


def test_the_newest_version_says_how_fresh_a_set_has_to_be(world: World) -> None:
    apply(world)
    ingest(world, world.now)
    apply(world, limit=10 * MINUTE, version=2)
    world.declare(on(stale("rides"), "p"))
    world.now += 11 * MINUTE
    world.server().tick()
    assert [firing.event["data"]["version"] for firing in world.firings()] == [2]


def test_an_event_from_the_future_makes_nothing_fresh_for_longer(world: World) -> None:
    apply(world)
    ingest(world, world.now + 10**7)
    world.now += MINUTE
    ingest(world, world.now)
    put_together(world)
    world.now += 121 * MINUTE
    found = freshness_of(world.metadata, "rides")
    assert found is not None
    assert found.is_stale(world.now)


def test_while_it_is_stale_its_firing_is_not_forgotten(world: World) -> None:
    apply(world)
    world.declare(on(stale("rides"), "p", max_parallel=9))
    for _ in range(2):
        ingest(world, world.now)
        world.now += 121 * MINUTE
        world.server().tick()
        world.end_all()
    first, _ = world.firings()
    assert old_firings(world.metadata, Path(), keep=0, before=world.now + 1) == [first]


def test_it_is_declared_by_a_set_or_by_its_name() -> None:
    declared = ps.feature_set(
        "rides", entities={"id": "int64"}, timestamp="at", features=["fare"], columns={"fare": "float64"}
    )
    assert ps.stale(declared) == ps.stale("rides") == when_of("stale", arguments_of(ps.stale("rides")))
    with pytest.raises(DeclarationError, match=r"give a feature set, or its name"):
        ps.stale("")
