"""How late will a flight arrive, judged at take-off? From two raw tables to a champion that serves."""

from __future__ import annotations

import penstock as ps

arrival = ps.model(
    "flights",
    type="boosted_tree_regressor",
    label="arr_delay",
    features={
        "carrier": ps.col("carrier"),
        "origin": ps.col("origin"),
        "dest": ps.col("dest"),
        "dep_delay": ps.col("dep_delay"),
        "late": ps.col("dep_delay").clip(0, 180).log1p(),
        "distance": ps.col("distance").log1p(),
        "hour": "EXTRACT(HOUR FROM time_hour AT TIME ZONE 'America/New_York')",
        "weekday": ps.col("time_hour").day_of_week().cast("string"),
        "wind": ps.col("wind_speed").clip(0, 60),
        "humidity": ps.col("humid"),
        "rain": ps.col("precip").fill_null(0.0) > 0.01,
        "sight": ps.col("visib"),
    },
    options={"max_iterations": 120, "learn_rate": 0.1, "max_depth": 6},
)


@ps.step
def departures(flights: ps.Table, weather: ps.Table) -> ps.Table:
    """Put the weather at the hour of departure beside each flight that arrived."""
    readings = weather.select(["origin", "time_hour", "wind_speed", "humid", "precip", "visib"])
    joined = flights.join(readings, keys=["origin", "time_hour"], join_type="left outer")
    columns = ["time_hour", "carrier", "flight", "origin", "dest", "distance", "dep_delay", "arr_delay"]
    arrived = joined.filter(joined["arr_delay"].is_valid())
    print(f"{flights.num_rows:,} flights, {arrived.num_rows:,} of them arrived")
    rows = arrived.select([*columns, "wind_speed", "humid", "precip", "visib"])
    return rows.sort_by([(name, "ascending") for name in ("time_hour", "carrier", "flight", "origin")])


@ps.pipeline
def flights(depth: int = 6, worst: float = 30.0) -> None:
    """Read, test the data, learn from the past, judge on the newest fifth, promote if it is good enough."""
    weather = ps.read.configured(name="read_weather")("weather")
    rows = departures(ps.read("flights"), weather)
    expected = ps.schema(ps.statistics(rows), reviewed={"dep_delay": {"max": 1000}}, label="arr_delay")
    rows = ps.validate(rows, expected).rows  # a few flights left later than that: reported, and kept
    train, test = ps.split(rows, by="time_hour", test=0.2)
    graph = ps.fit(arrival, train, options={"max_depth": depth})
    report = ps.evaluate(graph, test)
    ps.push(graph, name="flights", report=report, when=report["mean_absolute_error"] < worst)
