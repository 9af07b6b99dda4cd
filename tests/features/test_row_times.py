"""The column with each row's time, as of which features are looked up: `timestamp=`, `feature_timestamp_col`."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import penstock as ps
from penstock.cli.group import main
from penstock.errors import DataError, DeclarationError, RunError
from penstock.project.looking_up import row_predictor
from penstock.serving.application import application

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
UTC = pa.timestamp("us", "UTC")

# The set's own time is when a trip ended, which rows of trips have too: learning as of it would look ahead.
STATIONS = ps.feature_set(
    "stations",
    entities={"station": "string"},
    timestamp="ended",
    features={"trips": ps.col("minutes").count().over("1d"), "mean": ps.col("minutes").mean().over("1d")},
    columns={"minutes": "float64"},
)
DURATION = ps.model(
    "duration",
    type="linear_reg",
    label="minutes",
    features={"trips": ps.feature("stations:trips"), "mean": ps.feature("stations:mean").fill_null(0.0)},
)
TIMED = ps.model(
    "duration",
    type="linear_reg",
    label="minutes",
    features=dict(DURATION.features or {}),
    options={"feature_timestamp_col": "began"},
)


def trips(count: int = 120) -> pa.Table:
    began = [START + number * dt.timedelta(minutes=17) for number in range(count)]
    minutes = [5.0 + number * 37 % 41 for number in range(count)]
    return pa.table(
        {
            "station": [f"s{number % 3}" for number in range(count)],
            "began": pa.array(began, UTC),
            "ended": pa.array([at + dt.timedelta(minutes=m) for at, m in zip(began, minutes, strict=True)], UTC),
            "minutes": minutes,
        }
    )


def joined(project: ps.Project, timestamp: str) -> pa.Table:
    references = ["stations:trips", "stations:mean"]
    return project.features.get_historical_features(trips(), references, timestamp=timestamp)


def by_hand(project: ps.Project, timestamp: str) -> ps.ModelGraph:
    features = {"trips": ps.col("trips"), "mean": ps.col("mean").fill_null(0.0)}
    return ps.fit(
        ps.model("duration", type="linear_reg", label="minutes", features=features), joined(project, timestamp)
    )


@pytest.fixture
def stations(project: ps.Project) -> ps.Project:
    project.features.apply(STATIONS)
    project.features.ingest(STATIONS, trips())
    return project


def test_a_fit_learns_as_of_the_column_that_it_is_told(stations: ps.Project) -> None:
    graph = stations.fit(DURATION, trips(), timestamp="began")
    assert graph.blobs == by_hand(stations, "began").blobs
    assert graph.blobs != stations.fit(DURATION, trips()).blobs  # as of the set's own time
    assert graph.declaration() == TIMED


def test_the_model_may_say_so_itself_and_a_pipeline_goes_by_it(stations: ps.Project) -> None:
    stations.table("trips", trips())

    @ps.step
    def given() -> ps.Table:
        return trips()

    @ps.pipeline
    def train() -> None:
        ps.fit(TIMED, ps.historical_features(given(), TIMED))

    expected = by_hand(stations, "began").blobs
    assert stations.fit(TIMED, trips()).blobs == expected
    assert stations.run(train, engine="inline").result("fit").blobs == expected
    stations.sql(TIMED.sql(rows="trips"))
    assert stations.models["duration"].alias("champion").version == 1  # the same model: the same version
    assert "feature_timestamp_col = 'began'" in TIMED.sql()


def test_predictions_and_metrics_are_as_of_the_models_column_or_the_one_given(stations: ps.Project) -> None:
    graph = stations.fit(DURATION, trips(), timestamp="began")
    expected = by_hand(stations, "began").predict(joined(stations, "began")).column("predicted_minutes")
    assert stations.predict("duration", trips()).column("predicted_minutes").equals(expected)
    judged = by_hand(stations, "began")
    metrics = ps.evaluate(judged, joined(stations, "began"))
    assert stations.evaluate("duration", trips()) == metrics
    stations.table("trips", trips())
    predicted = stations.sql(f"SELECT predicted_minutes FROM ML.PREDICT(MODEL {graph.name}, TABLE trips)")
    assert predicted.column("predicted_minutes").equals(expected)

    other = trips().rename_columns(["station", "asked", "ended", "minutes"])
    assert stations.predict("duration", other, timestamp="asked").column("predicted_minutes").equals(expected)
    assert stations.evaluate("duration", other, timestamp="asked") == metrics
    late = stations.predict("duration", trips(), timestamp="ended").column("predicted_minutes")
    assert late.equals(by_hand(stations, "began").predict(joined(stations, "ended")).column("predicted_minutes"))


def test_without_the_models_column_rows_are_asked_for_now_not_as_of_another(stations: ps.Project) -> None:
    stations.fit(DURATION, trips(), timestamp="began")
    no_times = trips().select(["station"])
    now = stations.predict("duration", no_times).column("predicted_minutes")
    assert stations.predict("duration", trips().drop_columns(["began"])).column("predicted_minutes").equals(now)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (trips().drop_columns(["began"]), "no column 'began'; they have: station, ended, minutes"),
        (
            trips().set_column(1, "began", trips()["began"].cast(pa.timestamp("us"))),
            r"the time 'began' is timestamp\[us\]; it has to be a timestamp with a zone",
        ),
        (
            trips().set_column(1, "began", pa.array([None, *trips()["began"].to_pylist()[1:]], UTC)),
            "row 0 has no time: 'began' is NULL there",
        ),
    ],
)
def test_a_column_that_is_missing_naive_or_null_is_an_error(stations: ps.Project, rows: pa.Table, said: str) -> None:
    with pytest.raises(RunError, match=said):
        stations.fit(DURATION, rows, timestamp="began")
    stations.fit(DURATION, trips())
    with pytest.raises(DataError, match=said):
        stations.predict("duration", rows, timestamp="began")
    with pytest.raises(DataError, match=said):
        stations.evaluate("duration", rows, timestamp="began")


def test_a_model_that_looks_nothing_up_has_no_use_for_it(project: ps.Project) -> None:
    plain = ps.model("plain", type="linear_reg", label="minutes", features={"x": ps.col("ended").hour()})
    with pytest.raises(DeclarationError, match=r"'plain' looks no features up.*timestamp='began'"):
        project.fit(plain, trips(), timestamp="began")
    with pytest.raises(DeclarationError, match=r"'plain' looks no features up.*feature_timestamp_col"):
        ps.model(
            "plain",
            type="linear_reg",
            label="minutes",
            features={"x": "minutes * 2"},
            options={"feature_timestamp_col": "began"},
        )
    project.fit(plain, trips())
    for call in (project.predict, project.evaluate):
        with pytest.raises(DeclarationError, match=r"'plain' looks no features up.*timestamp='began'"):
            call("plain", trips(), timestamp="began")


def test_a_feature_may_read_that_column_too(stations: ps.Project) -> None:
    features = {**(DURATION.features or {}), "began": ps.col("began").hour()}
    hourly = ps.model("hourly", type="linear_reg", label="minutes", features=features)
    graph = stations.fit(hourly, trips(), timestamp="began")
    assert "began" in graph.signature.inputs.names
    assert graph.declaration().features == hourly.features


def test_rest_takes_it_in_the_models_options_and_in_the_query(stations: ps.Project) -> None:
    form: dict[str, Any] = {
        "name": "duration",
        "type": "linear_reg",
        "label": "minutes",
        "features": {"trips": "PENSTOCK.FEATURE('stations:trips')"},
        "options": {"feature_timestamp_col": "began"},
    }
    pq.write_table(trips(), stations.root / "trips.parquet")
    (stations.root / "penstock.toml").write_text('[tables]\ntrips = "trips.parquet"\n')
    project = ps.open(stations.root)
    app = application(project, lambda graph: row_predictor(graph, project.features))
    with TestClient(app, headers={"accept": "application/json"}) as client:
        assert client.post("/v1/models:fit", json={"model": form, "rows": "trips"}).status_code == 201
        path = "/v1/models/duration"
        for timestamp in ("began", "ended"):
            answer = client.post(f"{path}:batchPredict?timestamp={timestamp}", json={"rows": "trips"})
            expected = project.predict("duration", trips(), timestamp=timestamp).column("predicted_minutes")
            assert [row["predicted_minutes"] for row in answer.json()] == expected.to_pylist()
        answer = client.post(f"{path}:evaluate?timestamp=ended", json={"rows": "trips"})
        assert answer.json()["metrics"] == project.evaluate("duration", trips(), timestamp="ended")
        lacking = client.post(f"{path}:batchPredict?timestamp=asked", json={"rows": "trips"})
        assert lacking.status_code == 422
        assert "no column 'asked'" in lacking.json()["error"]["message"]
        assert "there are: timestamp" in client.post(f"{path}:evaluate?time=ended", json={"rows": "trips"}).text


def test_the_command_line_takes_it(stations: ps.Project, tmp_path: Path) -> None:
    stations.fit(DURATION, trips())
    pq.write_table(trips(), tmp_path / "trips.parquet")
    root = ["-C", str(stations.root)]
    made = CliRunner().invoke(main, [*root, "predict", "duration", "trips.parquet", "--timestamp", "began", "--json"])
    assert made.exit_code == 0, made.output
    expected = stations.predict("duration", trips(), timestamp="began").column("predicted_minutes").to_pylist()
    assert f'"predicted_minutes":{expected[-1]!r}' in made.output
    assert math.isfinite(expected[-1])
    lacking = CliRunner().invoke(main, [*root, "predict", "duration", "trips.parquet", "--timestamp", "asked"])
    assert lacking.exit_code == 3
    assert "no column 'asked'" in lacking.output
