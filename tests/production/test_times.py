"""Times that come with requests: hour, weekday, range and age are held against before; that time goes on is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from log_worlds import graph, logged, rows_of

from penstock.core.mapping import FrozenMap
from penstock.production import Place, Tolerance, monitor
from penstock.production.records import RecordForm
from penstock.transforms import clock_columns, measured

DAY = 86400.0
START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()  # a Monday
Moment = Callable[[float, np.random.Generator], Any]


def just_now(moment: float, random: np.random.Generator) -> datetime:
    return datetime.fromtimestamp(moment - random.uniform(0, 90), UTC)


def grown_up(moment: float, random: np.random.Generator) -> date:
    return date(1950, 1, 1) + timedelta(days=int(random.integers(0, 50 * 365)))


def moments_of(days: float, rows: int, random: np.random.Generator, start: float) -> list[float]:
    """Requests at any time of those days, though most of them in the afternoon."""
    hours = np.clip(random.normal(15, 4, rows), 0, 23.99)
    return sorted((start + random.integers(0, int(days), rows) * DAY + hours * 3600).tolist())


class World:
    """A model that has learned from January and February, and is asked 600 rows a day from the second of March on."""

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(0)
        came = moments_of(60, 5000, random, START - 61 * DAY)
        types = {"at": pa.timestamp("us", "UTC"), "born": pa.date32()}
        made = {"at": just_now, "born": grown_up}
        rows = {name: pa.array([made[name](each, random) for each in came], type) for name, type in types.items()}
        facts = {"statistics": measured(pa.table(rows))}
        self.graph = graph(inputs={"at": "timestamp", "born": "date"}, **facts)
        self.place = Place(requests=folder / "r", labels=folder / "l", graph=lambda name, version: self.graph)

    def day(self, number: int, at: Moment = just_now, born: Moment = grown_up) -> None:
        random = np.random.default_rng(number + 1)
        came = moments_of(1, 600, random, START + number * DAY)
        records = (
            (f"{number}-{place}", each, {"at": at(each, random), "born": born(each, random)}, {"predicted_y": 1.0})
            for place, each in enumerate(came)
        )
        plain = ((id, each, msgspec.to_builtins(row), said) for id, each, row, said in records)
        logged(self.place.requests, rows_of(RecordForm(self.graph, 1, "d1"), plain))

    def changes(self, days: float, *, window: float = DAY, against: str = "", **tolerance: Any) -> dict[str, bool]:
        """Return whether each time is beyond its bounds in the newest window that has ended by then."""
        how: Any = {"window": window, "windows": 1, "by": (), "tolerance": Tolerance(**{"minimum": 300, **tolerance})}
        found = monitor(self.place, "km", now=START + days * DAY + 60, **how).changes.to_pylist()
        newest = [each for each in found if each["complete"] and each["against"] == against]
        return {each["feature"]: each["is_above"] for each in newest if not each["feature"].startswith("predicted")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_days_as_they_were_are_no_change_though_time_goes_on(world: World) -> None:
    world.day(0)
    world.day(1)
    assert world.changes(2, against="training") == {"at": False, "born": False, "at.hour": False}
    assert world.changes(2, against="before") == {"at.hour": False, "at.age": False, "born.age": False}


def test_another_time_of_day_is_seen_and_so_is_a_clock_of_another_zone(world: World) -> None:
    world.day(0)
    world.day(1, at=lambda moment, random: just_now(moment - 6 * 3600, random))
    assert world.changes(2, against="training") == {"at": False, "born": False, "at.hour": True}
    assert world.changes(2, against="before") == {"at.hour": True, "at.age": True, "born.age": False}


@pytest.mark.parametrize("default", [date(1900, 1, 1), date(9999, 12, 31)])
def test_dates_outside_of_the_range_that_was_learned_from_are_seen(world: World, default: date) -> None:
    world.day(0)
    world.day(1, born=lambda moment, random: default if random.uniform() < 0.1 else grown_up(moment, random))
    assert world.changes(2, against="training") == {"at": False, "born": True, "at.hour": False}
    assert world.changes(2, against="before")["born.age"]


def test_other_dates_within_the_range_are_seen_when_they_begin_to_come(world: World) -> None:
    world.day(0)
    world.day(1, born=lambda moment, random: date(1999, 1, 1) + timedelta(days=int(random.integers(0, 300))))
    assert world.changes(2, against="before") == {"at.hour": False, "at.age": False, "born.age": True}


def test_times_that_are_missing_are_seen(world: World) -> None:
    world.day(0)
    world.day(1, born=lambda moment, random: None if random.uniform() < 0.3 else grown_up(moment, random))
    assert world.changes(2, against="training")["born"]


def test_weekdays_are_compared_where_windows_have_all_of_them(world: World) -> None:
    def at_weekends(moment: float, random: np.random.Generator) -> datetime:
        day = datetime.fromtimestamp(moment, UTC)
        return day + timedelta(days=5 - day.weekday()) if random.uniform() < 0.7 else day

    start = int(-(START // DAY) % 7)  # windows of seven days begin on Thursdays: the grid began on one
    for number in range(start + 14):
        world.day(number, at=just_now if number < start + 7 else at_weekends)
    week = {"window": 7 * DAY}
    good = {"at": False, "born": False, "at.hour": False, "at.weekday": False, "born.weekday": False}
    assert world.changes(start + 7, against="training", **week) == good
    found = world.changes(start + 14, against="training", **week)
    assert (found["at.weekday"], found["born.weekday"]) == (True, False)
    assert world.changes(start + 14, against="before", **week)["at.weekday"]


def test_an_hour_has_one_hour_of_the_day_which_is_no_change(world: World) -> None:
    world.day(0)
    hours = {"window": 3600.0, "minimum": 20}
    assert set(world.changes(15 / 24, against="training", **hours)) == {"at", "born"}
    assert set(world.changes(15 / 24, against="before", **hours)) == {"at.age", "born.age"}


def test_bounds_are_set_by_the_names_that_are_shown(world: World) -> None:
    world.day(0)
    world.day(1)
    assert world.changes(2, against="training", thresholds={"at.hour": 0.0, "at.age": 0.0})["at.hour"]
    assert world.changes(2, against="before", thresholds={"at.hour": 9.0, "at.age": 0.0, "born": 0.0})["at.age"]


def test_a_time_that_was_never_there_has_nothing_to_be_held_against(tmp_path: Path) -> None:
    never = pa.table({"at": pa.nulls(50, pa.timestamp("us", "UTC")), "born": pa.nulls(50, pa.date32())})
    [at, born] = measured(never)
    assert "clock" not in at
    assert "clock" not in born
    world = World(tmp_path)
    world.graph = replace(world.graph, facts=FrozenMap({"statistics": [at, born]}))
    world.day(0)
    world.day(1)
    assert world.changes(2, against="training") == {}
    assert set(world.changes(2, against="before")) == {"at.hour", "at.age", "born.age"}


def test_times_are_counted_wherever_they_lie() -> None:
    moment = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    rows = pa.table({
        "trip": [{"at": moment, "km": 1.0}, None],
        "on": pa.array([moment.date(), None], pa.date32()),
        "hour": pa.array([moment.time(), None], pa.time64("us")),
        "wall": pa.array([moment.replace(tzinfo=None), None], pa.timestamp("us")),
        "all": [[moment], []],
    })  # fmt: skip
    [first, second] = clock_columns(rows).to_pylist()
    assert first == {
        "trip.at": moment.timestamp(), "trip.at.hour": "23", "trip.at.weekday": "1",
        "on": moment.timestamp() - 23.5 * 3600, "on.weekday": "1", "hour.hour": "23",
        "wall": moment.timestamp(), "wall.hour": "23", "wall.weekday": "1",
    }  # fmt: skip
    assert set(second.values()) == {None}
