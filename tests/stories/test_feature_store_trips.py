"""How long a trip takes, by what its start station was like: learned as of each start, served as trips come in.

When a trip starts is known at once, how long it took only when it ends: so there are two sets, each by its own time.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import penstock as ps

TRIPS = Path(__file__).parents[3] / "shared" / "data" / "bayarea_bike_trips.parquet"
UTC = pa.timestamp("us", "UTC")
HOUR = 3_600_000_000
MINUTES_5 = HOUR // 12
"""In microseconds."""

KIND = ps.col("subscription_type")
STARTS = ps.feature_set(
    "station_starts",
    entities={"start_terminal": "int64"},
    timestamp="start_date",
    features={
        "trips_3h": KIND.count().over("3h"),
        "trips_7d": KIND.count().over("7d"),
        "subscribers_7d": KIND.count()
        .where("subscription_type = 'Subscriber'")
        .over("7d")
        .safe_divide(KIND.count().over("7d")),
    },
    description="Trips that began at a station",
)
ENDS = ps.feature_set(
    "station_ends",
    entities={"start_terminal": "int64"},
    timestamp="end_date",
    features={
        "mean_3h": ps.col("duration").mean().where("duration < 14400").over("3h"),
        "mean_7d": ps.col("duration").mean().where("duration < 14400").over("7d"),
    },
    description="How long trips took that began at a station, as they ended",
)
FEATURES = ["station_starts:*", "station_ends:*"]
DURATION = ps.model(
    "duration",
    type="boosted_tree_regressor",
    label="duration",
    features={
        "trips_3h": ps.feature("station_starts:trips_3h"),
        "trips_7d": ps.feature("station_starts:trips_7d"),
        "subscribers_7d": ps.feature("station_starts:subscribers_7d"),
        "mean_3h": ps.feature("station_ends:mean_3h"),
        "mean_7d": ps.feature("station_ends:mean_7d"),
        "subscription_type": ps.col("subscription_type"),
    },
    options={"max_iterations": 10},
)


def trips(first: dt.datetime, last: dt.datetime, end: dt.datetime) -> pa.Table:
    """Return the trips that began in some weeks of 2014, moved in time so that these weeks end at `end`."""
    if not TRIPS.exists():
        pytest.skip(f"needs {TRIPS.name}, which lies beside the checkout only where the data is")
    columns = ["start_terminal", "start_date", "end_date", "duration", "subscription_type"]
    table = pq.read_table(TRIPS, columns=columns)
    moved = pa.scalar(end - last, pa.duration("us"))
    for place in (1, 2):  # San Francisco's clocks
        utc = pc.assume_timezone(table.column(place), "America/Los_Angeles", ambiguous="earliest", nonexistent="latest")
        table = table.set_column(place, columns[place], utc.cast(UTC))
    table = table.filter((pc.field("start_date") >= first) & (pc.field("start_date") < last))
    for place in (1, 2):
        table = table.set_column(place, columns[place], pc.add(table.column(place), moved))
    return table.sort_by([("start_date", "ascending")])


class ByHand:
    """The trips of each station in lists, by their times: features counted one by one."""

    def __init__(self) -> None:
        self.starts: dict[int, list[tuple[int, bool]]] = defaultdict(list)
        self.ends: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def began(self, table: pa.Table) -> None:
        for station, at, kind in _rows(table, "start_date", "subscription_type"):
            self.starts[station].append((at, kind == "Subscriber"))

    def ended(self, table: pa.Table) -> None:
        for station, at, duration in _rows(table, "end_date", "duration"):
            self.ends[station].append((at, duration))

    def features(self, station: int, now: int) -> list[Any]:
        three, week = (_within(self.starts[station], now, *window) for window in ((3, MINUTES_5), (7 * 24, HOUR)))
        means = []
        for window in ((3, MINUTES_5), (7 * 24, HOUR)):
            took = [duration for duration in _within(self.ends[station], now, *window) if duration < 14400]
            means.append(float(Fraction(sum(took), len(took))) if took else None)
        return [len(three), len(week), sum(week) / len(week) if week else None, *means]


def _rows(table: pa.Table, time: str, value: str) -> list[tuple[int, int, Any]]:
    table = table.sort_by([(time, "ascending")])
    at = table.column(time).cast(pa.int64())
    return list(
        zip(*(each.to_pylist() for each in (table.column("start_terminal"), at, table.column(value))), strict=True)
    )


def _within(events: list[tuple[int, Any]], now: int, hours: int, hop: int) -> list[Any]:
    first = (now - hours * HOUR) // hop * hop
    low, high = (bisect_left(events, at, key=lambda event: event[0]) for at in (first, now))
    return [value for _, value in events[low:high]]


def test_a_trips_duration_is_learned_and_served_from_what_its_station_was_like(tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    first, last = dt.datetime(2014, 5, 1, tzinfo=dt.UTC), dt.datetime(2014, 6, 10, 20, tzinfo=dt.UTC)
    every = trips(first, last, now)
    project = ps.open(tmp_path)
    for declared in (STARTS, ENDS):
        project.features.apply(declared, every)
    today = now - dt.timedelta(hours=12)
    hand = ByHand()
    began, ended = (every.filter(pc.field(time) < today) for time in ("start_date", "end_date"))
    project.features.ingest(STARTS, began, batch="past")
    project.features.ingest(ENDS, ended, batch="past")
    hand.began(began)
    hand.ended(ended)

    # Learned as of the start of each trip: that its own end is in the rows changes nothing.
    learned = began.filter(pc.field("end_date") < today)
    assert learned.num_rows > 30_000
    graph = project.fit(DURATION, learned, timestamp="start_date")
    joined = project.features.get_historical_features(learned, FEATURES, timestamp="start_date")
    some = joined.take(pa.array(range(0, joined.num_rows, 53)))
    stations, at = some.column("start_terminal").to_pylist(), some.column("start_date").cast(pa.int64()).to_pylist()
    made = [list(row.values())[learned.num_columns :] for row in some.to_pylist()]
    assert made == [hand.features(*each) for each in zip(stations, at, strict=True)]
    assert graph.facts["rows"]["train"] == learned.num_rows

    # Trips of today come in, a couple of hours at a time; what is asked in between is what is known then.
    reader = project.features.reader(FEATURES)
    asked: list[tuple[int, int]] = []
    served: list[list[Any]] = []
    for hours in range(0, 12, 2):
        begin, end = (today + dt.timedelta(hours=each) for each in (hours, hours + 2))
        for declared, time, tell in ((STARTS, "start_date", hand.began), (ENDS, "end_date", hand.ended)):
            came = every.filter((pc.field(time) >= begin) & (pc.field(time) < end))
            project.features.ingest(declared, came, batch=f"{hours} h")
            tell(came)
        instant = round(end.timestamp() * 1_000_000)
        for station in (50, 55, 60, 70, 10, 999):
            values, _ = reader.row({"start_terminal": station}, now=instant)
            assert values == hand.features(station, instant)
            asked.append((station, instant))
            served.append(values)
    rows = pa.table(
        {"start_terminal": [each for each, _ in asked], "event_timestamp": pa.array([at for _, at in asked])}
    )
    rows = rows.set_column(1, "event_timestamp", rows.column(1).cast(UTC))
    history = project.features.get_historical_features(rows, FEATURES).drop_columns(rows.column_names)
    assert [list(row.values()) for row in history.to_pylist()] == served
    assert project.verify("duration", rows=every.slice(every.num_rows - 200)).equal
