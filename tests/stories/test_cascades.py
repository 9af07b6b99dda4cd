"""The book's two cascades on real tables: how far does this bike go, and will this line of an order come back.

Where the data is not beside the checkout, the same stories are told of generated rows of the same form.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.models import row_predictor
from penstock.models.fitting.agreement import close

DATA = Path(__file__).parents[3] / "shared" / "data"
TRIPS, STATIONS, RETAIL = (
    DATA / f"{name}.parquet" for name in ("bayarea_bike_trips", "bayarea_bike_stations", "online_retail")
)
HAVERSINE = (
    "2 * 6371000 * asin(sqrt(power(sin(radians(b.lat - a.lat) / 2), 2) + "
    "cos(radians(a.lat)) * cos(radians(b.lat)) * power(sin(radians(b.long - a.long) / 2), 2)))"
)


def bike_trips() -> pa.Table:
    """Return trips with the distance between their stations, in metres."""
    if not TRIPS.exists():
        return made_trips()
    return duckdb.sql(
        f"WITH place AS (SELECT station_id, arg_min(lat, install_date) AS lat, arg_min(long, install_date) AS long "
        f"FROM '{STATIONS}' GROUP BY station_id) "
        f"SELECT start_date, start_station, subscription_type, duration, {HAVERSINE} AS distance "
        f"FROM '{TRIPS}' JOIN place AS a ON a.station_id = start_terminal "
        "JOIN place AS b ON b.station_id = end_terminal ORDER BY trip_id"
    ).to_arrow_table()


def made_trips(rows: int = 20_000) -> pa.Table:
    random = np.random.default_rng(0)
    station, customer = random.integers(0, 40, rows), random.random(rows) < 0.2
    long = random.random(rows) < np.where(customer, 0.08, 0.002)
    distance = np.where(long, 4000 + 50 * station, 900 + 20 * station) * random.lognormal(0, 0.3, rows)
    start = np.datetime64("2014-01-01T00:00:00", "us") + np.sort(random.integers(0, 365 * 86_400, rows)) * 1_000_000
    return pa.table(
        {
            "start_date": pa.array(start, pa.timestamp("us")),
            "start_station": [f"station {number}" for number in station],
            "subscription_type": np.where(customer, "Customer", "Subscriber"),
            "duration": np.where(long, 20_000, 600).astype(np.int32),
            "distance": distance,
        }
    )


def order_lines() -> pa.Table:
    """Return lines of orders: whether their buyer buys by the dozen, and whether the item came back within 60 days."""
    if not RETAIL.exists():
        return made_lines()
    return duckdb.sql(
        f"WITH lines AS (SELECT * FROM '{RETAIL}' WHERE CustomerID IS NOT NULL), "
        "bought AS (SELECT row_number() OVER () AS line, * FROM lines "
        "           WHERE Quantity > 0 AND UnitPrice > 0 AND InvoiceNo NOT LIKE 'C%'), "
        "back AS (SELECT CustomerID, StockCode, InvoiceDate FROM lines WHERE InvoiceNo LIKE 'C%'), "
        "buyers AS (SELECT CustomerID, median(Quantity) >= 12 AS is_reseller FROM bought GROUP BY CustomerID) "
        "SELECT InvoiceDate AS bought_at, Quantity AS quantity, UnitPrice AS price, Country AS country, "
        "       CustomerID AS customer, is_reseller, "
        "       EXISTS (SELECT 1 FROM back WHERE back.CustomerID = bought.CustomerID "
        "               AND back.StockCode = bought.StockCode AND back.InvoiceDate > bought.InvoiceDate "
        "               AND back.InvoiceDate < bought.InvoiceDate + INTERVAL 60 DAY) AS returned "
        "FROM bought JOIN buyers USING (CustomerID) ORDER BY line"
    ).to_arrow_table()


def made_lines(rows: int = 20_000) -> pa.Table:
    random = np.random.default_rng(1)
    customer = random.integers(0, 400, rows)
    is_reseller = customer % 4 == 0
    quantity = random.poisson(np.where(is_reseller, 24, 4), rows) + 1
    returned = random.random(rows) < np.where(is_reseller, 0.01 + 0.002 * quantity, 0.02)
    start = dt.datetime(2011, 1, 1)
    return pa.table(
        {
            "bought_at": [start + dt.timedelta(minutes=20 * at) for at in range(rows)],
            "quantity": quantity.astype(np.int32),
            "price": random.lognormal(1, 1, rows),
            "country": np.where(customer % 7 == 0, "France", "United Kingdom"),
            "customer": customer,
            "is_reseller": is_reseller,
            "returned": returned,
        }
    )


def trip_cascade(**how: Any) -> ps.Cascade:
    inputs = {
        "start_station": ps.col("start_station"),
        "subscription_type": ps.col("subscription_type"),
        "hour": "CAST(EXTRACT(HOUR FROM start_date) AS STRING)",
        "day": "CAST(EXTRACT(DAYOFWEEK FROM start_date) AS STRING)",
    }
    kind = ps.model(
        "trip_type",
        type="logistic_reg",
        label="trip_type",
        target="IF(duration > 3600 * 4, 'Long', 'Typical')",
        features=inputs,
        options={"auto_class_weights": True},
    )
    long, typical = (
        ps.model(name, type="linear_reg", label="distance", features=inputs) for name in ("long", "typical")
    )
    return ps.cascade(
        "trip_distance",
        label="distance",
        metric="root_mean_squared_error",
        router=kind,
        routes=[ps.route(when="trip_type = 'Long'", use=long)],
        otherwise=typical,
        time="start_date",
        holdout=0.245,  # October to December
        **how,
    )


def returns_cascade(**how: Any) -> ps.Cascade:
    inputs = {
        "quantity": "LN(quantity + 1)",
        "price": "LN(price + 1)",
        "amount": "LN(quantity * price + 1)",
        "country": ps.col("country"),
        "hour": "EXTRACT(HOUR FROM bought_at)",
    }

    def trees(name: str, label: str) -> Any:
        options = {"max_iterations": 20}
        return ps.model(name, type="boosted_tree_classifier", label=label, features=inputs, options=options)

    return ps.cascade(
        "comes_back",
        label="returned",
        metric="log_loss",
        router=trees("is_reseller", "is_reseller"),
        routes=[ps.route(when=ps.col("is_reseller") > 0.5, use=trees("resellers", "returned"))],
        otherwise=trees("others", "returned"),
        time="bought_at",
        group="customer",
        **how,
    )


def test_the_distance_of_a_trip_is_learned_by_what_the_router_says_of_it(tmp_path: Path) -> None:
    project, rows = ps.open(tmp_path), bike_trips()
    labels = project.fit(trip_cascade(policy="labels"), rows).facts
    graph = project.fit(trip_cascade(), rows)
    facts, metric = graph.facts, "root_mean_squared_error"
    assert facts["evaluation"][metric] <= 0.9 * labels["evaluation"][metric]
    # Against one model of all rows the gain is small, and it is always said.
    assert facts["baseline"][metric] == labels["baseline"][metric]
    assert facts["evaluation"][metric] <= 1.01 * facts["baseline"][metric]
    held_out = project.runs()[0].result("holdout", "holdout")
    assert_row_is_batch(graph, held_out.slice(0, 2_000))
    assert project.verify("trip_distance").equal


def test_whether_an_item_comes_back_is_asked_of_resellers_and_of_others_apart(tmp_path: Path) -> None:
    project, rows = ps.open(tmp_path), order_lines()
    labels = project.fit(returns_cascade(policy="labels"), rows).facts["evaluation"]["log_loss"]
    graph = project.fit(returns_cascade(), rows)
    assert graph.facts["evaluation"]["log_loss"] <= labels * 1.001
    assert graph.facts["baseline"]["log_loss"] > 0
    run = project.runs()[0]
    assert run.steps["fit_is_reseller"].state == "up_to_date"  # one router for both policies
    held_out = run.result("holdout", "holdout")
    assert_row_is_batch(graph, held_out.slice(0, 2_000))
    train = run.result("holdout", "train")
    assert max(train.column("bought_at").to_pylist()) <= min(held_out.column("bought_at").to_pylist())


def assert_row_is_batch(graph: ps.ModelGraph, rows: pa.Table) -> None:
    names = list(graph.signature.outputs.names)
    one, many = row_predictor(graph), graph.predict(rows.select(list(graph.signature.inputs.names)))
    assert len(set(many.column("route").to_pylist())) == 2
    for row, found in zip(rows.to_pylist(), many.select(names).to_pylist(), strict=True):
        assert close(one.predict(row), found)


@pytest.mark.parametrize(("made", "cascade"), [(made_trips, trip_cascade), (made_lines, returns_cascade)])
def test_generated_rows_tell_the_same_story(made: Any, cascade: Any) -> None:
    labels, graph = (ps.fit(cascade(policy=policy), made()) for policy in ("labels", "out_of_fold"))
    metric = "log_loss" if cascade is returns_cascade else "root_mean_squared_error"
    assert graph.facts["evaluation"][metric] <= labels.facts["evaluation"][metric] * 1.001
    assert graph.facts["disagreements"] == []
