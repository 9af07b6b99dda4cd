"""Random lives of several servers on one store: clocks that jump, restarts, deaths at every place where one can die."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings, strategies as st
from trigger_worlds import World

from penstock.core.run import Run
from penstock.monitor import Monitor, event, every, on, receive
from penstock.monitor.firing import TAKE_OVER_SECONDS
from penstock.monitor.schedules import named_instant

PERIOD = 600.0


class DiedError(BaseException):
    """A server that was killed at this place."""


class Mortal:
    """A metadata store as a server sees that dies before its n-th write from now."""

    def __init__(self, store: object) -> None:
        self._store, self.left = store, -1

    def __getattr__(self, name: str):
        found = getattr(self._store, name)
        if name not in ("insert", "write", "delete"):
            return found

        def writing(*args, **kwargs):
            self.left -= 1
            if self.left == 0:
                raise DiedError
            return found(*args, **kwargs)

        return writing


SERVERS, PLACES = st.integers(0, 2), st.integers(1, 6)
ACTION = st.one_of(
    st.tuples(st.just("tick"), SERVERS),
    st.tuples(st.just("die"), SERVERS, PLACES),
    st.tuples(st.just("clock"), st.floats(-PERIOD, 4 * PERIOD)),
    st.tuples(st.just("event"), st.integers(0, 9)),
    st.tuples(st.just("end"), st.integers(0, 5)),
)
ACTIONS = st.lists(ACTION, min_size=15, max_size=40)


class Life:
    """A world with three servers, any of which may die and come back."""

    def __init__(self, catch_up: str, max_parallel: int) -> None:
        self.world, self.max_parallel = World(Path()), max_parallel
        self.begin = self.world.now
        for name, when in (("clock", every(PERIOD, catch_up=catch_up)), ("event", event("*"))):
            self.world.declare(on(when, "p", max_parallel=max_parallel), name)
        self.servers: list[Monitor | None] = [None, None, None]
        self.sent: set[str] = set()
        self.newest = self.world.now

    def act(self, action: str, *how) -> None:
        match action:
            case "tick":
                self.tick(how[0])
            case "die":
                self.tick(how[0], writes=how[1])
            case "clock":
                self.world.now += how[0]
            case "event":
                self.sent.add(f"/s {how[0]}")
                receive(self.world.services, {"type": "t", "source": "/s", "id": str(how[0]), "data": {}})
            case "end":
                running = self.world.metadata.find(Run, state="running")
                if running:
                    self.world.end(running[how[0] % len(running)].id)
        self.check()

    def tick(self, number: int, writes: int = -1) -> None:
        self.newest = max(self.newest, self.world.now)
        mortal = Mortal(self.world.metadata)
        real, self.world.metadata = self.world.metadata, mortal
        try:
            server = self.servers[number] or self.world.server()
            server._services = self.world.services
            for watched in server._watched.values():
                watched._services = self.world.services
            self.servers[number] = server
            mortal.left = writes
            server.tick()
        except DiedError:
            self.servers[number] = None  # the next tick is of a new one, which knows nothing
        finally:
            self.world.metadata = real

    def check(self) -> None:
        assert len(set(self.world.started)) == len(self.world.started)
        firings = [firing for name in ("clock", "event") for firing in self.world.firings(name)]
        assert len({firing.run for firing in firings}) == len(firings)
        runs = {firing.run: firing.trigger for firing in firings}
        assert set(self.world.started) <= set(runs)
        for name in ("clock", "event"):
            running = [run for run in self.world.metadata.find(Run, state="running") if runs[run.id] == name]
            assert len(running) <= self.max_parallel

    def go_on_to_the_end(self) -> None:
        """Let a server live on until nothing is left to do."""
        for _ in range(500):
            if not {"waiting"} & {*self.world.states("clock"), *self.world.states("event")}:
                break
            self.world.now += TAKE_OVER_SECONDS
            self.tick(0)
            self.world.end_all()
        else:
            raise AssertionError("something waits for ever")
        self.check()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS, st.sampled_from(["all", "last", "none"]), st.integers(1, 3))
def test_each_occurrence_has_at_most_one_run_and_what_must_not_be_lost_has_exactly_one(actions, catch_up, parallel):
    life = Life(catch_up, parallel)
    for action in actions:
        life.act(*action)
    life.tick(0)
    life.go_on_to_the_end()
    world, newest = life.world, life.newest
    assert {firing.occurrence for firing in world.firings("event")} == life.sent
    assert set(world.states("event")) <= {"started"}
    fired = sorted(named_instant(firing.occurrence) or 0.0 for firing in world.firings("clock"))
    expected = [
        n * PERIOD for n in range(int(life.begin // PERIOD), int(newest // PERIOD) + 2) if life.begin < n * PERIOD
    ]
    assert set(fired) <= set(expected)
    if catch_up == "all":
        assert [instant for instant in expected if instant <= newest] == [i for i in fired if i <= newest]
