"""One definition, from raw tables to a champion that serves: in mode train it learns, judges and promotes, in mode
infer it predicts with what was promoted. Both keep the feature store fresh."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from flight_models import arrival

import penstock as ps

LATE_MINUTES = 60


class Timetable(NamedTuple):
    """Flights as they are asked for, an hour before they are to leave; and take-offs, as they become known."""

    flights: ps.Table
    departures: ps.Table


@ps.step
def between(rows: ps.Table, first: str, last: str, mode: ps.Mode = "train") -> Timetable:
    """Take the flights that were to leave from `first` until `last`, and when each thing about them was known; to learn
    from only those that have arrived."""
    scheduled = pc.add(rows["time_hour"], _minutes(rows["minute"]))
    times = {
        "scheduled": scheduled,
        "event_timestamp": pc.subtract(scheduled, pa.scalar(3_600_000_000, pa.duration("us"))),
        "known_at": pc.add(scheduled, _minutes(pc.add(rows["dep_delay"], 1))),
    }
    for name, column in times.items():
        rows = rows.append_column(name, column)
    rows = _within(rows, "scheduled", first, last).sort_by(
        [(name, "ascending") for name in ("scheduled", "carrier", "flight", "origin")]
    )
    arrived = pc.is_valid(rows["arr_delay"])
    flights = rows.filter(arrived) if mode == "train" else rows
    flights = flights.append_column("is_late", pc.greater(flights["arr_delay"], LATE_MINUTES))
    print(f"{rows.num_rows:,} flights from {first} to {last}, {pc.sum(arrived).as_py() or 0:,} arrived")
    asked = ["event_timestamp", "time_hour", "carrier", "flight", "tailnum", "origin", "dest", "distance"]
    departed = rows.filter(pc.field("dep_delay").is_valid())
    return Timetable(
        flights.select([*asked, "arr_delay", "is_late"]),
        departed.select(["known_at", "origin", "carrier", "dep_delay"]),
    )


@ps.step
def readings(weather: ps.Table, first: str, last: str) -> ps.Table:
    """Take the weather from `first` until `last`: the store is to know nothing of what is to come."""
    return _within(weather, "time_hour", first, last)


def _within(rows: pa.Table, time: str, first: str, last: str) -> pa.Table:
    start, end = (pa.scalar(text).cast(rows[time].type) for text in (first, last))
    return rows.filter((pc.field(time) >= start) & (pc.field(time) < end))


def _minutes(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.cast(pc.multiply(pc.cast(numbers, pa.float64()), 60e6), pa.int64()), pa.duration("us"))


@ps.step
def register(rows: ps.Table, columns: list[str], known_at: str = "2013-01-01T00:00:00Z") -> ps.Table:
    """Say of rows that never change from when on they were known."""
    moment = pa.scalar(known_at).cast(pa.timestamp("us", "UTC"))
    return rows.select(columns).append_column("known_at", pa.repeat(moment, rows.num_rows))


@ps.pipeline
def facts() -> None:
    """Fill the feature store with what hardly ever changes."""
    ps.ingest("plane", register(ps.read("planes"), ["tailnum", "model", "seats"]))
    ps.ingest("airline", register(ps.read("airlines"), ["carrier", "name"]))


@ps.pipeline
def flights(first: str = "2013-01-01T00:00:00Z", last: str = "2013-05-01T00:00:00Z", worst: float = 40.0) -> None:
    """Keep the store fresh, join as of each flight's time, test the data, learn, judge, promote; and predict."""
    timetable = between(ps.read("flights"), first, last)
    ps.ingest("airport", timetable.departures)
    ps.ingest("carrier", timetable.departures)
    ps.ingest("weather", readings(ps.read.configured(name="read_weather")("weather"), first, last))
    expected = ps.schema(
        ps.statistics(timetable.flights),
        reviewed={"tailnum": {"nullable": True}},  # of a flight to come it may not be known yet which plane it is
        label=["arr_delay", "is_late"],
        rules=["distance > 0"],
    )
    rows = ps.historical_features(ps.validate(timetable.flights, expected).rows, arrival)
    train, test = ps.split(rows, by="event_timestamp", test=0.2)
    graph = ps.fit(arrival, train)
    blessing = ps.bless(
        graph,
        test,
        baseline="flights@champion",
        slices=["origin"],
        thresholds={"mean_absolute_error": ps.bound(max=worst, better_by=-1.0)},
    )
    ps.push(graph, name="flights", blessings=[blessing])
    ps.predict(graph, rows)
