"""Triggers on models in production: one firing for a window, whoever looks; judged once the window has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from trigger_worlds import World

import penstock as ps
from penstock.errors import DeclarationError, UnknownNameError
from penstock.monitor import Breached, Services, arguments_of, degraded, drift, event_data, on, when_of
from penstock.monitor.watched import JUDGE_SECONDS, SETTLE_SECONDS
from penstock.production import METRICS, rule_of

HOUR = 3600.0


class Judged(World):
    """A world in which the windows of `breaches` (when they end) are beyond bounds."""

    breaches: dict[float, dict[str, Any]]
    asked: list[tuple[float, float | None]]

    @property
    def services(self) -> Services:
        return replace(super().services, judge=self._judge)

    def _judge(self, kind: str, spec: Mapping[str, Any], now: float, last: float | None) -> Breached | None:
        self.asked.append((now, last))
        ended = max((end for end in self.breaches if end <= now), default=None)
        return None if ended is None else Breached(ended, self.breaches[ended])


@pytest.fixture
def world(tmp_path) -> Judged:
    world = Judged(tmp_path)
    world.breaches, world.asked = {}, []
    return world


def test_a_breach_fires_once_for_its_window_whoever_looks(world: Judged) -> None:
    start = world.now
    world.declare(on(drift("km", window="1h"), "p", params={"feature": event_data("feature")}, max_parallel=9))
    servers = [world.server(), world.server()]
    world.breaches = {start + HOUR: {"feature": "a"}, start + 3 * HOUR: {"feature": "b"}}
    for _ in range(5 * 12):
        world.now += 300
        for server in (*servers, world.server()):
            server.tick()
    assert [firing.occurrence for firing in world.firings()] == ["km 2026-11-25T13:00:00Z", "km 2026-11-25T15:00:00Z"]
    assert [world.params[firing.run] for firing in world.firings()] == [{"feature": "a"}, {"feature": "b"}]
    assert world.firings()[0].event == {"type": "drift", "data": {"feature": "a"}}


def test_a_window_is_judged_a_moment_after_it_has_ended_and_once(world: Judged) -> None:
    start = world.now
    world.declare(on(drift("km", window="1h"), "p"))
    server = world.server()
    server.tick()
    assert [now for now, _ in world.asked] == [start - SETTLE_SECONDS]
    world.now = start + SETTLE_SECONDS - 0.5  # the server looks again when the window before has settled
    server.tick()
    assert len(world.asked) == 1
    world.now += 1
    for _ in range(30):
        server.tick()
        world.now += 60
    assert len(world.asked) == 2
    world.now = start + HOUR + SETTLE_SECONDS
    server.tick()
    assert len(world.asked) == 3
    assert world.asked[-1][0] >= start + HOUR


def test_a_clock_that_is_set_back_holds_no_judging_up(world: Judged) -> None:
    world.declare(on(drift("km", window="1h"), "p"))
    server = world.server()
    server.tick()
    world.now += 9 * HOUR
    server.tick()
    world.now -= 8 * HOUR
    server.tick()
    assert len(world.asked) == 3
    world.now += HOUR
    server.tick()
    assert len(world.asked) == 4


def test_labels_that_come_late_are_looked_for_meanwhile(world: Judged) -> None:
    start = world.now
    world.declare(on(degraded("km", metric="r2_score", under=0.5, window="1h"), "p"))
    server = world.server()
    for _ in range(10):
        server.tick()
        world.now += JUDGE_SECONDS
    assert len(world.asked) == 10
    world.breaches = {start - HOUR: {}}  # it ended before the trigger was
    server.tick()
    assert world.firings() == []
    world.breaches = {start + 300: {"value": 0.1}}
    world.now += JUDGE_SECONDS
    server.tick()
    assert [firing.event["data"] for firing in world.firings()] == [{"value": 0.1}]
    world.now += JUDGE_SECONDS
    world.server().tick()
    assert world.asked[-1][1] == start + 300  # another server knows for which window it fired last


def test_what_cannot_be_judged_is_told_in_the_history_and_asked_again_later(world: Judged, monkeypatch) -> None:
    world.declare(on(drift("km", window="1h"), "p"))
    calls = []

    def fails(*asked: object) -> None:
        calls.append(asked)
        raise UnknownNameError("feature", "c", ["a", "b"])

    monkeypatch.setattr(Judged, "_judge", lambda self, *asked: fails(*asked))
    server = world.server()
    for _ in range(30):
        server.tick()
        world.now += 1
    assert len(calls) == 1
    [problem] = world.firings()
    assert (problem.state, problem.event["type"]) == ("failed", "problem")
    assert "no feature named 'c'" in problem.reason


@pytest.mark.parametrize(
    "when",
    [
        drift("flights", over=0.1, thresholds={"km": 0.3}, features=["km", "carrier"], metric="KS", against="before",
              lag=7, window="6h", minimum=50, consecutive=3, cooldown="2d"),
        drift("flights"),
        degraded("flights", metric="roc_auc", under=0.7, where="carrier = 'UA'", window="1h", consecutive=2),
        degraded("flights", metric="mean_absolute_error", over=12, cooldown="1d"),
    ],
)  # fmt: skip
def test_triggers_come_back_from_their_arguments_and_are_rules(when) -> None:
    assert when_of(when.kind, arguments_of(when)) == when
    rule = rule_of(when.kind, when.spec)
    assert (rule.model, rule.repeated.window) == ("flights", when.spec["window_seconds"])


def test_the_distances_are_those_that_are_computed() -> None:
    for metric in METRICS:
        assert drift("m", metric=metric).spec["metric"] == metric


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: drift(""), "give a model, or its name"),
        (lambda: drift("m", over=-0.1), "a distance is never below 0"),
        (lambda: drift("m", metric="psi"), "no distance named 'psi'"),
        (lambda: drift("m", against="yesterday"), "no against named 'yesterday'"),
        (lambda: drift("m", window="10ms"), "the shortest window is a second"),
        (lambda: drift("m", minimum=0), "give a whole number, 1 or more"),
        (lambda: drift("m", consecutive=1.5), "give a whole number, 1 or more"),
        (lambda: degraded("m", metric="r2_score"), "give the bound, over= or under=, and not both"),
        (lambda: degraded("m", metric="r2_score", over=1, under=0), "and not both"),
        (lambda: degraded("m", metric="r2_score", under="low"), "give a number"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_declared(declare, said) -> None:
    with pytest.raises((DeclarationError, UnknownNameError), match=said):
        declare()


def test_a_model_is_named_by_its_declaration_too() -> None:
    model = ps.model("km", type="linear_reg", label="y", features={"a": ps.col("a")})
    assert ps.drift(model) == ps.drift("km")
