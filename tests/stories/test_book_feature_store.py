"""The feature store notebook of the book (06_reproducibility/feature_store, Feast 0.5) in our words, over its own taxi
rides where they are, and over rows of our own making. The notebook's own values are not what was known at the time;
what is held here are its steps and shapes, and the rule that of one time the last row ingested wins.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import penstock as ps

DATA = Path(__file__).parents[3] / "shared" / "data" / "nyc_taxi_fares_latlon.parquet"
FEATURES = ["fare_amount", "pickup_longitude", "pickup_latitude", "passenger_count", "euclid_dist"]


def made_up() -> pa.Table:
    random, count = np.random.default_rng(0), 3000
    start = int(dt.datetime(2020, 4, 1).timestamp()) * 1_000_000
    hours = np.sort(random.integers(0, 400, count)) * 3_600_000_000 + start  # many rides of a taxi share one time
    return pa.table(
        {
            "fare_amount": random.uniform(3, 80, count).round(2),
            "pickup_datetime": pa.array(hours, pa.timestamp("us")),
            **{name: random.normal(0, 0.1, count) for name in COORDINATES},
            "passenger_count": random.integers(1, 6, count),
            "key": random.integers(0, 19, count),
        }
    )


COORDINATES = ("pickup_longitude", "pickup_latitude", "dropoff_longitude", "dropoff_latitude")


def prepared(rides: pa.Table) -> pa.Table:
    """What the notebook does in pandas: an id, an instant, a distance."""
    across = pc.subtract(rides["pickup_longitude"], rides["dropoff_longitude"])
    along = pc.subtract(rides["pickup_latitude"], rides["dropoff_latitude"])
    distance = pc.sqrt(pc.add(pc.multiply(across, across), pc.multiply(along, along)))
    instants = pc.assume_timezone(rides["pickup_datetime"], "UTC")
    taken = {name: rides[name] for name in FEATURES[:-1]}
    return pa.table({"taxi_id": rides["key"], "datetime": instants, **taken, "euclid_dist": distance})


@pytest.mark.parametrize(
    "real", [False, pytest.param(True, marks=pytest.mark.skipif(not DATA.exists(), reason="the rides are not here"))]
)
def test_the_notebook_is_told_step_by_step(tmp_path: Path, real: bool) -> None:
    df = prepared(pq.read_table(DATA) if real else made_up())
    project = ps.open(tmp_path)
    assert list(project.features) == []  # client.list_feature_sets()
    taxirides = ps.feature_set("taxirides", entities={"taxi_id": "int64"}, timestamp="datetime")
    schema = project.features.apply(taxirides, df)  # infer_fields_from_df, client.apply
    assert schema.message == "feature set taxirides: version 1: created"
    assert project.features.apply(taxirides, df).message == "feature set taxirides: nothing changed, it is version 1"
    assert list(project.features) == ["taxirides"]
    assert schema["x-entities"] == ["taxi_id"]
    assert project.features["taxirides"].features == {  # client.get_feature_set
        **dict.fromkeys(FEATURES, "float64"),
        "passenger_count": "int64",
    }
    assert project.features.ingest(taxirides, df).rows == df.num_rows  # Success: 28247/28247

    references = [f"taxirides:{name}" for name in FEATURES]
    hours = pc.unique(df["datetime"])  # the notebook: every taxi at every hour
    taxis = sorted(pc.unique(df["taxi_id"]).to_pylist())
    entity_rows = pa.table(
        {"datetime": pa.chunked_array([hours] * len(taxis)), "taxi_id": np.repeat(taxis, len(hours))}
    )
    batch = project.features.get_historical_features(
        entity_rows, references, timestamp="datetime", full_feature_names=True
    )
    assert batch.select(["datetime", "taxi_id"]).equals(entity_rows)
    assert batch.column_names[2:] == [f"taxirides__{name}" for name in FEATURES]

    online = project.features.get_online_features(references, {"taxi_id": taxis})
    newest: dict[int, tuple[dt.datetime, int]] = {}
    for place, (taxi, at) in enumerate(zip(df["taxi_id"].to_pylist(), df["datetime"].to_pylist(), strict=True)):
        newest[taxi] = max(newest.get(taxi, (at, -1)), (at, place))  # the latest time, and of one time the last row
    last = df.take([newest[taxi][1] for taxi in taxis])
    for name in FEATURES:
        assert online.column(name).to_pylist() == last[name].to_pylist()
    if real:
        assert (df.num_rows, len(taxis), len(hours)) == (28_247, 19, 5_747)
        first = dict(zip(FEATURES, (online.column(name)[1].as_py() for name in FEATURES), strict=True))
        assert first["pickup_latitude"] == pytest.approx(40.767849, abs=1e-6)
        assert (first["passenger_count"], round(first["euclid_dist"], 6)) == (1, 0.007811)
    else:
        assert batch.num_rows == len(taxis) * len(hours)
    at_the_end = batch.filter(pc.equal(batch["datetime"], pc.max(df["datetime"])))
    assert at_the_end.column("taxirides__fare_amount").to_pylist() == online.column("fare_amount").to_pylist()
